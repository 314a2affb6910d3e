"""Which time-out ends what a pulled cable keeps waiting, and after how long: over the real firewall (`pytest -m minutes`).

PostgreSQL and its clients are the two ends of one connection here: the firewall leads past the fault proxy. The table of
testbed/faults/README.md has these figures.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scenarios.facilities import built
from testbed.errors import EngineError
from testbed.plan.settings import FacilitySettings, ServerSettings, Settings
from testbed.plan.topology import FacilityPlan
from testbed.runtime.containers import docker_cli
from testbed.runtime.containers.builder import ContainersBuilder

if TYPE_CHECKING:
    from testbed.facility.facility import Facility
    from testbed.runtime.containers.database import DatabaseHosts
    from testbed.runtime.containers.runtime import Containers

pytestmark = pytest.mark.minutes
PLAN = FacilityPlan(application_servers=1, request_threads=2, pool_size=40, callers=("kiosk",))  # as many connections the server allows
HOURS_S = 7200  # of PostgreSQL's own keep-alives, unless a session asks for others: none comes within the test
PULLED_S = 150.0
GOES_ON_WITHIN_S = 130.0  # after it is plugged in: the kernel sends again after two minutes at most
README = Path(__file__).parents[2] / "testbed" / "faults" / "README.md"

# Opens every connection, says that they are open, waits for the file that says that the cable is pulled, and tells in a line of JSON when
# each case has ended and how. What is asked carries the name of its case, by which the server's sessions are found.
CLIENTS = """
import asyncio, json, os, pathlib, psycopg, socket, sys, threading, time

conninfo, pulled, telling = os.environ["FLIGHT_SEARCH_DATABASE"], pathlib.Path("/run/pulled"), threading.Lock()

def tell(**fields):
    with telling:
        print(json.dumps(fields), flush=True)

def opened(options):
    return psycopg.connect(conninfo, autocommit=True, **{"connect_timeout": 0, "keepalives": 0, **options})

def wait_pulled():
    while not pulled.exists():
        time.sleep(0.01)

def shut_down(connection, after_s):
    wait_pulled()
    time.sleep(after_s)
    with socket.socket(fileno=os.dup(connection.fileno())) as own:
        own.shutdown(socket.SHUT_RDWR)

async def with_deadline(name, options, deadline_s):
    connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True, connect_timeout=10, **options)
    ready.release()
    await asyncio.to_thread(wait_pulled)
    async with asyncio.timeout(deadline_s):
        await connection.execute(f"SELECT 1 /* {name} */")

def run(name, does, options, deadline_s):
    how, text = "answered", ""
    try:
        if does == "connects":
            ready.release()
            wait_pulled()
            opened(options)
        elif does == "awaits":
            asyncio.run(with_deadline(name, options, deadline_s))
        else:
            connection = opened(options)
            if does == "rests":
                connection.execute(f"BEGIN /* {name} */" if "transaction" in name else f"SELECT 1 /* {name} */")
            if deadline_s:
                threading.Thread(target=shut_down, args=(connection, deadline_s), daemon=True).start()
            ready.release()
            if does in ("reads", "answers"):
                connection.execute(f"SELECT pg_sleep(5) /* {name} */")
            else:
                wait_pulled()
                if does == "rests":
                    return
                connection.execute(f"SELECT 1 /* {name} */")
    except Exception as error:
        how, text = type(error).__name__, " ".join(str(error).split())
    tell(case=name, after_s=time.time() - pulled.stat().st_mtime, how=how, text=text)

cases, kept, ready = json.loads(sys.argv[1]), [], threading.Semaphore(0)
for case in cases:
    thread = threading.Thread(target=run, args=case, daemon=True)
    thread.start()
    kept.append(thread)
for _ in cases:
    ready.acquire()
