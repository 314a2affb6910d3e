from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbed.load import door

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "0123456789abcdef"  # noqa: S105 - of nothing but this test


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """Return a file with the token."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    return tmp_path / "token"


class Door(threading.Thread):
    """A process that lets in one, and sends what that one sent after the token."""

    def __init__(self, token_file: Path | None) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.token_file = token_file
        self.start()

    def run(self) -> None:
        """Let in one, unless the door is closed before."""
        with suppress(OSError), door.accept(self.listener, self.token_file) as connection:
            connection.sendall(b"in: " + connection.recv(100))

    def close(self) -> None:
        """Close it, whether or not anybody was let in."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.join(10)
        self.listener.close()

    def answer(self, *sent: bytes) -> bytes:
        """Return what is answered to somebody who sends this; nothing where the connection is closed."""
        with socket.create_connection(self.listener.getsockname(), timeout=10) as client:
            try:
                for part in sent:
                    client.sendall(part)
                    time.sleep(0.02)
                return client.recv(100)
            except ConnectionError:
                return b""


@pytest.fixture
def guarded(token_file: Path) -> Iterator[Door]:
    """Return a door that asks for the token."""
    with closing(Door(token_file)) as guarded:
        yield guarded


@pytest.mark.parametrize("brought", [b"\n", b"{}\n", TOKEN.encode()[:-1] + b"x\n", TOKEN.upper().encode() + b"\n", TOKEN.encode() + b" \n"])
def test_who_brings_another_token_is_not_let_in(guarded: Door, brought: bytes) -> None:
    """His connection is closed, and the next is looked at."""
    assert guarded.answer(brought.ljust(len(TOKEN) + 1, b"x")) == b""
    assert guarded.answer(f"{TOKEN}\nours".encode()) == b"in: ours"


def test_who_brings_nothing_is_waited_for_only_so_long(guarded: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """He holds nobody up for longer."""
    monkeypatch.setattr(door, "WITHIN_S", 0.2)
    assert guarded.answer(b"") == b""
    assert guarded.answer(f"{TOKEN}\nours".encode()) == b"in: ours"


def test_a_token_may_come_in_pieces(guarded: Door) -> None:
    """And what follows it is not read with it."""
    assert guarded.answer(TOKEN.encode()[:5], TOKEN.encode()[5:] + b"\nfirst") == b"in: first"


def test_without_a_token_s_file_the_first_is_let_in() -> None:
    """As where nobody else can connect."""
    with closing(Door(None)) as unguarded:
        assert unguarded.answer(door.greeting(None), b"anything") == b"in: anything"


@pytest.mark.parametrize("kept", ["gone", "empty"])
def test_where_no_token_is_kept_nobody_is_let_in(guarded: Door, token_file: Path, kept: str) -> None:
    """Neither with the former token nor with an empty one."""
    if kept == "gone":
        token_file.unlink()
    else:
        token_file.write_text("")
    assert [guarded.answer(brought) for brought in (b"\n", TOKEN.encode() + b"\n")] == [b"", b""]
    with pytest.raises(FileNotFoundError):
        door.greeting(token_file.with_name("none"))


def test_strangers_who_say_nothing_keep_nobody_out(guarded: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither as many as may stand there nor more, nor by one letter at a time: whoever brings the token is in at once."""
    monkeypatch.setattr(door, "AT_THE_DOOR", 20)
    monkeypatch.setattr(door, "WITHIN_S", 60.0)
    with ExitStack() as stack:
        strangers = [stack.enter_context(socket.create_connection(guarded.listener.getsockname(), timeout=10)) for _ in range(50)]
        strangers[-1].sendall(TOKEN[:1].encode())
        assert guarded.answer(f"{TOKEN}\nours".encode()) == b"in: ours"
        assert [stranger.recv(1) for stranger in strangers[:30]] == [b""] * 30  # they had stood there for longest


def test_who_goes_away_again_is_forgotten(guarded: Door) -> None:
    """Before he has said all of it, or by a reset."""
    for rest in (b"", TOKEN[:3].encode()):
        with socket.create_connection(guarded.listener.getsockname(), timeout=10) as stranger:
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            stranger.sendall(rest)
    assert guarded.answer(f"{TOKEN}\nours".encode()) == b"in: ours"
