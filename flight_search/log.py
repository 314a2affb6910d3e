"""The log of an application server: a line for every operation that failed. A full disk neither holds whoever logs nor raises there.

What if the disk is full when the database error is logged (W7)? A line that cannot be written is lost, and counted as
lost. The standard library's handlers do not promise as much: one that watches its file (`WatchedFileHandler`) keeps in
its buffer what the full disk did not take, and raises into whoever logs next when the file has moved meanwhile. A disk
that does not answer at all is another thing: a write to it waits, here as anywhere.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from prometheus_client import Counter

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

STANDARD_ERROR = 2
# A pipe that nobody reads refuses a line with O_NONBLOCK, where it would else hold whoever writes. To a file it means nothing.
APPENDING = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
Level = Literal["error", "mark"]


class Log:
    """Appends lines to a file, or to standard error where there is none; counts those written and lost, by level, in `log_lines`.

    Thread-safe, and without a lock: who writes for long holds up nobody else.
    """

    def __init__(self, path: str | None, registry: CollectorRegistry) -> None:
        self._path = path
        self._lines = Counter("log_lines", "Lines of the log, by level and result", ["level", "result"], registry=registry)

    def write(self, level: Level, text: str) -> str:
        """Write a line, whatever breaks the text has; gives why it was lost, and an empty text when it was written."""
        line = f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {level} {' '.join(text.split())}\n".encode()
        why = self._append(line)
        self._lines.labels(level, "lost" if why else "written").inc()
        return why

    def _append(self, line: bytes) -> str:
        try:
            # Opened for each line, so that a file that was moved away, or stands on another disk now, needs nobody to tell us.
            fd = os.dup(STANDARD_ERROR) if self._path is None else os.open(self._path, APPENDING, 0o644)
            try:
                # The last block of a disk may take half a line, and that is no error.
                return "" if os.write(fd, line) == len(line) else "only a part of it was written"
            finally:
                os.close(fd)
        except OSError as error:
            return os.strerror(error.errno or 0)
