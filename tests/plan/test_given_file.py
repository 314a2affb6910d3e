from __future__ import annotations

import errno
import os
import signal
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbed import scenario_file
from testbed.errors import ScenarioError
from testbed.plan import given_file, trace
from testbed.plan.variants import read_variants

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

WITHIN_S = 20
SENT = 200_000  # more than a pipe holds


@pytest.fixture(autouse=True)
def no_wait() -> Iterator[None]:
    """Fail what waits for the other end of a pipe."""

    def fail(_: int, __: FrameType | None) -> None:
        raise TimeoutError("it waits")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(WITHIN_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """Return a named pipe with the name of a scenario."""
    os.mkfifo(tmp_path / "pipe.toml")
    return tmp_path / "pipe.toml"


def test_no_pipe_device_or_directory_is_read(pipe: Path, tmp_path: Path) -> None:
    """Nothing is waited for, and /dev/zero has no end."""
    for path, message in (
        (pipe, "named pipe"),
        (Path("/dev/zero"), "device"),
        (tmp_path, "directory"),
        (tmp_path / "none", "No such file"),
    ):
        with pytest.raises(OSError, match=message) as caught:
            given_file.read(path, 100)
        assert caught.value.filename in (str(path), path)


def test_a_socket_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system itself refuses to open one."""
    monkeypatch.chdir(tmp_path)  # the path of a socket has few characters
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        with pytest.raises(OSError, match="No such device"):
            given_file.read(Path("socket"), 100)


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    """Also one that does not tell its size."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    assert given_file.read(path, 100) == b"x" * 100
    with pytest.raises(OSError, match="it has 100 bytes; allowed: at most 99"):
        given_file.read(path, 99)
    with pytest.raises(OSError, match="allowed: at most 10"):
        given_file.read(Path("/proc/self/maps"), 10)
    with pytest.raises(OSError, match="allowed: at most 10"):
        list(given_file.lines(Path("/proc/self/maps"), 10))


def test_lines_are_read_one_by_one(tmp_path: Path) -> None:
    """None of them, and not all together, may be longer than is allowed; a hole of a terabyte is not read."""
    path = tmp_path / "file"
    path.write_bytes(b"one\ntwo\nthree")
    assert list(given_file.lines(path)) == [b"one\n", b"two\n", b"three"]
    with pytest.raises(OSError, match="a line of it has more than 4 bytes"):
        list(given_file.lines(path, most_line_bytes=4))
    os.truncate(path, 2**40)
    with pytest.raises(OSError, match="it has 1,099,511,627,776 bytes"):
        list(given_file.lines(path))


def test_scenarios_variants_and_traces_are_regular_files(pipe: Path, tmp_path: Path) -> None:
    """The message says what it is, and what is allowed."""
    calm = scenario_file.load(scenario_file.find("calm"))
    for read in (scenario_file.load, read_variants, lambda path: trace.read(path, calm)):
        with pytest.raises(ScenarioError, match="it is a named pipe; allowed: a regular file"):
            read(pipe)
        with pytest.raises(ScenarioError, match="it is a device; allowed: a regular file"):
            read(Path("/dev/zero"))
    with (tmp_path / "large.toml").open("wb") as large:
        large.truncate(given_file.MOST_TEXT_BYTES + 1)
    with pytest.raises(ScenarioError, match="it has 4,194,305 bytes; allowed: at most 4,194,304"):
        scenario_file.load(tmp_path / "large.toml")


def test_a_trace_with_many_mistakes_is_not_read_to_its_end(tmp_path: Path) -> None:
    """They would fill the memory, and twenty are told."""
    (tmp_path / "a.jsonl").write_text("\n" * 100_000)
    with pytest.raises(ScenarioError) as caught:
        trace.read(tmp_path / "a.jsonl", scenario_file.load(scenario_file.find("calm")))
    assert len(caught.value.mistakes) == trace.MOST_MISTAKES


def test_a_pipe_is_written_if_somebody_reads_it(pipe: Path) -> None:
    """As `>(gzip)` of a shell; nobody is waited for."""
    for use in (given_file.require_reader, given_file.open_to_write):
        with pytest.raises(OSError, match="it is a named pipe that nobody reads") as caught:
            use(pipe)
        assert caught.value.errno == errno.ENXIO
    read: list[str] = []

    def read_all() -> None:
        with pipe.open() as reading:
            read.append(reading.read(SENT))

    reader = threading.Thread(target=read_all, daemon=True)
    reader.start()
    with pipe.open("w"):  # waits for the reader
        given_file.require_reader(pipe)
        with given_file.open_to_write(pipe) as file:
            file.write("x" * SENT)
        reader.join(WITHIN_S)
    assert read == ["x" * SENT]


def test_a_file_and_a_device_are_written_anew(tmp_path: Path) -> None:
    """A link to a file too, as with any program."""
    path = tmp_path / "file"
    path.write_text("before")
    (tmp_path / "link").symlink_to(path)
    with given_file.open_to_write(tmp_path / "link") as file:
        file.write("now")
    assert path.read_text() == "now"
    with given_file.open_to_write(Path("/dev/null")) as null:
        null.write("now")
