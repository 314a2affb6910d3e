"""Which pool is watched by what. A pool is known by the package of its class, so that nothing is imported for pools that are not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.pytest_plugin.leaks import asyncpg_pool, getconn_pool

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = ("sqlalchemy", "psycopg_pool", "psycopg2", "asyncpg")
ALLOWED = (
    "an Engine, AsyncEngine or pool of SQLAlchemy, a ConnectionPool or AsyncConnectionPool of psycopg_pool, a pool of asyncpg or psycopg2"
)


def _package(pool: object) -> str | None:
    """Return the package that a pool is of, also for a class of the user's own that is made from one."""
    packages = (kind.__module__.partition(".")[0] for kind in type(pool).__mro__)
    return next((package for package in packages if package in KINDS), None)


def name_of(pool: object) -> str:
    """Return how a pool is called in messages: its class, and the name that psycopg_pool gives it."""
    return f"{type(pool).__name__} {getattr(pool, 'name', '')}".strip() if _package(pool) == "psycopg_pool" else type(pool).__name__


def watch(pool: object, taken: Callable[[object], None], given: Callable[[object], None]) -> Callable[[], None]:
    """Call `taken` and `given` with each connection from now on; return what ends that. Fails the test for what is no pool."""
    package = _package(pool)
    if package is None:
        pytest.fail(f"no_leaks: found {type(pool).__module__}.{type(pool).__qualname__}; allowed: {ALLOWED}", pytrace=False)
    if package == "asyncpg":
        return asyncpg_pool.watch(pool, taken, given)
    if package == "sqlalchemy":
        from testbed.pytest_plugin.leaks import sqlalchemy_pool  # noqa: PLC0415 - it imports SQLAlchemy

        return sqlalchemy_pool.watch(pool, taken, given)
    return getconn_pool.watch(pool, taken, given)


def is_gone(connection: object) -> bool:
    """Whether a connection of asyncpg was closed, which frees its place in the pool; those of other pools keep it."""
    if type(connection).__module__.partition(".")[0] != "asyncpg":
        return False
    own = getattr(connection, "_con", None)
    return own is None or own.is_closed()
