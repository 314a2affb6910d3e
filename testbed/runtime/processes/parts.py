"""Which processes beside the services died or stand still by themselves: the database servers and the fault proxy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.facility.facility import FAULT_PROXY
from testbed.journal.events import Part
from testbed.runtime.child import proc_state
from testbed.runtime.postgres.server import crashed_in
from testbed.runtime.processes.new_lines import NewLines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from testbed.journal.events import Now
    from testbed.runtime.child import Child
    from testbed.runtime.postgres.pair import DatabasePair
    from testbed.runtime.processes.runtime import Processes

EVERY_S = 0.5


@dataclass(slots=True)
class ProcessParts:
    """Watches the server of each of the `pairs` while one should run, and the fault proxy of `shared`, unless it is somebody else's."""

    pairs: Sequence[DatabasePair]
    shared: Processes
    every_s: float | None = EVERY_S
    _told: set[tuple[int, str]] = field(default_factory=set)
    _new: NewLines = field(default_factory=NewLines)

    async def look(self, now: Now) -> Sequence[Part]:
        """Return those that ended, lost every session, or do not go on."""
        t_s, night_s = now()
        return [
            Part(t_s=t_s, night_s=night_s, part=child.name, state="stopped" if how == "stopped" else "died", detail=detail)
            for child in self._children()
            for how, detail in self._failures(child)
            if self._is_new(child, how)
        ]

    def _is_new(self, child: Child, how: str) -> bool:
        key = child.process.pid, how
        new = key not in self._told
        self._told.add(key)
        return new

    def _children(self) -> Iterator[Child]:
        yield from (pair.server.child for pair in self.pairs if pair.server is not None)
        proxy = self.shared.find(FAULT_PROXY)
        if proxy is not None:
            yield proxy

    def _failures(self, child: Child) -> Iterator[tuple[str, str]]:
        pid = child.pid
        if pid is None:
            yield "died", f"{child.ending}\n{child.last_lines()}"
            return
        if child.name != FAULT_PROXY and (line := crashed_in(self._new.of(child.log))):
            yield "crashed", line
        stopped = [number for number in (pid, *children_of(pid)) if proc_state(number) == "T"]
        if stopped:
            yield "stopped", f"stopped by a signal: {len(stopped)} of its processes, such as {stopped[0]}"


def children_of(pid: int) -> list[int]:
    """Return the processes that a process started and that have not ended, by Linux' /proc; none elsewhere."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
