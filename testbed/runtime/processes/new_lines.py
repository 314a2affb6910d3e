"""Reads logs while they grow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class NewLines:
    """Reads each log from where the look before ended, those of `begun` from where they end now."""

    def __init__(self, begun: Iterable[Path] = ()) -> None:
        self._read_bytes = {path: path.stat().st_size for path in begun if path.exists()}

    def of(self, path: Path) -> str:
        """Return the whole lines that were not read yet; nothing of a log that cannot be read now."""
        try:
            with path.open("rb") as log:
                log.seek(self._read_bytes.get(path, 0))
                new, _, _ = log.read().rpartition(b"\n")
        except OSError:
            return ""
        if new:
            self._read_bytes[path] = self._read_bytes.get(path, 0) + len(new) + 1
        return new.decode(errors="replace")