tell(ready=len(cases))
time.sleep(float(sys.argv[2]))
os._exit(0)
"""


@dataclass(frozen=True, slots=True)
class Case:
    """Somebody who waits: what it does when the cable is pulled, its settings, and within what seconds it must have ended.

    `does`: "writes" (it asks after the cable was pulled), "reads" (it has asked before), "connects", "awaits" (as writes, in asyncio with
    a deadline), "rests" (nothing) or "answers" (as reads): of these two it counts how long the server keeps the session. `ends_s`: None
    for one that must still wait at the end.
    """

    name: str
    does: str
    options: dict[str, object]
    ends_s: tuple[float, float] | None
    deadline_s: float = 0.0


def of_server(**settings: object) -> dict[str, object]:
    """Return the option by which a client asks the server for settings of its session."""
    return {"options": " ".join(f"-c {name}={value}" for name, value in settings.items())}


ASKS = {"keepalives": 1, "keepalives_idle": 2, "keepalives_interval": 1, "keepalives_count": 2}
USER_TIMEOUT = {"keepalives": 1, "tcp_user_timeout": 3000}  # libpq sets it only where keep-alives are on: here the kernel's, of two hours
CASES = (
    Case("nothing, asks", "writes", {}, None),
    Case("nothing, has asked", "reads", {}, None),
    Case("nothing, connects", "connects", {}, (120.0, 140.0)),
    Case("statement_timeout of 2 s, asks", "writes", of_server(statement_timeout="2s"), None),
    Case("statement_timeout of 2 s, has asked", "reads", of_server(statement_timeout="2s"), None),
    Case("connect_timeout of 3 s, connects", "connects", {"connect_timeout": 3}, (3.0, 6.0)),
    Case("keep-alives of 2 s and 2 times 1 s, asks", "writes", ASKS, None),
    Case("keep-alives of 2 s and 2 times 1 s, has asked", "reads", ASKS, (2.0, 9.0)),
    Case("tcp_user_timeout of 3 s, asks", "writes", USER_TIMEOUT, (2.0, 9.0)),
    Case("tcp_user_timeout of 3 s, has asked", "reads", USER_TIMEOUT, None),
    Case("tcp_user_timeout of 3 s, connects", "connects", USER_TIMEOUT, (2.0, 9.0)),
    Case("tcp_user_timeout of 3 s with keepalives=0, asks", "writes", {"tcp_user_timeout": 3000}, None),
    Case("tcp_user_timeout of 3 s and those keep-alives, asks", "writes", {**ASKS, "tcp_user_timeout": 3000}, (2.0, 9.0)),
    Case("tcp_user_timeout of 3 s and those keep-alives, has asked", "reads", {**ASKS, "tcp_user_timeout": 3000}, (1.0, 9.0)),
    Case("asyncio.timeout of 3 s, asks", "awaits", {}, (8.0, 20.0), 3.0),  # psycopg first tries to cancel the statement, and to close
    Case("socket shut down after 3 s, asks", "writes", {}, (3.0, 6.0), 3.0),
    Case("socket shut down after 3 s, has asked", "reads", {}, (3.0, 6.0), 3.0),
)
PROBED = of_server(tcp_keepalives_idle=2, tcp_keepalives_interval=1, tcp_keepalives_count=2)
# How long the server keeps the session of whoever is gone.
SERVERS = (
    Case("nothing, rests", "rests", {}, None),
    Case("nothing, answers after 5 s", "answers", {}, None),
    Case("tcp_keepalives_idle of 2 s and 2 times 1 s, rests", "rests", PROBED, (2.0, 9.0)),
    Case("tcp_user_timeout of 3 s, rests", "rests", of_server(tcp_user_timeout=3000), None),
    Case("tcp_user_timeout of 3 s, answers after 5 s", "answers", of_server(tcp_user_timeout=3000), (5.0, 16.0)),
    Case("idle_in_transaction_session_timeout of 3 s, rests", "rests", of_server(idle_in_transaction_session_timeout="3s"), (0.0, 9.0)),
    Case("client_connection_check_interval of 1 s, answers after 5 s", "answers", of_server(client_connection_check_interval="1s"), None),
)


async def started(runtime: Containers, within_s: float) -> asyncio.subprocess.Process:
    """Start the clients where the application server is, and wait until each has its connection."""
    cases = json.dumps([(case.name, case.does, case.options, case.deadline_s) for case in (*CASES, *SERVERS)])
    container = (await asyncio.to_thread(docker_cli.run, "ps", "--quiet", "--filter", f"name={runtime.project}-cf-1-")).strip()
    process = await asyncio.create_subprocess_exec(
        *("docker", "exec", "--user", "0", container, "python", "-c", CLIENTS, cases, str(within_s)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert json.loads(await process.stdout.readline()) == {"ready": len(CASES) + len(SERVERS)}
    return process


async def sessions_kept(hosts: DatabaseHosts, until_s: float) -> dict[str, float]:
    """Return after how many seconds the server had no session of a case any more; those that it kept are left out."""
    loop = asyncio.get_running_loop()
    began_s, gone = loop.time(), {}
    while (after_s := loop.time() - began_s) < until_s and len(gone) < len(SERVERS):
        queries = [session.query for session in (await hosts.ask()).sessions]
        gone |= {
            case.name: after_s for case in SERVERS if case.name not in gone and not any(f"/* {case.name} */" in query for query in queries)
        }
        await asyncio.sleep(0.5)
    return gone


async def measured(facility: Facility, hosts: DatabaseHosts, runtime: Containers) -> tuple[dict[str, tuple[float, str]], dict[str, float]]:
    """Pull the cable, plug it in again, and return when and how each client ended, and when the server ended sessions, from the pull on."""
    link = facility.link("database")
    process = await started(runtime, PULLED_S + GOES_ON_WITHIN_S)
    await facility.packet_filter.pull("database", link)
    await runtime.run_in("cf-1", "touch", "/run/pulled", within_s=30.0)
    try:
        gone = await sessions_kept(hosts, PULLED_S / 2)
        await asyncio.sleep(PULLED_S / 2)
    finally:
        await facility.packet_filter.plug("database", link)
    assert process.stdout is not None
    told = [json.loads(line) for line in (await process.stdout.read()).decode().splitlines()]
    await process.wait()
    ended = {line["case"]: (line["after_s"], f"{line['how']}: {line['text']}") for line in told}
    sys.stdout.writelines(f"{name}: {after_s:.1f} s, {how}\n" for name, (after_s, how) in ended.items())
    sys.stdout.writelines(f"{name}: {after_s:.1f} s\n" for name, after_s in gone.items())
    return ended, gone


@pytest.mark.fact("A6", "A7", "W2", "W4")
async def test_which_time_out_ends_a_pulled_cable_and_after_how_long() -> None:
    """What has a time-out that counts ends by it; all others wait, and go on when the cable is plugged in."""
    try:
        docker_cli.find()
    except EngineError as error:
        pytest.skip(str(error))
    settings = Settings(application_server=ServerSettings(pool_fill=False), facility=FacilitySettings(database_keepalives_s=HOURS_S))
    async with built("containers", PLAN, settings) as (builder, facility):
        assert isinstance(builder, ContainersBuilder)
        assert builder.project is not None
        ended, gone = await measured(facility, builder.project.hosts, builder.project.runtime)
    wrong = [case.name for case in CASES if not _is_as_expected(case, ended)]
    wrong += [case.name for case in SERVERS if (case.name in gone) != (case.ends_s is not None)]
    wrong += [
        case.name for case in SERVERS if case.ends_s and case.name in gone and not case.ends_s[0] <= gone[case.name] <= case.ends_s[1]
    ]
    assert wrong == []


def _is_as_expected(case: Case, ended: dict[str, tuple[float, str]]) -> bool:
    """Whether a client ended by its time-out within what is expected, or went on when the cable was plugged in."""
    after_s, how = ended.get(case.name, (0.0, "still waits"))
    if case.ends_s is None:
        return after_s > PULLED_S
    return how != "answered: " and case.ends_s[0] <= after_s <= case.ends_s[1]


def table() -> dict[str, str]:
    """Return what the page on faults says, by the names of the cases."""
    section = README.read_text(encoding="utf-8").partition("\n## A pulled cable\n")[2].partition("\n## ")[0]
    says: dict[str, str] = {}
    for heading, rows in re.findall(r"^\| (time-out|setting of the server) \|.*\n\|(?:---\|)+\n((?:\|.*\n)+)", section, re.MULTILINE):
        columns = ("asks", "has asked", "connects") if heading == "time-out" else ("rests", "answers after 5 s")
        for row in rows.splitlines():
            name, *cells = (cell.strip() for cell in row.strip("|").split("|"))
            says |= {f"{name}, {column}": cell for column, cell in zip(columns, cells, strict=True) if cell}
    return says


def test_the_table_of_the_page_on_faults_says_what_is_measured() -> None:
    """Each case has its cell, and no other has one: that it waits on, or a number of seconds within what is measured."""
    says = table()
    assert set(says) == {case.name for case in (*CASES, *SERVERS)}
    for case in (*CASES, *SERVERS):
        number = re.match(r"(\d+) s", says[case.name])
        assert (number is None) == (case.ends_s is None), case.name
        if number is not None and case.ends_s is not None:
            assert case.ends_s[0] <= float(number[1]) <= case.ends_s[1], case.name
