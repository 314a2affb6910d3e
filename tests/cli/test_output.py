from __future__ import annotations

import errno
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from testbed.cli import main, replay
from testbed.cli.output import BatchProgress, JsonLines, writing
from testbed.errors import UsageError
from testbed.fakes.backend import FakeBackend
from testbed.fakes.virtual_time import run as in_virtual_time
from testbed.journal.writer import JournalWriter
from testbed.runtime import backends
from tests.journals import hung_night


def test_each_replay_of_a_batch_is_counted_and_the_last_line_sums_up() -> None:
    """With the seconds of each and of all, and where the journals are."""
    text = io.StringIO()
    progress = BatchProgress(Console(file=text), 2, "cells", jobs=3)
    progress.print_done("the_night over fixed: contained", 1.25)
    progress.print_done("the_night over original: grounded", 61.0)
    progress.print_all_done(Path("runs"))
    first, second, last = text.getvalue().splitlines()
    assert (first, second) == ("  1 of 2 the_night over fixed: contained, 1.2 s", "  2 of 2 the_night over original: grounded, 61.0 s")
    assert re.fullmatch(r"2 cells in \d s, 3 at a time; journals in runs", last)


def test_a_full_disk_is_named_by_what_was_to_be_written_there(tmp_path: Path) -> None:
    """The system names no file that is open; here it is the target of the lines, and nothing is written a second time at the end."""
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"), JsonLines("/dev/full") as write:
        write("a line")


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    ("words", "refused"),
    [
        (["judge", "held.jsonl", "--json", "/dev/full"], "/dev/full"),
        (["judge", "held.jsonl"], "standard output"),
        (["judge", "held.jsonl", "--json", "-"], "standard output"),
        (["list"], "standard output"),
        (["facts", "--tests"], "standard output"),
        (["replay", "calm", "--help"], "standard output"),
        (["trace", "calm", "kept.jsonl"], "standard output"),
        (["trace", "calm", "/dev/full"], "/dev/full"),
        (["faultproxy", "--port", "0"], "standard output"),
    ],
    ids=lambda case: " ".join(case) if isinstance(case, list) else case,
)
def test_a_full_disk_is_one_line_with_what_could_not_be_written(words: list[str], refused: str, unbuffered: str, tmp_path: Path) -> None:
    """A file, or standard output; exit code 3."""
    made = hung_night().journal()
    with JournalWriter(tmp_path / "held.jsonl", made.header) as writer:
        for event in made.events:
            writer.append(event)
    command = [sys.executable, "-m", "testbed", *words]
    with Path("/dev/full" if refused == "standard output" else os.devnull).open("w") as output:
        ended = subprocess.run(
            command,
            cwd=tmp_path,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    lines = [line for line in ended.stderr.splitlines() if line.startswith("testbed: ")]
    assert ended.returncode == 3, ended.stderr
    assert "Traceback" not in ended.stderr
    assert [refused in line and "No space left on device" in line for line in lines] == [True], ended.stderr


def test_a_replay_says_that_standard_output_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before it has begun."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(backends, "of", lambda *_, **__: FakeBackend())
    monkeypatch.setattr(replay, "interruptible", in_virtual_time)
    monkeypatch.setattr(main, "forget_output", lambda: None)
    monkeypatch.setattr(sys, "argv", ["testbed", "replay", "calm"])
    monkeypatch.setattr(sys, "stdout", Path("/dev/full").open("w"))  # noqa: SIM115 - it becomes the stream below
    with pytest.raises(SystemExit) as end:
        main.main()
    full = sys.stdout
    monkeypatch.undo()
    with pytest.raises(OSError, match="No space left on device"):
        full.close()
    assert end.value.code == 3
    assert capsys.readouterr().err.startswith("testbed: cannot write standard output: No space left on device; free space there")


@pytest.mark.parametrize(("arguments", "named"), [((), "page.md"), (("runs/cell.jsonl",), "runs/cell.jsonl")])
def test_a_file_that_cannot_be_written_is_named_with_its_option(arguments: tuple[str, ...], named: str) -> None:
    """A full disk raises an error without a file name; then it is the path of the option."""
    with (
        pytest.raises(UsageError, match=f"^--out: {named} cannot be written: {os.strerror(errno.ENOSPC)}$"),
        writing("--out", Path("page.md")),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *arguments)
