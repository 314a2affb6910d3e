from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy.exc import OperationalError

from flight_search import lookup, request_context
from flight_search.datasource import MonitoredDataSource
from flight_search.settings import Lookup, ServerSettings
from flight_search.stability import deadline, statement_deadline
from flight_search.stability.statement_deadline import StatementDeadlineExceeded
from tests.flight_search.services import WITHIN_S

if TYPE_CHECKING:
    from tests.faultproxy.servers import ApiClient

# SQLAlchemy does not close the cursor of a connection that it has found dead.
pytestmark = pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")
TOLERANCE_S = 1.0  # of a machine that is at something else; a lookup in pieces would take minutes
BYTE = {"average_size": 1, "size_variation": 0, "delay": 100_000}  # of the toxic `slicer`: a byte every 100 ms
# Not those that need a second connection or an event loop, or are meant to keep what they took.
LOOKUPS: tuple[Lookup, ...] = ("original", "fixed", "driver_cursor", "sqlalchemy_connection", "unnested", "in_transaction")
ASKED = (["EWR"], ["BOS"], "2013-10-08")


def behind(fault_proxy: ApiClient, conninfo: str) -> str:
    """Return the connection string of the database behind the fault proxy."""
    parameters = conninfo_to_dict(conninfo)
    made = fault_proxy.create("database", f"{parameters['host']}:{parameters['port']}")
    host, _, port = made["listen"].rpartition(":")
    return make_conninfo(conninfo, host=host, port=port)


@pytest.mark.variant("statement_deadline")
@pytest.mark.alone
@pytest.mark.fact("O3", "W5")
@pytest.mark.parametrize("word", LOOKUPS)
def test_a_lookup_whose_rows_come_byte_by_byte_ends_at_the_deadline(word: Lookup, fault_proxy: ApiClient, conninfo: str) -> None:
    """Its connection is thrown away and its place is free, also where the code never checks it in; the next lookup gets another."""
    settings = ServerSettings(database=behind(fault_proxy, conninfo), pool_size=1, lookup=word, statement_deadline_s=0.5)
    pool, look_up = MonitoredDataSource(settings), lookup.by_word(word)
    pool.fill()
    fault_proxy.add("database", "slicer", **BYTE)
    began_s = time.monotonic()
    with request_context.request(), pytest.raises((psycopg.OperationalError, OperationalError)):
        look_up(pool, *ASKED)
    assert 0.5 <= time.monotonic() - began_s < 0.5 + TOLERANCE_S
    fault_proxy.remove("database", "slicer_downstream")
    state = pool.state()
    assert (state.out, state.leaked, state.in_pool, state.invalidated_total) == (0, 0, 1, 1)
    with request_context.request():
        assert look_up(pool, *ASKED)
    assert pool.state().opened_total == 2
    pool.dispose()


def test_the_server_ends_the_session_of_a_connection_that_was_thrown_away(conninfo: str) -> None:
    """And with it a statement that would have run for a minute more."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1, statement_deadline_s=0.2))
    connection = pool.get_connection()
    with pytest.raises(StatementDeadlineExceeded, match=r"no whole answer within 0\.20 s; the connection is thrown away"):
        connection.driver.execute("SELECT pg_sleep(60)")
    connection.close()
    deadline_s = time.monotonic() + WITHIN_S
    with psycopg.connect(conninfo, autocommit=True) as other:
        while other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [connection.backend_pid]).fetchone():
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
    pool.dispose()


def test_statements_in_time_keep_their_connection(conninfo: str) -> None:
    """Together they may take longer than one may."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1, statement_deadline_s=5.0))
    pids = set()
    for _ in range(3):
        connection = pool.get_connection()
        assert connection.driver.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.driver.execute("SELECT 1 / 0")
        pids.add(connection.backend_pid)
        connection.close()
    assert (len(pids), pool.state().opened_total, pool.state().invalidated_total) == (1, 1, 0)
    pool.dispose()


@pytest.mark.alone
@pytest.mark.parametrize("of_the_request", [False, True])
def test_opening_a_connection_ends_at_the_deadline(fault_proxy: ApiClient, conninfo: str, of_the_request: bool) -> None:  # noqa: FBT001
    """Where the log-in comes byte by byte, too; its place in the pool is free, and filled when the link is well again."""
    limits: dict[str, Any] = {"deadline_propagation": True} if of_the_request else {"statement_deadline_s": 0.5}
    pool = MonitoredDataSource(ServerSettings(database=behind(fault_proxy, conninfo), pool_size=1, **limits))
    fault_proxy.add("database", "slicer", **BYTE)
    began_s = time.monotonic()
    with deadline.limited(0.5 if of_the_request else 60.0), pytest.raises(psycopg.OperationalError, match="gave no whole answer within"):
        pool.get_connection()
    assert 0.5 <= time.monotonic() - began_s < 0.5 + TOLERANCE_S
    assert (pool.state().out, pool.state().waiting, pool.state().connects_failed) == (0, 0, 1)
    fault_proxy.remove("database", "slicer_downstream")
    pool.fill()
    assert (pool.state().in_pool, pool.state().opened_total) == (1, 1)
    pool.dispose()


def test_the_server_is_told_to_look_for_its_client() -> None:
    """Every second; the options that the server was sent before stay."""
    check = "-c client_connection_check_interval=1000"
    assert statement_deadline.options("") == {"options": check}
    assert statement_deadline.options("-c a.b=c") == {"options": f"-c a.b=c {check}"}


def test_without_it_the_driver_s_own_connection_is_used(conninfo: str) -> None:
    """As on that night: nothing stands between the lookup and psycopg."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1))
    connection = pool.get_connection()
    assert type(connection.driver) is psycopg.Connection
    assert connection.driver.execute("SHOW client_connection_check_interval").fetchone() == ("0",)
    connection.close()
    pool.dispose()
