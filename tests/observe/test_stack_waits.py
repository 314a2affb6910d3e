from __future__ import annotations

import re

import pytest

from testbed.journal.thread_states import CHECKOUT, RUNNING
from testbed.observe.stack_waits import STATES, StackRow, own_state, own_table

# A stack for each row, by a part of its name: calls as dumps have them, the outermost first.
PARK = "Native Method:0 jdk.internal.misc.Unsafe.park"
READ = "Native Method:0 sun.nio.ch.SocketDispatcher.read0"
PY_WAIT = "/lib/threading.py:1 Condition.wait"
STACKS = {
    "SQLAlchemy's QueuePool": ["/site/sqlalchemy/pool/impl.py:1 QueuePool._do_get", "/site/sqlalchemy/util/queue.py:1 Queue.get", PY_WAIT],
    "psycopg_pool's": ["/site/psycopg_pool/pool.py:1 ConnectionPool.getconn", "/site/psycopg_pool/pool.py:1 WaitingClient.wait", PY_WAIT],
    "Django's pool": ["/app/pool.py:1 Pool.get_connection", "/lib/queue.py:1 Queue.get", PY_WAIT],
    "urllib3's": ["/site/urllib3/connectionpool.py:1 HTTPConnectionPool._get_conn", "/lib/queue.py:1 Queue.get", PY_WAIT],
    "HikariCP": [
        "HikariPool.java:164 com.zaxxer.hikari.pool.HikariPool.getConnection",
        "ConcurrentBag.java:157 com.zaxxer.hikari.util.ConcurrentBag.borrow",
        PARK,
    ],
    "DBCP2": [
        "GenericObjectPool.java:306 org.apache.commons.pool2.impl.GenericObjectPool.borrowObject",
        "LinkedBlockingDeque.java:1323 org.apache.commons.pool2.impl.LinkedBlockingDeque.takeFirst",
        PARK,
    ],
    "DBCP 1": [
        "GenericObjectPool.java:1 org.apache.commons.pool.impl.GenericObjectPool.borrowObject",
        "Object.java:1 java.lang.Object.wait",
        "Native Method:0 java.lang.Object.wait0",
    ],
    "Tomcat's JDBC pool": [
        "ConnectionPool.java:711 org.apache.tomcat.jdbc.pool.ConnectionPool.borrowConnection",
        "FairBlockingQueue.java:157 org.apache.tomcat.jdbc.pool.FairBlockingQueue.poll",
        PARK,
    ],
    "c3p0": ["B.java:1 com.mchange.v2.resourcepool.BasicResourcePool.awaitAvailable", "Native Method:0 java.lang.Object.wait"],
    "Go's database/sql": ["/go/src/main.go:1 main.main", "/go/src/database/sql/sql.go:1341 database/sql.(*DB).conn"],
    "PgJDBC, for an answer": ["V.java:1 org.postgresql.core.VisibleBufferedInputStream.readMore", READ],
    "PgJDBC, for a connection": ["C.java:1 org.postgresql.core.v3.ConnectionFactoryImpl.tryConnect", "Native Method:0 sun.nio.ch.Net.poll"],
    "pgx": ["/m/pgx/conn.go:1 github.com/jackc/pgx/v5.(*Conn).Query", "/go/src/net/net.go:1 net.(*conn).Read"],
    "a server of Java": ["NioSocketImpl.java:760 sun.nio.ch.NioSocketImpl.accept", "Native Method:0 sun.nio.ch.Net.accept"],
    "Python's sockets": ["/app/main.py:1 call", "/lib/socket.py:1 SocketIO.readinto"],
    "Java's sockets": ["Socket.java:966 java.net.Socket$SocketInputStream.read", READ],
    "Java's virtual threads": ["N.java:1 sun.nio.ch.NioSocketImpl.park", "V.java:1 java.lang.VirtualThread.parkOnCarrierThread"],
    "Go's server": ["/n:1 net/http.(*conn).readRequest", "/p:1 internal/poll.(*FD).Read", "/p:2 internal/poll.runtime_pollWait"],
    "Go's sockets": ["/n:1 net.(*conn).Read", "/p:1 internal/poll.(*FD).Read", "/p:2 internal/poll.runtime_pollWait"],
    "psycopg, in": ["/app/main.py:1 call", "/site/psycopg/connection.py:1 Connection.wait"],
    "psycopg2, pg8000": ["/app/main.py:1 call", "/site/pg8000/core.py:1 CoreConnection.handle_messages"],
    "a worker thread of Python": ["/site/anyio/_backends/_asyncio.py:1 WorkerThread.run", "/lib/queue.py:1 Queue.get", PY_WAIT],
    "a thread of a ThreadPoolExecutor": ["T.java:1062 java.util.concurrent.ThreadPoolExecutor.getTask", PARK],
    "a thread of a ForkJoinPool": ["F.java:1 java.util.concurrent.ForkJoinPool.awaitWork", "L.java:1 L.park", PARK],
    "a selector of Java": ["S.java:1 sun.nio.ch.SelectorImpl.select", "Native Method:0 sun.nio.ch.EPoll.wait"],
    "a timer or a cleaner": ["T.java:1 java.util.TimerThread.mainLoop", "Native Method:0 java.lang.Object.wait"],
    "Python's threading": ["/app/main.py:1 call", PY_WAIT],
    "Java's locks": ["R.java:322 java.util.concurrent.locks.ReentrantLock.lock", PARK],
    "Go's locks": ["/m:1 sync.(*Mutex).Lock", "/m:2 sync.(*Mutex).lockSlow", "/s:77 sync.runtime_SemacquireMutex"],
}


