from __future__ import annotations

import errno
import io
import os
import re
from pathlib import Path

import pytest
from rich.console import Console

from testbed.cli.output import BatchProgress, writing
from testbed.errors import UsageError


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


@pytest.mark.parametrize(("arguments", "named"), [((), "page.md"), (("runs/cell.jsonl",), "runs/cell.jsonl")])
def test_a_file_that_cannot_be_written_is_named_with_its_option(arguments: tuple[str, ...], named: str) -> None:
    """A full disk raises an error without a file name; then it is the path of the option."""
    with (
        pytest.raises(UsageError, match=f"^--out: {named} cannot be written: {os.strerror(errno.ENOSPC)}$"),
        writing("--out", Path("page.md")),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *arguments)
