"""PostgreSQL's own dead connection detection (A8), on real connections whose client vanishes without a word."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, LiteralString

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from testbed.runtime.postgres.server import dead_connection_detection
from tests.silent_socket import go_silent_fd, needs_linux

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = needs_linux
EVERY_S = 1
BOUND_S = 3 * EVERY_S  # quiet for as long, and then two probes without an answer
LATE_S = 1.0  # on a busy machine
LOCKED: LiteralString = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = ANY(%s)"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Yield a stack on which connections are closed at the end."""
    with ExitStack() as stack:
        yield stack


def vanished(conninfo: str, stack: ExitStack, lock: int, settings: dict[str, str]) -> int:
    """Connect with settings of PostgreSQL's, take a lock, and vanish; return the process id of the backend."""
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    client = stack.enter_context(closing(psycopg.connect(make_conninfo(conninfo, options=options, keepalives=0))))
    client.execute("SELECT pg_advisory_lock(%s)", (lock,))
    go_silent_fd(client.fileno())
    return client.info.backend_pid


def backends(observer: psycopg.Connection[tuple[int]], *locks: int) -> set[int]:
    """Return the process ids of the backends that hold these locks."""
    return {pid for (pid,) in observer.execute(LOCKED, (list(locks),)).fetchall()}


@pytest.mark.fact("A8")
def test_postgresql_notices_a_client_that_vanished_and_without_probes_does_not(conninfo: str, stack: ExitStack) -> None:
    """Within the bound the backend is gone, and its lock with it; that of a client of a database that does not ask is still there."""
    observer = stack.enter_context(psycopg.connect(conninfo, autocommit=True))
    unasked = vanished(conninfo, stack, 2, {})
    asked = vanished(conninfo, stack, 1, dead_connection_detection(EVERY_S))
    vanished_s = time.monotonic()
    assert backends(observer, 1, 2) == {asked, unasked}
    while asked in backends(observer, 1, 2):
        assert time.monotonic() - vanished_s < BOUND_S + LATE_S, "the backend of a client that vanished is still there"
        time.sleep(0.05)
    assert time.monotonic() - vanished_s > EVERY_S
    assert backends(observer, 1, 2) == {unasked}
    observer.execute("SELECT pg_terminate_backend(%s)", (unasked,))
