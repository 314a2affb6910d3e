"""What must never happen: two servers on one volume (C2). Tried round by round, with what each round does drawn from a seed.

A few rounds belong to the suite; a hundred are `pytest scenarios/test_one_array.py --array-rounds 100 -s`, and `--array-seed` draws
the rounds of another run again.
"""

from __future__ import annotations

import asyncio
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from testbed.plan.topology import HOSTS
from testbed.runtime.credentials import ADMINISTRATOR
from testbed.runtime.postgres import sql
from tests.pair.hosts import POLL_S, Pair
from tests.pair.in_containers import in_containers
from tests.pair.in_processes import in_processes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.facility.address import Address
    from testbed.runtime.credentials import Login

pytestmark = [pytest.mark.beside, pytest.mark.fact("C2")]


async def second_is_refused(pair: Pair) -> None:
    """Try every way to the array from the second host while the first's server runs."""
    assert f"it is mounted on {pair.first}" in await pair.ask(pair.second, "mount")
    assert f"it is mounted on {pair.first}" in await pair.ask(pair.second, "start")
    assert "a database server holds" in await pair.ask(pair.second, "release")


async def forge_the_mount(pair: Pair) -> None:
    """Move the mount by hand under the running server: what is left is the kernel's lock."""
    await pair.hosts.forge(pair.first, pair.second)
    assert "a database server holds" in await pair.ask(pair.second, "start")
    await pair.hosts.forge(pair.second, pair.first)


async def switch_over(pair: Pair) -> None:
    """Move by the book."""
    await pair.done(pair.first, "stop", "unmount")
    await pair.done(pair.second, "mount", "start")
    pair.first = pair.second


async def start_both(pair: Pair) -> None:
    """Let both mount and start at once: one does, and the other's error names it."""
    await pair.done(pair.first, "stop", "unmount")

    async def try_it(host: str) -> tuple[str, str]:
        return await pair.ask(host, "mount"), await pair.ask(host, "start")

    refusals_by_host = dict(zip(HOSTS, await asyncio.gather(*map(try_it, HOSTS)), strict=True))
    (winner,) = (host for host, refusals in refusals_by_host.items() if refusals == ("", ""))
    (loser,) = (refusals for host, refusals in refusals_by_host.items() if host != winner)
    assert all(f"mounted on {winner}" in refusal for refusal in loser), loser
    pair.first = winner


async def kill_the_server(pair: Pair) -> None:
    """`kill -9` the server: its host lives on, and the second takes over as soon as the last process is gone."""
    await pair.moment()
    await pair.hosts.kill_server(pair.first)
    await pair.take_over()


async def kill_the_first(pair: Pair) -> None:
    """Kill the whole host of the running server; when it comes back, it stands by."""
    await pair.moment()
    gone = pair.first
    await pair.hosts.kill_host(gone)
    await pair.take_over()
    await pair.hosts.revive(gone)


async def kill_the_second(pair: Pair) -> None:
    """Kill the second host while it tries to start: the first is not disturbed."""
    trying = asyncio.gather(*(pair.ask(pair.second, step) for step in ("mount", "start", "release")), return_exceptions=True)
    await asyncio.sleep(pair.draw.uniform(0, POLL_S))
    await pair.hosts.kill_host(pair.second)
    assert "" not in await trying
    await pair.hosts.revive(pair.second)


async def kill_at_the_start(pair: Pair) -> None:
    """Kill a host while its server starts, at any moment of it: the other takes over from whatever is there."""
    await pair.done(pair.first, "stop")
    starting = asyncio.gather(pair.ask(pair.first, "start"), return_exceptions=True)
    await pair.moment()
    gone = pair.first
    await pair.hosts.kill_host(gone)
    await starting
    await pair.take_over()
    await pair.hosts.revive(gone)


ACTIONS: tuple[Callable[[Pair], Awaitable[None]], ...] = (
    *(forge_the_mount, switch_over, start_both, kill_the_server),
    *(kill_the_first, kill_the_second, kill_at_the_start),
)


@contextmanager
def writing(address: Address, login: Login) -> Iterator[list[int]]:
    """Write rows over the virtual IP, one after the other, whatever happens to the server; yield the list of acknowledged rows."""
    acknowledged: list[int] = []
    enough = threading.Event()
    conninfo = make_conninfo(sql.conninfo(address, login), connect_timeout=3)

    def write() -> None:
        number = 0
        while not enough.is_set():
            try:
                with psycopg.connect(conninfo, autocommit=True) as connection:
                    while not enough.is_set():
                        number += 1
                        connection.execute("INSERT INTO written VALUES (%s)", (number,))
                        acknowledged.append(number)
            except psycopg.Error:
                enough.wait(POLL_S)

    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("CREATE TABLE written (number bigint PRIMARY KEY)")
    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield acknowledged
    finally:
        enough.set()
        thread.join()
    with psycopg.connect(conninfo) as connection:
        found = {number for (number,) in connection.execute("SELECT number FROM written")}
    assert set(acknowledged) - found == set()


@pytest.mark.parametrize("where", ["processes", "containers"])
async def test_no_two_servers_are_ever_on_one_volume(
    where: str, array_rounds: int, array_seed: int, request: pytest.FixtureRequest
) -> None:
    """Whatever is tried and killed, in any order, one server runs, no acknowledged row is lost, and PostgreSQL finds its data sound."""
    if where == "containers":
        request.getfixturevalue("engine")
    sys.stdout.write(f"seed {array_seed}\n")
    draw = random.Random(array_seed)
    rounds = [*draw.sample(ACTIONS, len(ACTIONS)), *draw.choices(ACTIONS, k=array_rounds)][:array_rounds]  # each of them comes first
    async with in_containers() if where == "containers" else in_processes() as hosts:
        pair = Pair(hosts, draw)
        began_s = time.monotonic()
        with writing(hosts.address, hosts.credentials.login(ADMINISTRATOR)) as acknowledged:
            for number, action in enumerate(rounds, 1):
                await second_is_refused(pair)
                await action(pair)
                assert await hosts.servers() == {pair.first: 1, pair.second: 0}, f"round {number}, {action.__name__}"
            amcheck = ("--host", "{host}", "--port", "{port}", "--username", ADMINISTRATOR, "--install-missing", "postgres")
            await hosts.run(pair.first, "pg_amcheck", *amcheck)
        await pair.done(pair.first, "stop")
        assert await hosts.servers() == dict.fromkeys(HOSTS, 0)
        checked = await hosts.run(pair.first, "pg_checksums", "--check", "--pgdata", "{data}")
        assert "Bad checksums:  0" in checked
    done = ", ".join(f"{name} {count}" for name, count in sorted(Counter(action.__name__ for action in rounds).items()))
    refused = ", ".join(f"{step} {count}" for step, count in sorted(pair.refused.items()) if count)
    took_s = time.monotonic() - began_s
    sys.stdout.write(f"{where}: {len(rounds)} rounds in {took_s:.0f} s: {done}; refused: {refused}; {len(acknowledged)} rows, none lost\n")
