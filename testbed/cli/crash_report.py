"""What the command line leaves of an error of ours: a file with the traceback, one line that says where it is, and exit code 4.

It imports nothing but the standard library: what fails may be an import.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

EXIT_CODE = 4
DIRECTORY = Path(".testbed/errors")


def report(error: Exception) -> int:
    """Write the traceback to a file and a line about it to standard error; return the exit code of the process.

    Where no file can be written, the traceback itself goes to standard error.
    """
    text = "".join(traceback.format_exception(error))
    path = _keep(text)
    with suppress(OSError):
        said = " ".join(str(error).split())
        where = f"the traceback is in {path}; please report it" if path else f"no file could be written for its traceback:\n{text}"
        sys.stderr.write(f"testbed: an error of the testbed itself: {type(error).__name__}: {said}; {where}\n")
    return EXIT_CODE


def _keep(text: str) -> Path | None:
    """Write the traceback below the current directory, or else where temporary files go; None when neither can be written."""
    stamp = datetime.now(tz=UTC).strftime("%Y%m%d-%H%M%S")
    for directory in (DIRECTORY, Path(tempfile.gettempdir()) / "testbed-errors"):
        path = directory / f"{stamp}-{os.getpid()}.txt"
        with suppress(OSError):
            directory.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return path
    return None
