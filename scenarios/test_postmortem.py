"""What a post-mortem reads from a real replay of the night: what could have warned, and what the thread dumps tell."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from scenarios.conftest import PLANS
from testbed.experiments.batch import replay_once
from testbed.plan import passengers
from testbed.postmortem import stack_reading, warning_time
from testbed.runtime.processes.backend import ProcessesBackend
from testbed.verdict import who_waits

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.verdict.result import Result

HEALTH = ("health_application_servers", "health_callers")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Replay the night over the code that failed; nothing is asked of a replay that cannot be believed, as on a machine too busy for it."""

    async def replay() -> Result:
        plan = PLANS["the_night"].only(("original",))
        async with ProcessesBackend() as backend:
            return await replay_once(plan, passengers.of(plan), backend, tmp_path_factory.mktemp("the_night"))

    replayed = asyncio.run(replay())
    if replayed.judgement.doubts:
        pytest.skip(f"the replay cannot be believed: {replayed.judgement.doubts}")
    return replayed


@pytest.mark.fact("O8", "P1")
def test_a_robot_would_have_warned_hours_before_and_the_health_checks_never(result: Result) -> None:
    """By the night's clock; nothing rings before the switchover."""
    times = warning_time.of(result.journal, result.judgement)
    by_code = {alarm.code: alarm for alarm in times.alarms}
    assert [(by_code[code].rang, by_code[code].doubt) for code in HEALTH] == [(None, ""), (None, "")]
    lead = times.lead(by_code["robot_kiosk_check_in"])
    assert lead is not None
    assert lead.night_s > 4 * 3600
    assert times.false_alarms == ()


@pytest.mark.fact("O5", "O6", "P3")
def test_the_dumps_tell_which_pool_is_used_up_and_what_the_callers_speak(result: Result) -> None:
    """All forty worker threads of each service are in a call: those of a caller in HTTP, those of a server in no protocol at all."""
    dumps = {dump.service: dump.reading for dump in stack_reading.of_journal(result.journal)}
    facility = result.journal.header.facility
    assert set(dumps) == {*facility.application_servers, *facility.callers}
    for service, reading in dumps.items():
        assert reading is not None, service
        assert [(pool.kind, pool.threads, pool.idle) for pool in reading.kinds.pools] == [("anyio worker threads", 40, 0)]
        clients = {protocol.name: protocol.threads for protocol in reading.protocols if protocol.side == "client"}
        assert clients.keys() == ({"HTTP"} if service in facility.callers else set())
        assert clients.get("HTTP", 40) >= 40  # a caller looks at the health of the servers in threads of its own, too
        libraries = {library.package: library.version for library in reading.libraries}
        known = result.journal.header.versions
        own = "requests" if service in facility.callers else "sqlalchemy"
        assert libraries[own] == known[own]
        assert None not in libraries.values()


@pytest.mark.fact("S2", "P1")
def test_lost_connections_are_named_where_checkouts_give_up_and_nobody_hangs(replayed: Callable[[str, str], Result]) -> None:
    """Evidence is taken though no caller hangs, once everything has failed for a second; and it names the line."""
    failed = replayed("failure_modes", "checkout_timeout")
    worst = who_waits.worst_of(who_waits.of_journal(failed.journal))
    if failed.judgement.doubts or (worst is not None and worst.machine_busy):
        pytest.skip("the machine was too busy for it")
    assert worst is not None
    root = worst.who_waits.root
    assert root is not None
    assert (root.cause.code, root.threads) == ("lost", 0)
    assert root.cause.where.startswith("lookup/original.py:")
    assert "no thread hangs for it, as checkouts give up after 0.2 s" in root.cause.text
