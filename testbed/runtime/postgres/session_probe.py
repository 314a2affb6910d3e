"""A probe of the database over a session that is logged in, which may idle as long as it likes.

PostgreSQL ends a connection that has not logged in after `authentication_timeout`, a few seconds: a probe without a session could not
idle for longer. `python -m testbed.runtime.postgres.session_probe HOST PORT ROLE PASSFILE SPEC` runs one where the services are.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.facility.address import Address
from testbed.facility.link import DATABASE
from testbed.facility.probe import ProbeResult, ProbeSpec
from testbed.observe.probe import Connection, LocalProbe, ProbeTask, converse, report
from testbed.runtime.credentials import Login
from testbed.runtime.postgres import sql

if TYPE_CHECKING:
    from collections.abc import Callable

STATEMENT = b"SELECT 1\0"
# PostgreSQL's protocol 3.0: a simple query, and what ends its answer when the session is in no transaction.
QUERY = b"Q" + (4 + len(STATEMENT)).to_bytes(4, "big") + STATEMENT
READY = b"Z" + (5).to_bytes(4, "big") + b"I"
LOG_IN_WITHIN_S = 5.0


async def ask(address: Address, login: Login, spec: ProbeSpec, held: Callable[[], None]) -> ProbeResult:
    """Log in, and send two short queries, the second `spec.idle_s` after the first was answered; see `ProbeSpec`.

    `connected_s` includes the log-in. Raises ServiceError when it is not logged in within `LOG_IN_WITHIN_S`.
    """
    began_s = time.monotonic()
    async with sql.session(address, login, LOG_IN_WITHIN_S) as descriptor:
        result = ProbeResult("answered", time.monotonic() - began_s)
        own = socket.socket(fileno=os.dup(descriptor))  # the driver reads only while it waits for an answer of its own, and it asks nothing
        reader, writer = await asyncio.open_connection(sock=own)
        try:
            return await converse(Connection(reader, writer, result), spec, (QUERY, QUERY), lambda received: received.endswith(READY), held)
        finally:
            writer.transport.abort()


def probe(login: Login, link: str, address: Address, spec: ProbeSpec) -> ProbeTask:
    """Start a probe from this process: over a session where the database is asked and it has to idle, and else over a bare connection."""
    if link == DATABASE and spec.idle_s:
        return ProbeTask(link, partial(ask, address, login, spec))
    return LocalProbe(link, address, spec)


def main() -> int:
    """Run the probe of the command line; print what `testbed.observe.probe` prints."""
    host, port, role, passfile, spec = sys.argv[1:]
    login = Login(role, Path(passfile))
    report(lambda held: ask(Address(host, int(port)), login, ProbeSpec(**json.loads(spec)), held))
    return 0


if __name__ == "__main__":
    sys.exit(main())
