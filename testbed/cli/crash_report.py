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
MESSAGE_CHARACTERS = 500


def report(error: Exception) -> int:
    """Write the traceback to a file and a line about it to standard error; return the exit code of the process.

    Where no file can be written, the traceback itself goes to standard error.
    """
    text = "".join(traceback.format_exception(error))
    path = _write(text)
    with suppress(OSError):
        message = _visible(" ".join(str(error).split()))[:MESSAGE_CHARACTERS]
        told = "\n".join(map(_visible, text.split("\n")))
        where = f"the traceback is in {_visible(str(path))}; please report it" if path else f"no file could take its traceback:\n{told}"
        sys.stderr.write(f"testbed: a bug of the testbed: {type(error).__name__}: {message}; {where}\n")
    return EXIT_CODE


def _visible(line: str) -> str:
    """Return a line of somebody else's in which control characters are shown, so that no terminal obeys them."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in line)


def _write(text: str) -> Path | None:
    """Write a traceback below the current directory, or else the temporary one; return its path, or None if neither is writable.

    Another user may have made either of them ready, with links in the place of our file. So below the current directory only what is
    ours is used, below the temporary one a directory that is new, and the file is never one that is there.
    """
    name = f"{datetime.now(tz=UTC):%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    for make_directory in (_below_current, _below_temporary):
        with suppress(OSError):
            path = make_directory() / name
            written = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(written, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
            return path
    return None


def _below_current() -> Path:
    """Return the directory for reports below the current one; raises OSError where it cannot be made, or is another user's."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for part in (DIRECTORY.parent, DIRECTORY):
        if part.lstat().st_uid != os.geteuid():
            raise PermissionError(f"{part} belongs to another user")
    return DIRECTORY


def _below_temporary() -> Path:
    """Return a new directory, which only this user may enter; raises OSError where none can be made."""
    return Path(tempfile.mkdtemp(prefix="testbed-errors-"))
