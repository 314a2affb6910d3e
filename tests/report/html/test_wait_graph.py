from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.journal.events import FacilityNames
from testbed.journal.thread_states import SOCKET
from testbed.report.html import wait_graph
from testbed.verdict import who_waits
from testbed.verdict.who_waits import Blamed, Cause, Edge, WhoWaits
from tests import hangs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from testbed.journal.reader import Journal
    from testbed.report.html.wait_graph import WaitGraph

NAMES = FacilityNames(("cf-1", "cf-2"), ("kiosk", "ivr", "partner"), 4, 4)


def graph(journal: Journal) -> WaitGraph:
    """Return the graph of the only moment of a night."""
    (look,) = who_waits.of_journal(journal)
    found = wait_graph.of(look.who_waits, journal.header.facility)
    assert found is not None
    return found


@pytest.mark.fact("O4", "O5", "O6")
def test_the_case_leads_from_the_passengers_to_the_line(tmp_path: Path) -> None:
    """Forty threads are one node, which says what they are and what they wait for; the line has the sentence."""
    found = graph(hangs.lost(tmp_path))
    assert [(node.name, node.kind, node.does) for node in found.nodes] == [
        ("passengers", "", ("12 waiting for an answer",)),
        ("kiosk", "calling system", ("4 threads blocked reading a socket",)),
        ("ivr", "calling system", ("4 threads blocked reading a socket",)),
        ("partner", "calling system", ("4 threads blocked reading a socket",)),
        ("cf-1", "application server", ("4 threads waiting for a connection from the pool",)),
        ("pool of cf-1", "connection pool", ("4 connections lost",)),
        ("lookup/original.py:16", "line of code", ()),
        ("cf-2", "application server", ("4 threads waiting for a connection from the pool",)),
        ("pool of cf-2", "connection pool", ("4 connections lost",)),
    ]
    assert found.root == ("lookup/original.py:16",)
    assert [blamed.threads for node in found.nodes for blamed in node.blamed] == [20]
    assert len(found.edges) == 3 + 3 * 2 + 2 + 2


@pytest.mark.parametrize(
    ("make", "root", "last"),
    [
        (hangs.locked, ("session 7 of database",), Edge("a lock", "session 7 of database", 4, "held by")),
        (hangs.silent, ("link to cf-1",), Edge("link to cf-2", "cf-2", 6, "no answer comes back")),
        (hangs.deadlocked, ("cf-1", "cf-2"), Edge("cf-1", "cf-2", 4, SOCKET)),
    ],
)
def test_every_cause_is_a_node_to_which_an_arrow_leads(
    tmp_path: Path, make: Callable[[Path], Journal], root: tuple[str, ...], last: Edge
) -> None:
    """The holder of a lock, a silent link, and all that wait for one another."""
    found = graph(make(tmp_path))
    assert found.root == root
    assert last in found.edges
    assert {node.name for node in found.nodes if node.blamed} >= set(root)
    assert {edge.target for edge in found.edges} >= set(root)


def test_a_lock_that_sessions_hold_against_one_another_goes_round() -> None:
    """From the database to the lock, and back."""
    cause = Cause("deadlock", "database", "a deadlock: the sessions 1, 2 of database wait for one another's locks")
    edges = (Edge("cf-1", "database", 2, "waiting for the database"), Edge("database", "a lock", 2, "wait"))
    found = wait_graph.of(WhoWaits(edges, (Blamed(cause, 2, ("cf-1",)),)), NAMES)
    assert found is not None
    assert found.root == ("database",)
    assert Edge("a lock", "database", 2, "held by") in found.edges


def test_what_was_not_seen_is_at_the_address_that_is_not_known() -> None:
    """And a cause of which the graph has no place is in the sentences alone."""
    seen = WhoWaits(
        (Edge("kiosk", who_waits.UNKNOWN_ADDRESS, 4, SOCKET),),
        (Blamed(Cause("unseen", "the sockets that threads read", "?"), 4, ("kiosk",)),),
    )
    found = wait_graph.of(seen, NAMES)
    assert found is not None
    assert found.root == (who_waits.UNKNOWN_ADDRESS,)
    elsewhere = wait_graph.of(WhoWaits((Edge("cf-1", "x", 4, SOCKET),), (Blamed(Cause("work", "y", "?"), 4, ("cf-1",)),)), NAMES)
    assert elsewhere is not None
    assert elsewhere.root == ()


def test_where_nobody_waits_there_is_no_graph() -> None:
    """A facility that works has none."""
    assert wait_graph.of(WhoWaits(), NAMES) is None


def test_the_data_of_a_graph_has_numbers_for_names_and_no_text_without_end() -> None:
    """Control characters are shown."""
    cause = Cause("work", "x\x1b" + "y" * 10_000, "z" * 10_000)
    found = wait_graph.of(WhoWaits((Edge("cf-1", cause.where, 4, "running"),), (Blamed(cause, 4, ("cf-1",)),)), NAMES)
    assert found is not None
    data = found.data()
    assert [(edge["from"], edge["to"], edge["count"]) for edge in data["edges"]] == [(0, 1, 4)]
    assert data["nodes"][1]["name"].startswith("x\\u001b")
    assert len(str(data)) < 2_000
