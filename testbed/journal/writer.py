"""Writes journals. Every event is on disk before anything is judged."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from testbed.errors import TestbedError
from testbed.journal.events import Event, Header
from testbed.journal.reader import event_adapter, header_adapter

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class JournalWriter:
    """A journal being written; a context manager.

    No line waits in a buffer, so that the journal of a killed run can be read up to there. Who may read it is up to the umask; nobody else
    may write to it. Raises TestbedError when the file cannot be created or written (no space, no permission).
    """

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644), "wb", buffering=0)
        except OSError as error:
            raise TestbedError(f"the journal {path} cannot be created: {error.strerror}; give another directory with --runs") from error
        try:
            self._write(header_adapter.dump_json(header, by_alias=True))
        except TestbedError:
            self._file.close()
            path.unlink()  # without a header it is no journal
            raise

    def append(self, event: Event) -> None:
        """Write an event."""
        self._write(event_adapter.dump_json(event, by_alias=True))

    def _write(self, line: bytes) -> None:
        """Write a whole line or nothing: half of one would spoil the line that follows, and with it the journal."""
        start, rest = self._file.tell(), memoryview(line + b"\n")
        try:
            while rest:  # the last block of a disk may take half a line without an error
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(start)
                self._file.seek(start)
            raise TestbedError(f"the journal {self.path} cannot be written: {error.strerror}; free space there, or give --runs") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError as failure:
            raise TestbedError(f"the journal {self.path} cannot be synced to disk: {failure.strerror}") from failure
        finally:
            self._file.close()
