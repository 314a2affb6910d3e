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

if TYPE_CHECKING:
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
