from __future__ import annotations

import errno
import logging
import os
import sys
from logging.handlers import WatchedFileHandler
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from flight_search.log import Log

FULL = Path("/dev/full")

pytestmark = pytest.mark.fact("W7")
needs_full = pytest.mark.skipif(not FULL.is_char_device(), reason="this system has no /dev/full")


class CountedLog:
    """A log and its counts."""

    def __init__(self, path: Path | None) -> None:
        self.registry = CollectorRegistry()
        self.log = Log(None if path is None else str(path), self.registry)

    def count(self, result: str, level: str = "error") -> int:
        """Return how many lines had this result."""
        return int(self.registry.get_sample_value("log_lines_total", {"level": level, "result": result}) or 0)


def redirect(link: Path, target: Path) -> None:
    """Point a symbolic link to another target, atomically."""
    new = link.with_name("new")
    new.symlink_to(target)
    new.replace(link)


def test_an_error_is_a_line(tmp_path: Path) -> None:
    """A line has a time, a level and the text, whose line breaks are replaced; it is for the server's user alone."""
    counted = CountedLog(tmp_path / "errors.log")
    assert not counted.log.write("error", "check_in: OperationalError: the connection\n\tis lost")
    (line,) = (tmp_path / "errors.log").read_text().splitlines()
    assert line.partition(" ")[2] == "error check_in: OperationalError: the connection is lost"
    assert (counted.count("written"), counted.count("lost")) == (1, 0)
    assert (tmp_path / "errors.log").stat().st_mode & 0o777 == 0o600


@needs_full
def test_a_full_disk_loses_lines_and_nothing_else(tmp_path: Path) -> None:
    """Logging raises no error on a full disk, lost lines are counted, and lines are written again as soon as there is space."""
    log, spare = tmp_path / "errors.log", tmp_path / "spare.log"
    counted = CountedLog(log)
    redirect(log, FULL)
    assert [counted.log.write("error", f"number {number}") for number in range(3)] == ["No space left on device"] * 3
    redirect(log, spare)
    assert counted.log.write("error", "number 3") == ""
    assert [line.rpartition(" ")[2] for line in spare.read_text().splitlines()] == ["3"]
    assert (counted.count("written"), counted.count("lost")) == (1, 3)


@needs_full
def test_the_standard_library_s_handler_raises_in_the_thread_that_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its buffer keeps what a full disk refused, and once the file has moved, every later call raises."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    log = tmp_path / "errors.log"
    redirect(log, FULL)
    handler = WatchedFileHandler(log)
    record = logging.makeLogRecord({"msg": "the connection is lost"})
    handler.handle(record)  # lost without an error
    redirect(log, tmp_path / "spare.log")
    for _ in range(2):
        with pytest.raises(OSError, match="No space left") as raised:
            handler.handle(record)
        assert raised.value.errno == errno.ENOSPC
    with pytest.raises(OSError, match="No space left"):
        handler.stream.close()


def test_a_pipe_without_a_reader_does_not_block_logging(tmp_path: Path) -> None:
    """A pipe without a reader, or a full one, loses lines and blocks no thread."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    counted = CountedLog(pipe)
    assert counted.log.write("error", "no reader") == "No such device or address"
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        lines = [counted.log.write("error", "x" * 1000) for _ in range(200)]
    finally:
        os.close(reader)
    assert (lines[0], lines[-1]) == ("", "Resource temporarily unavailable")
    assert counted.count("written") == lines.count("")


def test_without_a_file_lines_go_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    """A log without a path writes to file descriptor 2."""
    sys.stderr.flush()
    assert CountedLog(None).log.write("mark", "here") == ""
    assert capfd.readouterr().err.endswith(" mark here\n")
