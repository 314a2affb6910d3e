"""What a facility of processes lacked, in the words of its own logs, and of the programs that it shares with other replays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.journal.events import Shortage
from testbed.journal.shortages import shortages_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from testbed.journal.events import Now

LOGS = "*.log"
KEPT_ERRORS = "-errors.kept"  # the end of the name of an application server's log of errors; see `log_disks`


@dataclass(slots=True)
class ProcessShortages:
    """Reads every log in a directory, and those of the `shared` programs from where they ended when this was made."""

    directory: Path
    shared: tuple[Path, ...]
    every_s: float | None = 1.0
    _read_bytes: dict[Path, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._read_bytes = {path: path.stat().st_size for path in self.shared if path.exists()}

    async def look(self, now: Now) -> Sequence[Shortage]:
        """Read what is new in every log."""
        found = []
        for path in (*sorted(self.directory.glob(LOGS)), *self.shared):
            if path.is_symlink():  # it leads to another of them, or to a full disk
                continue
            for resource, lines in shortages_in(self._new_lines(path)).items():
                t_s, night_s = now()
                of = path.stem.removesuffix(KEPT_ERRORS)
                found.append(Shortage(t_s=t_s, night_s=night_s, of=of, resource=resource, lines=len(lines), line=lines[0]))
        return found

    def _new_lines(self, path: Path) -> str:
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
