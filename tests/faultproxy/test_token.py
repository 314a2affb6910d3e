from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from testbed.errors import ProxyError
from testbed.runtime.toxiproxy import FaultProxyClient
from tests.faultproxy.servers import WITHIN_S, in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "a token of this run"  # noqa: S105 - of no server but the one below
PATHS = ("/version", "/proxies", "/metrics", "/nothing")


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """Return a file with the token."""
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    return file


@pytest.fixture
def guarded(token_file: Path) -> Iterator[int]:
    """Run a server that answers only with the token; yield its port."""
    with in_thread(token_file) as api:
        yield api.port


def status(port: int, path: str, header: str | None) -> int:
    """Return the status of an answer to a request with this header."""
    headers = {} if header is None else {"Authorization": header}
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=WITHIN_S).status_code


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Bearer another", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN} ü"])
def test_whoever_comes_without_the_token_is_refused(guarded: int, header: str | None) -> None:
    """Whatever they ask for."""
    sent = None if header is None else header.encode().decode("latin-1")
    assert [status(guarded, path, sent) for path in PATHS] == [401] * len(PATHS)


def test_whoever_has_it_is_answered(guarded: int) -> None:
    """As by a server that asks for none."""
    assert [status(guarded, path, f"Bearer {TOKEN}") for path in PATHS] == [200, 200, 200, 404]


@pytest.mark.parametrize("kept", ["gone", "empty"])
def test_without_a_token_in_the_file_nobody_is_answered(guarded: int, token_file: Path, kept: str) -> None:
    """So that a server which starts before its token is made is never open."""
    if kept == "gone":
        token_file.unlink()
    else:
        token_file.write_text("\n")
    assert [status(guarded, "/version", header) for header in (None, "Bearer ", f"Bearer {TOKEN}")] == [401] * 3


def test_a_client_brings_the_token_of_its_file(guarded: int, token_file: Path, tmp_path: Path) -> None:
    """Another, or none, is told why it is not answered."""
    client = FaultProxyClient("127.0.0.1", guarded, token_file)
    assert client.create("a", "127.0.0.1:1", "127.0.0.1:0").name == "a"
    client.point("a", "127.0.0.1:2")
    client.delete("a")
    for other in (FaultProxyClient("127.0.0.1", guarded), FaultProxyClient("127.0.0.1", guarded, tmp_path / "none")):
        with pytest.raises(ProxyError, match="belongs to a run, and answers only with its token"):
            other.list()
