"""Files that somebody names: opened without a wait, whatever has that name, and read within a bound.

Every file that a command, a scenario or a folder of the user's names is opened here. A named pipe would otherwise be waited for without
end, and a device such as /dev/zero be read until the memory is full.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from typing import BinaryIO, TextIO

MIB = 2**20
MOST_TEXT_BYTES = 4 * MIB  # scenarios and variants, of which the largest of the package has 6 kB; a module of Python
MOST_MATRIX_BYTES = 64 * MIB  # a file of a kept matrix; the largest has some 100 kB
MOST_LINES_BYTES = 4_096 * MIB  # journals and traces, which are read line by line
MOST_LINE_BYTES = 64 * MIB  # a line of them; the longest, a thread dump, has some kB
KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def opened(path: Path, most_bytes: int) -> BinaryIO:
    """Open a regular file of at most so many bytes to be read; raises OSError, as for a file that is not there, for any other.

    Whether it is one is asked of what was opened: under its name there may be something else the next moment.
    """
    # Without O_NONBLOCK, a named pipe would be waited for here; a regular file is read as without it.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(status.st_mode):
            kind = KINDS.get(stat.S_IFMT(status.st_mode), "something else")
            raise OSError(errno.EINVAL, f"it is {kind}; allowed: a regular file", str(path))
        if status.st_size > most_bytes:
            raise _too_large(path, status.st_size, most_bytes)
        return os.fdopen(fd, "rb")
    except BaseException:
        os.close(fd)
        raise


def read(path: Path, most_bytes: int) -> bytes:
    """Return what a regular file of at most so many bytes has; raises OSError for any other."""
    with opened(path, most_bytes) as file:
        found = file.read(most_bytes + 1) or b""  # None where it has nothing yet, as some files of /proc
    if len(found) > most_bytes:  # it has grown, or does not tell its size
        raise _too_large(path, len(found), most_bytes)
    return found


def lines(path: Path, most_bytes: int = MOST_LINES_BYTES, most_line_bytes: int = MOST_LINE_BYTES) -> Generator[bytes, None, None]:
    """Yield the lines of a regular file one by one, each with its newline, which the last may lack; raises OSError for any other."""
    with opened(path, most_bytes) as file:
        left_bytes = most_bytes
        while line := file.readline(most_line_bytes + 1):
            if len(line) > most_line_bytes:
                raise OSError(errno.EMSGSIZE, f"a line of it has more than {most_line_bytes:,} bytes; allowed: at most so many", str(path))
            left_bytes -= len(line)
            if left_bytes < 0:
                raise _too_large(path, most_bytes - left_bytes, most_bytes)
            yield line


def open_to_write(path: Path) -> TextIO:
    """Open a file, or a device, to be written as text, anew; raises OSError, also for a named pipe that nobody reads."""
    return os.fdopen(_open_to_write(path, os.O_CREAT | os.O_TRUNC), "w", encoding="utf-8")


def require_reader(path: Path) -> None:
    """Raise OSError for a named pipe that nobody reads, and for what is not there."""
    if stat.S_ISFIFO(path.stat().st_mode):
        # Left open until the process ends: the reader would take our close for the end of what is written.
        _open_to_write(path)


def _open_to_write(path: Path, flags: int = 0) -> int:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | flags, 0o666)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(errno.ENXIO, "it is a named pipe that nobody reads, or a socket", str(path)) from error
        raise
    os.set_blocking(fd, True)
    return fd


def _too_large(path: Path, size_bytes: int, most_bytes: int) -> OSError:
    return OSError(errno.EFBIG, f"it has {size_bytes:,} bytes; allowed: at most {most_bytes:,}", str(path))
