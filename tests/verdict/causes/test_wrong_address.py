"""Servers that go to a host's own address and not to the virtual IP, as evidence of one moment shows it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from testbed.journal import evidence as evidence_file
from testbed.journal.events import EvidenceTaken
from testbed.journal.evidence import DatabaseSide, Missing, OwnAddress
from testbed.journal.thread_states import CHECKOUT, DATABASE, IDLE
from testbed.plan.expectation import Root
from testbed.verdict import figures, who_waits
from testbed.verdict.causes import wrong_address
from testbed.verdict.checks import root
from testbed.verdict.finding import Verdict
from tests.journals import hung_night
from tests.verdict.test_who_waits import ADDRESSES, LEAKED, VIRTUAL_IP, about, dump, evidence, found, group, journal_with, table

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.journal.evidence import Evidence, PoolTable

REFUSED = (
    'OperationalError: connection failed: connection to server at "a", port 19 failed: Connection refused\n\tIs the server running on that '
    "host and accepting TCP/IP connections?"
)
DB_1, DB_2 = OwnAddress("database", "db-1", "a:19"), OwnAddress("database", "db-2", "a:20")
ON_DB_2 = DatabaseSide("database", "db-2", "a:20", "18", 100)
FREE = (dump("cf-1", group(4, IDLE)), dump("cf-2", group(4, IDLE)))
SENTENCE = "cf-1 and cf-2 connect to a:19, db-1's own address, and not to the virtual IP at a:10, which leads to db-2"


def failing(server: str, count: int) -> PoolTable:
    """Return the pool of a server whose last connects were refused."""
    return replace(table(server), connects_failed=count, connect_error=REFUSED)


def moved(*pools: PoolTable, side: DatabaseSide | None = ON_DB_2, wrong: tuple[str, ...] = ("cf-1", "cf-2")) -> Evidence:
    """Return the evidence after a switchover to db-2; servers that are `wrong` have db-1's own address."""
    services = tuple(about(name, **({"database": "host=a port=19"} if name in wrong else {})) for name in ADDRESSES)
    return replace(evidence(*pools, side=side), services=services, hosts=(DB_1, DB_2))


@pytest.mark.fact("C5", "P1", "P2")
def test_a_wrong_address_is_the_root_where_every_checkout_fails_and_no_thread_waits() -> None:
    """Both addresses, the hosts, the servers and the count are named; nobody waits, so no thread is counted."""
    graph = found(moved(failing("cf-1", 200), failing("cf-2", 112)), *FREE)
    (blamed,) = graph.blamed
    assert (blamed.cause.code, blamed.cause.where, blamed.threads, blamed.services) == ("wrong_address", "a:19", 0, ("cf-1", "cf-2"))
    assert str(blamed) == f"{SENTENCE}: 312 checkouts failed with connection refused"
    assert graph.edges == (who_waits.Edge("cf-1 and cf-2", "a:19", 312, "checkouts that failed"),)


def test_one_server_of_two_is_named_alone() -> None:
    """The other uses the virtual IP, and is well."""
    (wrong,) = wrong_address.found(moved(failing("cf-2", 1), table("cf-1"), wrong=("cf-2",)))
    assert str(wrong).startswith("cf-2 connects to a:19, db-1's own address, ")
    assert str(wrong).endswith(": 1 checkout failed with connection refused")


def test_threads_that_wait_at_a_wrong_address_wait_for_that() -> None:
    """Where attempts to connect are not refused but dropped: callers and servers are followed to it, and the address is blamed once."""
    hanging = (dump("cf-1", group(4, DATABASE)), dump("cf-2", group(4, DATABASE)))
    for pools in ((table("cf-1"), table("cf-2")), (failing("cf-1", 3), table("cf-2"))):
        (blamed,) = found(moved(*pools), *hanging).blamed
        assert (blamed.cause.code, blamed.threads, blamed.services) == ("wrong_address", 8, ("cf-1", "cf-2"))
    assert str(found(moved(table("cf-1"), table("cf-2")), *hanging).root) == (
        f"{SENTENCE}: nobody answers; 8 threads wait for it, of 2 services (cf-1, cf-2)"
    )


