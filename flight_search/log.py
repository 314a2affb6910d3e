"""The log of an application server: a line for every operation that failed. Whoever logs never waits for it and gets no error of it.

What if the disk is full when the database error is logged (W7)? A line that cannot be written is lost, and counted as
lost. The standard library's handlers do not promise as much: one that watches its file (`WatchedFileHandler`) keeps in
its buffer what the full disk did not take, and raises into whoever logs next when the file has moved meanwhile.
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

    def write(self, level: Level, text: str) -> bool:
        """Write a line, whatever breaks the text has; False when it was lost."""
        line = f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {level} {' '.join(text.split())}\n".encode()
        written = self._append(line)
        self._lines.labels(level, "written" if written else "lost").inc()
        return written

    def _append(self, line: bytes) -> bool:
        try:
            # Opened for each line, so that a file that was moved away, or stands on another disk now, needs nobody to tell us.
            fd = os.dup(STANDARD_ERROR) if self._path is None else os.open(self._path, APPENDING, 0o644)
            try:
                return os.write(fd, line) == len(line)  # the last of a disk may take half a line
            finally:
                os.close(fd)
        except OSError:
            return False
