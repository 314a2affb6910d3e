"""The log of an application server: a line for every operation that failed. A full disk neither blocks nor breaks a thread that logs.

What if the disk is full when the database error is logged (W7)? A line that cannot be written is lost, and counted as
lost. The standard library's handlers do not promise that: `WatchedFileHandler` keeps in its buffer what the full disk did not
take, and raises in the next thread that logs after the file was moved. A disk that does not answer at all is another
matter: a write to it blocks, here as anywhere.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from prometheus_client import Counter

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

STANDARD_ERROR = 2
# With O_NONBLOCK a full pipe, or one without a reader, refuses a line; without it, the write would block. It has no effect on files.
APPENDING = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
Level = Literal["error", "mark"]


class Log:
    """Appends lines to a file, or to standard error without one; counts lines written and lost, by level, in the metric `log_lines`.

    Thread-safe, and without a lock: a slow write delays no other thread.
    """

    def __init__(self, path: str | None, registry: CollectorRegistry) -> None:
        self._path = path
        self._lines = Counter("log_lines", "Lines of the log, by level and result", ["level", "result"], registry=registry)

    def write(self, level: Level, text: str) -> str:
        """Write a text as one line, its line breaks replaced; return why it was lost, or an empty string if it was written."""
        line = f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {level} {' '.join(text.split())}\n".encode()
        problem = self._append(line)
        self._lines.labels(level, "lost" if problem else "written").inc()
        return problem

    def _append(self, line: bytes) -> str:
        try:
            # Opened for each line, so that rotation of the file, or a move to another disk, needs no signal.
            fd = os.dup(STANDARD_ERROR) if self._path is None else os.open(self._path, APPENDING, 0o600)
            try:
                # The last block of a disk may take half a line, and `os.write` does not raise then.
                return "" if os.write(fd, line) == len(line) else "only part of the line was written"
            finally:
                os.close(fd)
        except OSError as error:
            return os.strerror(error.errno or 0)
