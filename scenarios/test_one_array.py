"""What must never happen: two servers on one volume (C2). Tried round by round, with what each round does drawn from a seed.

A few rounds belong to the suite; a hundred are `pytest scenarios/test_one_array.py --array-rounds 100 -s`, and `--array-seed` draws
the rounds of another run again.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
import pytest
import requests

from testbed.runtime import ServiceSpec
from testbed.runtime.containers import SERVICE_PORT, Containers
from testbed.runtime.database_host import PORT as DATABASE_PORT
from testbed.runtime.dock import HOSTS, Dock, run_label

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from testbed.runtime import Address

WITHIN_S = 30.0
POLL_S = 0.02
LONGEST_S = 0.3  # until something is killed; a server starts and stops in less
PROXY = "toxiproxy"
# Servers of a container: processes of PostgreSQL that no other process of PostgreSQL started, and that still run.
SERVERS = r"""
import pathlib
found = {}
for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
    try:
        pid, _, rest = stat.read_text().partition(" (")
    except OSError:
        continue
    name, _, rest = rest.rpartition(") ")
    if name == "postgres" and rest[0] != "Z":
        found[pid] = rest.split()[1]
print(*(pid for pid, parent in found.items() if parent not in found))
"""
KILL_SERVER = "kill -9 $(head -n 1 /array/array/postmaster.pid)"
FORGE = "rm /array/{first}/mnt && mkdir -p /array/{second} && ln -s /array/array /array/{second}/mnt"

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.fact("C2")]


@dataclass(slots=True)
class Pair:
    """Two database hosts over one volume; `first` is the one whose server runs. `refused` counts what a host said no to."""

    runtime: Containers
    draw: random.Random
    first: str = HOSTS[0]
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def second(self) -> str:
        """The other one."""
        return next(host for host in HOSTS if host != self.first)

    async def ask(self, host: str, step: str) -> str:
        """Tell a host to do a step; gives its words where it refuses, and nothing where it did it."""

        def post() -> str:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.post(f"{self.runtime.published(host, SERVICE_PORT).url}/{step}", timeout=WITHIN_S)
                return "" if answer.ok else str(answer.json()["error"])

        refusal = await asyncio.to_thread(post)
        self.refused[step] += bool(refusal)
        return refusal

    async def done(self, host: str, *steps: str) -> None:
        """Tell a host to do steps, none of which it may refuse."""
        for step in steps:
            assert await self.ask(host, step) == "", step

    async def moment(self) -> None:
        """Let a drawn time go by: the next thing comes at any moment."""
        await asyncio.sleep(self.draw.uniform(0, LONGEST_S))

    async def servers(self) -> dict[str, int]:
        """Count the servers of each host, from the processes in its container."""
        told = await asyncio.gather(*(self.runtime.run_in(host, "python", "-c", SERVERS, within_s=WITHIN_S) for host in HOSTS))
        return {host: len(out.split()) for host, (_, out, _) in zip(HOSTS, told, strict=True)}

    async def shell(self, host: str, command: str) -> str:
        """Run a command in a host's container; gives what it printed."""
        code, out, err = await self.runtime.run_in(host, "sh", "-c", command, within_s=WITHIN_S)
        assert code == 0, (command, out, err)
        return out.decode()

    async def take_over(self) -> None:
        """Let the second take the array as soon as nothing of the first's server is left, and start on it."""
        deadline = time.monotonic() + WITHIN_S
        while refusal := await self.ask(self.second, "release"):
            assert "a database server holds" in refusal
            assert time.monotonic() < deadline, refusal
            await asyncio.sleep(POLL_S)
        await self.done(self.second, "mount", "start")
        self.first = self.second

    async def kill(self, host: str) -> None:
        """Kill the container of a host, with all that runs in it."""
        await self.runtime.kill(host)

    async def revive(self, host: str) -> None:
        """Start the container of a host again, and wait until it has done what it does at its own start."""
        self.runtime.start(ServiceSpec(host, ""))
        await self.wait_ready(host)

    async def wait_ready(self, host: str) -> None:
        """Wait until a host is ready."""
        deadline = time.monotonic() + WITHIN_S
        seen = "no answer"
        while True:
            try:
                answer = await asyncio.to_thread(requests.get, f"{self.runtime.address(host).url}/health", timeout=WITHIN_S)
            except requests.RequestException as error:
                seen = str(error)
            else:
                if answer.ok:
                    return
                seen = answer.text
            assert time.monotonic() < deadline, f"{host} was not ready within {WITHIN_S:.0f} s, last seen: {seen}"
            await asyncio.sleep(POLL_S)


async def second_is_refused(pair: Pair) -> None:
    """Try every way to the array from the second host while the first's server runs."""
    assert f"it is mounted on {pair.first}" in await pair.ask(pair.second, "mount")
    assert f"it is mounted on {pair.first}" in await pair.ask(pair.second, "start")
    assert "a database server holds" in await pair.ask(pair.second, "release")


async def forge_the_mount(pair: Pair) -> None:
    """Move the mount by hand under the running server: what is left is the kernel's lock."""
    await pair.shell(pair.second, FORGE.format(first=pair.first, second=pair.second))
    assert "a database server holds" in await pair.ask(pair.second, "start")
    await pair.shell(pair.second, FORGE.format(first=pair.second, second=pair.first))