def rows() -> list[StackRow]:
    """Return the rows of the testbed's own table."""
    return list(own_table().rows)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.stack[:30])
def test_each_row_has_a_stack_that_it_alone_decides(row: StackRow) -> None:
    """Of the rows that fit, it is the first: none stands before it that would take its stack."""
    (calls,) = [stack for name, stack in STACKS.items() if row.stack.startswith(name)]
    assert next(other.stack for other in rows() if other.fits(calls)) == row.stack
    assert own_state(tuple(calls)) == STATES[row.waits_for]


def test_each_stack_has_its_row() -> None:
    """And none has two."""
    assert sorted(name for name in STACKS for row in rows() if row.stack.startswith(name)) == sorted(STACKS)


@pytest.mark.parametrize(
    "calls",
    [
        [],
        ["/app/main.py:1 work"],
        ["/site/sqlalchemy/pool/impl.py:1 QueuePool._do_get", "/site/psycopg_binary/connect.py:1 connect"],
        ["HikariPool.java:1 com.zaxxer.hikari.pool.HikariPool.getConnection", "HikariPool.java:2 com.zaxxer.hikari.pool.HikariPool.fill"],
    ],
)
def test_a_thread_that_no_row_fits_is_at_work(calls: list[str]) -> None:
    """A pool on the stack is not enough: it opens and checks connections, too."""
    assert own_state(tuple(calls)) == RUNNING


def test_a_pool_that_asks_the_database_waits_for_the_database() -> None:
    """HikariCP asks whether a connection lives before it lends it."""
    calls = [*STACKS["HikariCP"][:1], *STACKS["PgJDBC, for an answer"]]
    assert own_state(tuple(calls)) == STATES["database"]
    assert own_state(tuple(STACKS["HikariCP"])) == CHECKOUT


def test_patterns_are_found_each_further_in_than_the_one_before() -> None:
    """In their order, and the last within so many innermost calls."""
    row = StackRow("x", (re.compile("a"), re.compile("b")), "pool", innermost=1)
    stacks = ("ab", "ba", "abc", "acb", "a", "")
    assert [stack for stack in stacks if row.fits(stack)] == ["ab", "acb"]
