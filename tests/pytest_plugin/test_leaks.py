from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import QueuePool

from testbed.pytest_plugin.leaks.watch import LeakWatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine


class GetconnPool:
    """Takes and gives as the pools of psycopg2 do."""

    def getconn(self) -> object:
        """Give a connection to whoever asks."""
        return object()

    def putconn(self, connection: object) -> None:
        """Take it back."""


class AsyncGetconnPool:
    """Takes and gives as psycopg_pool's pool for asyncio does."""

    async def getconn(self) -> object:
        """Give a connection to whoever asks."""
        return object()

    async def putconn(self, connection: object) -> None:
        """Take it back."""


class AsyncpgPool:
    """Takes and gives as asyncpg's pool does, and takes no attribute, as that."""

    __slots__ = ("__weakref__",)

    async def _acquire(self) -> object:
        return object()

    async def acquire(self) -> object:
        """Give a connection to whoever asks."""
        return await self._acquire()

    async def release(self, connection: object) -> None:
        """Take it back."""


GetconnPool.__module__ = "psycopg2.pool"
AsyncGetconnPool.__module__ = "psycopg_pool.pool_async"
AsyncpgPool.__module__ = "asyncpg.pool"


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Return an engine with a pool."""
    engine = create_engine("sqlite://", poolclass=QueuePool, connect_args={"check_same_thread": False})
    yield engine
    engine.dispose()


def test_a_connection_that_comes_back_is_no_leak(engine: Engine) -> None:
    """Also after an error in its block, and one that was invalidated."""
    with LeakWatch(engine) as watch:
        with engine.connect() as connection:
            assert len(watch.out) == 1
            connection.execute(text("SELECT 1"))
        with engine.connect() as connection:
            connection.invalidate()
    assert watch.out == ()


def test_a_connection_that_is_out_fails_the_test_with_the_stack_of_who_took_it(engine: Engine) -> None:
    """The place is the caller's, and not one inside SQLAlchemy; the watch tells it once."""
    watch = LeakWatch(engine)
    kept = engine.connect()
    with pytest.raises(
        pytest.fail.Exception, match=r"(?s)taken from Engine.*test_leaks\.py:\d+ in test_a_connection_that_is_out"
    ) as failed:
        watch.require_none()
    assert "sqlalchemy" not in str(failed.value).lower()
    kept.close()
    watch.require_none()


def test_what_was_out_before_is_not_counted(engine: Engine) -> None:
    """Nor what is taken after the watch has ended."""
    with engine.connect(), LeakWatch(engine) as watch:
        pass
    with engine.connect():
        assert watch.out == ()


def test_the_thread_that_took_it_is_named(engine: Engine) -> None:
    """It need not be the test's."""
    kept: list[object] = []
    watch = LeakWatch(engine)
    thread = threading.Thread(target=lambda: kept.append(engine.connect()), name="requests-7")
    thread.start()
    thread.join()
    assert "in the thread requests-7" in watch.text()
    watch.end()
    kept.clear()


def test_the_blocks_own_error_is_not_hidden(engine: Engine) -> None:
    """The leak is a note on it."""
    kept = []

    def leak() -> None:
        with LeakWatch(engine):
            kept.append(engine.connect())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as failed:
        leak()
    assert "not given back" in failed.value.__notes__[0]
    kept.pop().close()


def test_a_pool_with_getconn_is_as_it_was_afterwards() -> None:
    """Both its methods tell while they are watched."""
    pool = GetconnPool()
    with LeakWatch(pool) as watch:
        connection = pool.getconn()
        assert len(watch.out) == 1
        pool.putconn(connection)
    pool.getconn()
    assert watch.out == ()


@pytest.mark.parametrize("kind", [AsyncGetconnPool, AsyncpgPool])
async def test_a_pool_for_asyncio_is_watched_alone(kind: type[AsyncGetconnPool | AsyncpgPool]) -> None:
    """Another one of its class is not."""
    pool, other = kind(), kind()
    take, give = ("getconn", "putconn") if kind is AsyncGetconnPool else ("acquire", "release")
    watch = LeakWatch(pool)
    connection = await getattr(pool, take)()
    await getattr(other, take)()
    assert len(watch.out) == 1
    await getattr(pool, give)(connection)
    watch.require_none()


def test_what_is_no_pool_is_refused() -> None:
    """With what is allowed."""
    with pytest.raises(pytest.fail.Exception, match=r"found builtins\.dict; allowed: an Engine"):
        LeakWatch({})
