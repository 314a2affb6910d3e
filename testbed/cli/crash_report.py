"""A crash report: a file with the traceback of a bug of the testbed, one line that names the file, and exit code 4.

Imports nothing but the standard library: what fails may be an import.
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
    path = _write(text)
    with suppress(OSError):
        message = " ".join(str(error).split())
        where = f"the traceback is in {path}; please report it" if path else f"its traceback could not be written to a file:\n{text}"
        sys.stderr.write(f"testbed: a bug of the testbed: {type(error).__name__}: {message}; {where}\n")
    return EXIT_CODE


def _write(text: str) -> Path | None:
    """Write a traceback below the current directory, or else the temporary one; return its path, or None if neither is writable."""
    stamp = datetime.now(tz=UTC).strftime("%Y%m%d-%H%M%S")
    for directory in (DIRECTORY, Path(tempfile.gettempdir()) / "testbed-errors"):
        path = directory / f"{stamp}-{os.getpid()}.txt"
        with suppress(OSError):
            directory.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return path
    return None