@pytest.mark.fact("O3", "O4", "P2")
def test_connections_that_the_code_lost_are_the_root_whatever_the_address_is() -> None:
    """All of them leak before one is opened anew, so no connect fails, and over the virtual IP it would be just the same.

    That the address is wrong is then no cause, but something that the second question names. It is one, and blamed second, as soon as
    checkouts fail by it.
    """
    waiting = (dump("cf-1", group(4, CHECKOUT)), dump("cf-2", group(4, CHECKOUT)))
    lost = table("cf-1", *[LEAKED] * 4), table("cf-2", *[LEAKED] * 4)
    assert [(blamed.cause.code, blamed.threads) for blamed in found(moved(*lost), *waiting).blamed] == [("lost", 8)]
    both = moved(lost[0], failing("cf-2", 9))
    blamed = found(both, waiting[0], FREE[1]).blamed
    assert [(each.cause.code, each.threads) for each in blamed] == [("lost", 4), ("wrong_address", 0)]


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (moved(failing("cf-1", 3), wrong=()), "the servers use the virtual IP, and the database was away for a moment"),
        (moved(table("cf-1"), table("cf-2")), "nothing fails"),
        (moved(failing("cf-1", 3), side=replace(ON_DB_2, host="db-1", address="a:19")), "the database is at that very address"),
        (moved(failing("cf-1", 3), side=None), "no database server was found, so every address is as good"),
        (replace(moved(failing("cf-1", 3)), routes=()), "there is no virtual IP"),
        (replace(moved(failing("cf-1", 3)), routes=(replace(VIRTUAL_IP, listens=False),)), "the virtual IP does not answer either"),
        (replace(moved(failing("cf-1", 3)), routes=(VIRTUAL_IP, replace(VIRTUAL_IP, name="link", address="a:19"))), "a proxy is there"),
        (replace(moved(failing("cf-1", 3)), services=()), "nobody knows what the settings are"),
        (replace(moved(failing("cf-1", 3)), services=(), missing=(Missing("what cf-1 is", "no answer within 2 s"),)), "it was not told"),
    ],
)
def test_nothing_is_blamed_on_an_address_that_is_not_shown_to_be_wrong(seen: Evidence, why: str) -> None:
    """It takes all of it: settings that name it, nobody there, a virtual IP that leads to the database, and something that fails."""
    assert found(seen, *FREE).blamed == (), why


def test_of_two_databases_the_virtual_ip_is_that_of_the_same_one() -> None:
    """And an address that is no host's is said to be nobody's."""
    second = replace(VIRTUAL_IP, name="virtual IP of database-2", address="a:11", leads_to="a:21")
    seen = moved(failing("cf-1", 3), wrong=("cf-1",))
    side = DatabaseSide("database-2", "db-2", "a:21", "18", 100)
    both = replace(seen, routes=(VIRTUAL_IP, second), databases=(ON_DB_2, side), hosts=(OwnAddress("database-2", "db-1", "a:19"),))
    assert [wrong.virtual_ip for wrong in wrong_address.found(both)] == ["a:11"]
    (wrong,) = wrong_address.found(replace(seen, hosts=()))
    assert str(wrong).startswith("cf-1 connects to a:19, where no database server is, and not to the virtual IP at a:10")


def test_the_moment_at_which_something_is_blamed_counts_although_nothing_is_blocked(tmp_path: Path) -> None:
    """Evidence of the same night from before the move shows nothing, and is not the worst moment; nobody is not the root."""
    events = []
    for number, seen in enumerate((moved(table("cf-1"), side=replace(ON_DB_2, address="a:19")), moved(failing("cf-1", 3))), 1):
        file = tmp_path / "original" / "evidence" / f"{number}.json"
        evidence_file.write(seen, file)
        events.append(EvidenceTaken(t_s=6.0 + number, night_s=90_000.0, why="hung", file=f"original/evidence/{number}.json", took_s=0.1))
    journal = journal_with(tmp_path, *FREE, *events)
    verdicts = {
        code: root.check(journal, figures.of(hung_night().journal()), Root(code=code, at=at)).verdict  # type: ignore[arg-type]
        for code, at in (("wrong_address", "db-1's own address"), ("nobody", ""), ("lost", ""))
    }
    assert verdicts == {"wrong_address": Verdict.HELD, "nobody": Verdict.BROKEN, "lost": Verdict.BROKEN}


def test_of_several_databases_none_is_guessed_to_be_that_of_a_wrong_address() -> None:
    """Nobody told whose address it is; where it is a host's own, it is that host's database."""
    second = replace(VIRTUAL_IP, name="virtual IP of database-2", address="b:10", leads_to="b:20")
    on_b = replace(ON_DB_2, database="database-2", host="db-1", address="b:20")
    services = (replace(about("cf-2"), settings={"database": "host=x port=1"}),)
    seen = replace(evidence(side=ON_DB_2), services=services, routes=(VIRTUAL_IP, second), databases=(ON_DB_2, on_b))
    (unknown,) = wrong_address.found(seen)
    assert "not to the virtual IP at a:10 or b:10, which leads to db-2 or db-1" in str(unknown)
    (known,) = wrong_address.found(replace(seen, hosts=(OwnAddress("database-2", "db-2", "x:1"),)))
    assert "not to the virtual IP at b:10, which leads to db-1" in str(known)
