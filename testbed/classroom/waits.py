"""Who waits for whom at one moment, as data for drawing: hidden while a class looks for the cause, and whole once it is revealed.

The verdict does the work (`verdict/who_waits.py`), and the report's graph the rest. Hidden, nothing that is blamed is marked, and where a
way ends at what is blamed stands `UNNAMED`: a line of code, say, or a session. Services and their pools keep their names; they are on the
map anyway. What only the drawing of a cause adds, such as the link that is silent, is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from testbed.report.html import wait_graph
from testbed.report.html.wait_graph import CONNECTIONS_OF, POOL_OF
from testbed.verdict import who_waits
from testbed.verdict.who_waits import WhoWaits

if TYPE_CHECKING:
    from testbed.journal.events import EvidenceTaken, FacilityNames
    from testbed.journal.reader import Journal
    from testbed.verdict.who_waits import Blamed, Look

UNNAMED = "?"  # and a number: what the class is to find
LOST = "lost"  # how connections of a pool are at the line that lost them, also where other lines lost more and are blamed


@dataclass(frozen=True, slots=True)
class Waits:
    """Who waits for whom at one moment of a night, in the facility of these names, and what was not had of it."""

    look: Look
    names: FacilityNames
    missing: tuple[str, ...]

    @property
    def root(self) -> Blamed | None:
        """What most threads wait for in the end; None where nothing that was seen is blamed."""
        return self.look.who_waits.root if self.look.who_waits.knows_root else None

    def whole(self) -> dict[str, Any]:
        """Return the state value `waits` with what is blamed."""
        return self._value(self.look.who_waits)

    def hidden(self) -> dict[str, Any]:
        """Return the state value `waits` without anything that is blamed, and without the names of where ways end at it."""
        return self._value(_hidden(self.look.who_waits, self.names))

    def _value(self, found: WhoWaits) -> dict[str, Any]:
        graph = wait_graph.of(found, self.names)
        return {"night_s": self.look.night_s, "graph": None if graph is None else graph.data(), "missing": list(self.missing)}


def of_evidence(taken: EvidenceTaken, journal: Journal) -> Waits:
    """Return who waits for whom by the evidence that an event of a journal names; the journal need not be complete.

    Raises nothing for evidence that cannot be read: why stands in `missing`, and what the dumps tell alone is there.
    """
    look = who_waits.at(journal, taken)
    told = [] if look.evidence is None else [f"{missing.what}: {missing.reason}" for missing in look.evidence.missing]
    return Waits(look, journal.header.facility, tuple(dict.fromkeys([*([look.unread] if look.unread else []), *told, *taken.missing])))


def _hidden(found: WhoWaits, names: FacilityNames) -> WhoWaits:
    """Return the edges with other names for what is blamed, and nothing that is blamed."""
    graph = wait_graph.of(found, names)
    if graph is None:
        return WhoWaits()
    services = (*names.application_servers, *names.callers)
    lost = {edge.target for edge in found.edges if edge.how == LOST}
    ends = [node.name for node in graph.nodes if (node.blamed or node.name in lost) and not _is_on_the_map(node.name, services)]
    instead = {name: f"{UNNAMED} {number}" for number, name in enumerate(ends, start=1)}
    edges = [
        replace(edge, source=instead.get(edge.source, edge.source), target=instead[edge.target], how="")
        if edge.target in instead
        else replace(edge, source=instead.get(edge.source, edge.source))
        for edge in found.edges
    ]
    return WhoWaits(tuple(edges))


def _is_on_the_map(name: str, services: tuple[str, ...]) -> bool:
    """Whether a node is a service, several of them, or a pool of one."""
    return all(part.removeprefix(POOL_OF).removeprefix(CONNECTIONS_OF) in services for part in name.split(" and "))
