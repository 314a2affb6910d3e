from __future__ import annotations

import psycopg
import pytest

from flight_search import lookup, request_context
from flight_search.datasource import MonitoredDataSource
from flight_search.settings import Lookup, ServerSettings
from flight_search.transactions import check_in

FLIGHT = {"passenger": "P", "date": "2013-10-08", "carrier": "US", "flight": 1843}  # from Newark to Charlotte
IDLE = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE '/* lookup/%'"


@pytest.mark.fact("O7")
@pytest.mark.parametrize(
    ("word", "reset", "blocked"), [("abandoned", False, True), ("abandoned", True, False), ("in_transaction", False, False)]
)
def test_a_check_in_waits_only_for_a_lookup_that_neither_itself_nor_the_pool_ended(
    conninfo: str, word: Lookup, *, reset: bool, blocked: bool
) -> None:
    """Nothing has leaked, every connection is in the pool, and its session says whose statement was the last."""
    waits_briefly = f"{conninfo} options='-c lock_timeout=300ms'"
    pool = MonitoredDataSource(ServerSettings(database=waits_briefly, pool_size=2, pool_reset=reset))
    pool.fill()
    with request_context.request("lookup_by_city"):
        assert lookup.by_word(word)(pool, ["EWR"], ["CLT"], FLIGHT["date"])  # type: ignore[list-item]
    assert (pool.state().in_pool, pool.state().out, pool.state().leaked) == (2, 0, 0)
    with psycopg.connect(conninfo) as administrator:
        assert administrator.execute(IDLE).fetchone() == (int(blocked),)
    if blocked:
        with pytest.raises(psycopg.errors.LockNotAvailable):
            check_in(pool, FLIGHT)
    else:
        assert check_in(pool, FLIGHT)
    pool.dispose()