async def switch_over(pair: Pair) -> None:
    """Move by the book."""
    await pair.done(pair.first, "stop", "unmount")
    await pair.done(pair.second, "mount", "start")
    pair.first = pair.second


async def start_both(pair: Pair) -> None:
    """Let both mount and start at once: one does, and the other is told who has it."""
    await pair.done(pair.first, "stop", "unmount")

    async def try_it(host: str) -> tuple[str, str]:
        return await pair.ask(host, "mount"), await pair.ask(host, "start")

    told = dict(zip(HOSTS, await asyncio.gather(*map(try_it, HOSTS)), strict=True))
    (winner,) = (host for host, refusals in told.items() if refusals == ("", ""))
    (loser,) = (refusals for host, refusals in told.items() if host != winner)
    assert all(f"mounted on {winner}" in refusal for refusal in loser), loser
    pair.first = winner


async def kill_the_server(pair: Pair) -> None:
    """`kill -9` the server: its host lives on, and the second takes over as soon as the last process is gone."""
    await pair.moment()
    await pair.shell(pair.first, KILL_SERVER)
    await pair.take_over()


async def kill_the_first(pair: Pair) -> None:
    """Kill the whole host of the running server; when it comes back, it stands by."""
    await pair.moment()
    gone = pair.first
    await pair.kill(gone)
    await pair.take_over()
    await pair.revive(gone)


async def kill_the_second(pair: Pair) -> None:
    """Kill the second host while it tries to start: the first is not disturbed."""
    trying = asyncio.gather(*(pair.ask(pair.second, step) for step in ("mount", "start", "release")), return_exceptions=True)
    await asyncio.sleep(pair.draw.uniform(0, POLL_S))
    await pair.kill(pair.second)
    assert "" not in await trying
    await pair.revive(pair.second)


async def kill_at_the_start(pair: Pair) -> None:
    """Kill a host while its server starts, at any moment of it: the other takes over from whatever is there."""
    await pair.done(pair.first, "stop")
    starting = asyncio.gather(pair.ask(pair.first, "start"), return_exceptions=True)
    await pair.moment()
    gone = pair.first
    await pair.kill(gone)
    await starting
    await pair.take_over()
    await pair.revive(gone)


ACTIONS: tuple[Callable[[Pair], Awaitable[None]], ...] = (
    *(forge_the_mount, switch_over, start_both, kill_the_server),
    *(kill_the_first, kill_the_second, kill_at_the_start),
)


@contextmanager
def writing(address: Address) -> Iterator[list[int]]:
    """Write rows over the virtual IP, one after the other, whatever happens to the server; gives those that were acknowledged."""
    acknowledged: list[int] = []
    enough = threading.Event()
    conninfo = f"host={address.host} port={address.port} dbname=postgres user=flights connect_timeout=3"

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


@asynccontextmanager
async def a_pair(draw: random.Random) -> AsyncIterator[Pair]:
    """Give two hosts with a volume and a virtual IP, and nothing else of a facility."""
    async with Dock() as dock:
        project = f"testbed-{os.getpid()}-array"
        environment = {
            "COMPOSE_PROJECT_NAME": project,
            "TESTBED_IMAGE": dock.image,
            "TESTBED_USER": str(os.getuid()),
            "TESTBED_RUN": run_label(dock.run),
        }
        runtime = Containers(project, dock.run.path, environment, (*HOSTS, PROXY), dock.client)
        try:
            await asyncio.to_thread(runtime.up)
            pair = Pair(runtime, draw)
            for host in HOSTS:
                await pair.wait_ready(host)
            yield pair
        finally:
            await asyncio.to_thread(runtime.remove)


async def test_no_two_servers_are_ever_on_one_volume(array_rounds: int, array_seed: int) -> None:
    """Whatever is tried and killed, in any order, one server runs, no acknowledged row is lost, and PostgreSQL finds its data sound."""
    sys.stdout.write(f"seed {array_seed}\n")
    draw = random.Random(array_seed)
    rounds = [*draw.sample(ACTIONS, len(ACTIONS)), *draw.choices(ACTIONS, k=array_rounds)][:array_rounds]  # each of them comes first
    async with a_pair(draw) as pair:
        began_s = time.monotonic()
        with writing(pair.runtime.published(PROXY, DATABASE_PORT)) as acknowledged:
            for number, action in enumerate(rounds, 1):
                await second_is_refused(pair)
                await action(pair)
                assert await pair.servers() == {pair.first: 1, pair.second: 0}, f"round {number}, {action.__name__}"
                await pair.done(pair.first, "virtual-ip")
            await pair.shell(pair.first, "pg_amcheck --host 127.0.0.1 --username flights --install-missing postgres")
        await pair.done(pair.first, "stop")
        assert await pair.servers() == dict.fromkeys(HOSTS, 0)
        checked = await pair.shell(pair.first, "pg_checksums --check --pgdata /array/array")
        assert "Bad checksums:  0" in checked
        done = ", ".join(f"{name} {count}" for name, count in sorted(Counter(action.__name__ for action in rounds).items()))
        refused = ", ".join(f"{step} {count}" for step, count in sorted(pair.refused.items()) if count)
        took_s = time.monotonic() - began_s
        sys.stdout.write(f"{len(rounds)} rounds in {took_s:.0f} s: {done}; refused: {refused}; {len(acknowledged)} rows, none lost\n")
