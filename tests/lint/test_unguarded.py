from __future__ import annotations

import pytest

from tests.lint.found import codes, findings

TAKEN = "def lookup(pool, engine, rows):\n    connection = {take}\n    {use}\n"


@pytest.mark.parametrize(
    "take", ["pool.getconn()", "pool.acquire()", "engine.connect()", "pool.connection()", "data_source.get_connection()"]
)
@pytest.mark.parametrize(
    "use", ["connection.execute(1)", "connection.execute(1); connection.close()", "rows(connection); pool.putconn(connection)"]
)
def test_a_connection_that_an_exception_keeps_out_is_found(take: str, use: str) -> None:
    """Given back on the straight way only, or never."""
    assert codes(TAKEN.format(take=take.replace("data_source", "rows.data_source"), use=use)) == ["CW006"]


@pytest.mark.parametrize(
    "use",
    [
        "return connection",
        "yield connection",
        "self.connection = connection",
        "rows.append(connection)",
        "return Cursor(connection)",
        "rows(lambda: connection.close())",
        "with connection: pass",
        "with closing(connection): pass",
        "try:\n        pass\n    finally:\n        connection.close()",
        "try:\n        pass\n    finally:\n        pool.putconn(connection)",
        "try:\n        pass\n    except:\n        connection.close()\n        raise\n    connection.close()",
    ],
)
def test_a_connection_that_is_guarded_or_handed_on_is_fine(use: str) -> None:
    """Somebody else may give it back."""
    assert codes(TAKEN.format(take="pool.getconn()", use=use)) == []


@pytest.mark.parametrize("take", ["lock.acquire()", "sqlite3.connect('x')", "signal.connect(rows)", "Pool().getconn", "rows.get()"])
def test_what_is_no_checkout_is_fine(take: str) -> None:
    """A lock's acquire, a signal's connect."""
    assert codes(TAKEN.format(take=take, use="connection.execute(1)")) == []


def test_a_pool_of_the_function_s_own_ends_with_it() -> None:
    """As in a test, or a script; so does that of a module."""
    assert codes("def f():\n    pool = Pool()\n    connection = pool.getconn()\n    connection.execute(1)\n") == []
    assert codes("connection = pool.getconn()\nconnection.execute(1)\n") == []


def test_what_to_write_instead_is_in_the_idiom_of_the_pool() -> None:
    """A connection that is awaited is given back by an await."""
    (finding,) = findings("async def f(pool):\n    c = await pool.acquire()\n    await c.fetch(1)\n    await pool.release(c)\n")
    assert finding.instead[0] == "async with pool.acquire(…) as c:"
    (finding,) = findings("async def f(pool):\n    c = await pool.getconn()\n    await c.execute(1)\n")
    assert finding.instead[-1].strip() == "await pool.putconn(c)"
    assert finding.sentence == "`c`, taken by `pool.getconn(…)`, is given back nowhere in this function"
