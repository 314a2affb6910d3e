"""Who waited for whom at one moment, as nodes and arrows for drawing: from the passengers to what all of them wait for in the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from testbed.errors import shortened, visible
from testbed.journal.thread_states import DATABASE
from testbed.verdict.causes.calls import UNKNOWN_ADDRESS
from testbed.verdict.causes.databases import HELD_BY, LOCK, LOCK_OF
from testbed.verdict.causes.locks import OF_CIRCLE
from testbed.verdict.who_waits import FAILED, Edge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.journal.events import FacilityNames
    from testbed.verdict.causes.cause import Cause
    from testbed.verdict.who_waits import Blamed, WhoWaits

PASSENGERS = "passengers"
POOL_OF, CONNECTIONS_OF, LINK_TO, STANDBY_OF = "pool of ", "HTTP connections of ", "link to ", "standby of "  # as the verdict names them
WAIT, SILENT = "waiting for an answer", "no answer comes back"  # what only the drawing has arrows for
MOST_CHARACTERS = 300  # of a text in a node; the page has all of it beside the graph


@dataclass(frozen=True, slots=True)
class Node:
    """A group of alike threads, sessions or connections, or what they wait for. `kind`: what it is, in a word or two.

    `does`: what they wait for and how many, a line each. `blamed`: what is blamed there; empty where a way only passes.
    """

    name: str
    kind: str
    does: tuple[str, ...]
    blamed: tuple[Blamed, ...]


@dataclass(frozen=True, slots=True)
class WaitGraph:
    """Nodes and edges; `root` has the names of the nodes at which the root lies: of a deadlock, all that wait for one another.

    It has none where most threads wait for what was not seen, and others for what was.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    root: tuple[str, ...]

    def data(self) -> dict[str, Any]:
        """Return it for the script that draws it; edges have the numbers of nodes."""
        number = {node.name: number for number, node in enumerate(self.nodes)}
        return {
            "kind": "graph",
            "nodes": [
                {
                    "name": _short(node.name),
                    "kind": node.kind,
                    "does": list(map(_short, node.does)),
                    "blamed": [{"threads": each.threads, "text": _short(each.cause.text)} for each in node.blamed],
                    "root": node.name in self.root,
                }
                for node in self.nodes
            ],
            "edges": [
                {"from": number[edge.source], "to": number[edge.target], "count": edge.count, "how": _short(edge.how)}
                for edge in self.edges
            ],
        }


def of(found: WhoWaits, facility: FacilityNames) -> WaitGraph | None:
    """Return the graph of a moment; None where nobody waited. Every cause has its nodes, and passengers wait for callers."""
    if not found.edges:
        return None
    edges, at = list(found.edges), {}
    for blamed in found.blamed:
        edges, at[blamed.cause] = _with_cause(edges, blamed.cause)
    asked = {caller: sum(edge.count for edge in edges if edge.source == caller) for caller in facility.callers}
    edges = [*(Edge(PASSENGERS, caller, count, WAIT) for caller, count in asked.items() if count), *edges]
    names = dict.fromkeys(
        [*(name for edge in edges for name in (edge.source, edge.target)), *(name for each in at.values() for name in each)]
    )
    nodes = tuple(Node(name, _kind(name, edges, facility), _does(name, edges, facility), _blamed(name, found.blamed, at)) for name in names)
    return WaitGraph(nodes, tuple(edges), at[found.root.cause] if found.root and not found.doubt else ())


def _with_cause(edges: Sequence[Edge], cause: Cause) -> tuple[list[Edge], tuple[str, ...]]:
    """Return the edges with those that lead to a cause, and the names of its nodes; a cause to which no way leads is a node by itself."""
    names = {name for edge in edges for name in (edge.source, edge.target)}
    if places := _places(cause, names):
        return list(edges), places
    end = cause.where.removeprefix(LINK_TO)
    if end in names and end != cause.where:
        over = [edge for edge in edges if edge.target == end and edge.source != POOL_OF + end]
        led = [Edge(edge.source, cause.where, edge.count, edge.how) if edge in over else edge for edge in edges]
        return [*led, Edge(cause.where, end, sum(edge.count for edge in over), SILENT)], (cause.where,)
    if cause.code == "unseen" and UNKNOWN_ADDRESS in names:
        return list(edges), (UNKNOWN_ADDRESS,)
    return list(edges), (cause.where,)


def _places(cause: Cause, names: set[str]) -> tuple[str, ...]:
    """Return the nodes at which a cause lies: several of what waits for one another, and of work that several services do at one line."""
    if cause.where in names:
        return (cause.where,)
    services, _, at = cause.where.partition(", ")
    several: Sequence[str] = ()
    if cause.code == "deadlock":
        several = cause.where.split(OF_CIRCLE if OF_CIRCLE in cause.where else ", ")
    elif cause.code == "exhausted":
        several = (CONNECTIONS_OF + services,)
    elif cause.code == "work":
        several = [f"{service}, {at}" for service in services.split(" and ")]
    return tuple(name for name in several if name in names)


def _kind(name: str, edges: Sequence[Edge], facility: FacilityNames) -> str:
    """Return what a node is, in a word or two."""
    into = {edge.how for edge in edges if edge.target == name}
    kinds = (
        ("", name == PASSENGERS),
        ("calling system", name in facility.callers),
        ("application server", name in facility.application_servers),
        ("application servers", set(name.split(" and ")) <= set(facility.application_servers)),
        ("connection pool", name.startswith((POOL_OF, CONNECTIONS_OF))),
        ("network link", name.startswith(LINK_TO)),
        ("in the database", name == LOCK or name.startswith(LOCK_OF)),
        ("database", DATABASE in into),
        ("holds the lock", HELD_BY in into),
        ("line of code", ".py:" in name),
        ("standby database", name.startswith(STANDBY_OF)),
        ("", not any(name in (edge.source, edge.target) for edge in edges)),
    )
    return next((kind for kind, fits in kinds if fits), "another end")


def _does(name: str, edges: Sequence[Edge], facility: FacilityNames) -> tuple[str, ...]:
    """Return what waits in a node and how; nothing of what only stands for what is waited for."""
    services = (*facility.callers, *facility.application_servers)
    what = "" if name == PASSENGERS else " threads" if name in services else " connections" if name.startswith(POOL_OF) else " sessions"
    counted: Counter[str] = Counter()
    for edge in edges:
        if edge.source == name and edge.how not in (HELD_BY, SILENT):
            counted[edge.how] += edge.count
    return tuple(f"{count}{'' if how == FAILED else what} {how}" for how, count in counted.items())


def _blamed(name: str, blamed: Sequence[Blamed], at: dict[Cause, tuple[str, ...]]) -> tuple[Blamed, ...]:
    return tuple(each for each in blamed if name in at[each.cause])


def _short(text: str) -> str:
    return shortened(visible(text), MOST_CHARACTERS)
