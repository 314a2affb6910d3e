"""What a facility of processes lacked, in the words of its own logs, and of the programs that it shares with other replays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.journal.events import Shortage
from testbed.journal.shortages import shortages_in
from testbed.runtime.processes.new_lines import NewLines

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
    _new: NewLines = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._new = NewLines(self.shared)

    async def look(self, now: Now) -> Sequence[Shortage]:
        """Read what is new in every log."""
        found = []
        for path in (*sorted(self.directory.glob(LOGS)), *self.shared):
            if path.is_symlink():  # it leads to another of them, or to a full disk
                continue
            for resource, lines in shortages_in(self._new.of(path)).items():
                t_s, night_s = now()
                of = path.stem.removesuffix(KEPT_ERRORS)
                found.append(Shortage(t_s=t_s, night_s=night_s, of=of, resource=resource, lines=len(lines), line=lines[0]))
        return found
