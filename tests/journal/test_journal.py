from __future__ import annotations

import io
import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest

from testbed.errors import JournalError, TestbedError
from testbed.journal import reader
from testbed.journal.writer import JournalWriter
from tests.journals import header, hung_night


def written(path: Path) -> Path:
    """Write the hung night to a file, and return the file."""
    with JournalWriter(path, header()) as writer:
        for event in hung_night().events:
            writer.append(event)
    return path


def test_what_was_written_is_what_is_read(tmp_path: Path) -> None:
    """Every event comes back as it went in."""
    read = reader.read(written(tmp_path / "a.jsonl"))
    assert read.events == tuple(hung_night().events)
    assert read.header == header()
    assert not read.torn


@pytest.mark.parametrize(("umask", "mode"), [(0o000, 0o644), (0o022, 0o644), (0o077, 0o600)])
def test_nobody_else_may_change_a_journal(tmp_path: Path, umask: int, mode: int) -> None:
    """Who may read it is up to the umask."""
    before = os.umask(umask)
    try:
        assert written(tmp_path / "a.jsonl").stat().st_mode & 0o777 == mode
    finally:
        os.umask(before)


def test_a_journal_cut_off_at_any_byte_can_be_read_up_to_there(tmp_path: Path) -> None:
    """A killed run leaves a journal whose whole lines count and whose torn line does not."""
    whole = written(tmp_path / "a.jsonl").read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole), 997):
        torn = tmp_path / "torn.jsonl"
        torn.write_bytes(whole[:cut])
        read = reader.read(torn)
        assert len(read.events) == whole[:cut].count(b"\n") - 1
        assert read.torn == (whole[cut - 1 : cut] != b"\n")


def test_each_line_is_there_as_soon_as_it_is_written(tmp_path: Path) -> None:
    """Nothing waits in a buffer for a process that may be killed."""
    path = tmp_path / "a.jsonl"
    with JournalWriter(path, header()) as writer:
        writer.append(hung_night().events[0])
        assert path.read_bytes().count(b"\n") == 2


def test_a_journal_is_never_written_over(tmp_path: Path) -> None:
    """Evidence that is there stays."""
    path = written(tmp_path / "a.jsonl")
    with pytest.raises(TestbedError, match="File exists"):
        JournalWriter(path, header())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"event":"unheard_of","t_s":0,"night_s":0}', "line 2"),
        ('{"event":"end","t_s":"x","night_s":0,"reason":"complete"}', "line 2.*t_s"),
        ("not json", "line 2"),
    ],
)
def test_a_line_that_is_no_event_is_refused_by_its_number(tmp_path: Path, line: str, message: str) -> None:
    """What cannot be understood is said, with its line."""
    path = tmp_path / "a.jsonl"
    with JournalWriter(path, header()):
        pass
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(JournalError, match=message):
        reader.read(path)


def test_fields_of_a_later_version_are_passed_over(tmp_path: Path) -> None:
    """A journal with more in it can be read as far as it is understood."""
    path = written(tmp_path / "a.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**line, "later": 1}) + "\n" for line in lines))
    assert reader.read(path).events == tuple(hung_night().events)


@pytest.mark.parametrize("content", [b"", b"{}\n", b"\xff\n"])
def test_a_file_without_a_header_is_refused(tmp_path: Path, content: bytes) -> None:
    """An empty file and a file of something else are no journals."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"a\.jsonl"):
        reader.read(path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_is_said_with_the_file_and_the_next_step() -> None:
    """No space is one clear message."""
    writer = object.__new__(JournalWriter)
    writer.path = Path("/dev/full")
    with Path("/dev/full").open("wb", buffering=0) as full:
        writer._file = full
        with pytest.raises(TestbedError, match="No space left on device; free space"):
            writer.append(hung_night().events[0])


class Trickle(io.FileIO):
    """A file that takes a few bytes at a time, as the last block of a disk may."""

    writes = 0

    def write(self, data: Any, /) -> int:
        """Write at most seven bytes."""
        self.writes += 1
        return super().write(bytes(data)[:7])


def test_a_line_that_is_taken_in_parts_is_written_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short write is no error and leaves no half line."""
    path, files = tmp_path / "a.jsonl", list[Trickle]()

    def opened(fd: int, mode: str, **_: Any) -> Trickle:
        files.append(Trickle(fd, mode))
        return files[-1]

    monkeypatch.setattr("testbed.journal.writer.os.fdopen", opened)
    with JournalWriter(path, header()) as writer:
        for event in hung_night().events[:20]:
            writer.append(event)
    monkeypatch.undo()
    assert files[0].writes > path.stat().st_size // 7
    assert reader.read(path).events == tuple(hung_night().events[:20])


def test_a_journal_whose_header_cannot_be_written_is_not_there(tmp_path: Path) -> None:
    """An empty file would be taken for a journal that cannot be read."""
    path = tmp_path / "a.jsonl"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
    try:
        with pytest.raises(TestbedError, match="cannot be written"):
            JournalWriter(path, header())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_for_a_while_spoils_no_line(tmp_path: Path) -> None:
    """What it took of a line is taken back, so that the journal can be read and the next event follows a whole line."""
    path = tmp_path / "a.jsonl"
    first, lost, last = hung_night().events[:3]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with JournalWriter(path, header()) as writer:
        writer.append(first)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, limits[1]))
        try:
            with pytest.raises(TestbedError, match="cannot be written"):
                writer.append(lost)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        writer.append(last)
    read = reader.read(path)
    assert (read.events, read.torn) == ((first, last), False)
