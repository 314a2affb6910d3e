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


class Made:
    """A log, and what it has counted."""

    def __init__(self, path: Path | None) -> None:
        self.registry = CollectorRegistry()
        self.log = Log(None if path is None else str(path), self.registry)

    def counted(self, result: str, level: str = "error") -> int:
        """Give how many lines ended so."""
        return int(self.registry.get_sample_value("log_lines_total", {"level": level, "result": result}) or 0)


def swing(link: Path, target: Path) -> None:
    """Let a link lead elsewhere, from one moment to the next."""
    new = link.with_name("new")
    new.symlink_to(target)
    new.replace(link)


def test_an_error_is_a_line(tmp_path: Path) -> None:
    """With its time and level; breaks in the text do not break the line."""
    made = Made(tmp_path / "errors.log")
    assert not made.log.write("error", "check_in: OperationalError: the connection\n\tis lost")
    (line,) = (tmp_path / "errors.log").read_text().splitlines()
    assert line.partition(" ")[2] == "error check_in: OperationalError: the connection is lost"
    assert (made.counted("written"), made.counted("lost")) == (1, 0)


@needs_full
def test_a_full_disk_costs_the_lines_and_nothing_else(tmp_path: Path) -> None:
    """Nobody who logs gets an error; what was lost is counted; and as soon as there is space again, lines are written."""
    log, kept = tmp_path / "errors.log", tmp_path / "kept.log"
    made = Made(log)
    swing(log, FULL)
    assert [made.log.write("error", f"number {number}") for number in range(3)] == ["No space left on device"] * 3
    swing(log, kept)
    assert made.log.write("error", "number 3") == ""
    assert [line.rpartition(" ")[2] for line in kept.read_text().splitlines()] == ["3"]
    assert (made.counted("written"), made.counted("lost")) == (1, 3)


@needs_full
def test_the_standard_library_s_handler_raises_into_whoever_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a full disk did not take stays in its buffer, and once the file has moved, everyone who logs gets an error, for good."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    log = tmp_path / "errors.log"
    swing(log, FULL)
    handler = WatchedFileHandler(log)
    record = logging.makeLogRecord({"msg": "the connection is lost"})
    handler.handle(record)  # lost in silence, as far as anybody can tell
    swing(log, tmp_path / "kept.log")
    for _ in range(2):
        with pytest.raises(OSError, match="No space left") as raised:
            handler.handle(record)
        assert raised.value.errno == errno.ENOSPC
    with pytest.raises(OSError, match="No space left"):
        handler.stream.close()


def test_a_pipe_that_nobody_reads_does_not_hold_who_logs(tmp_path: Path) -> None:
    """Not without a reader, and not when it is full: the lines are lost."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    made = Made(pipe)
    assert made.log.write("error", "nobody reads") == "No such device or address"
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        lines = [made.log.write("error", "x" * 1000) for _ in range(200)]
    finally:
        os.close(reader)
    assert (lines[0], lines[-1]) == ("", "Resource temporarily unavailable")
    assert made.counted("written") == lines.count("")


def test_without_a_file_lines_go_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    """As those of any program."""
    sys.stderr.flush()
    assert Made(None).log.write("mark", "here") == ""
    assert capfd.readouterr().err.endswith(" mark here\n")
