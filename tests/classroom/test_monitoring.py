from __future__ import annotations

import asyncio
import inspect
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from flight_search import http_service
from flight_search.http_service import RequestThreads
from flight_search.settings import ServerSettings
from flight_search.stability.patterns import Patterns
from testbed.classroom.inquiry import monitoring
from testbed.classroom.saying import say
from testbed.verdict.causes.cause import Cause
from tests.classroom.examined import examined, hung, with_settings
from tests.journals import CALLERS, SERVERS, contained_night, hung_night

if TYPE_CHECKING:
    from testbed.classroom.inquiry.examination import Examination
    from testbed.classroom.saying import Told
    from tests.journals import NightBuilder

LOST = Cause("lost", "a.py:1", "lost")


def red(night: NightBuilder, *, from_s: float = 5.2, error: str = "") -> NightBuilder:
    """Return a night in which cf-1 was red from a time on."""
    night.events = [
        replace(event, health=False, error=error) if event.event == "sample" and event.service == "cf-1" and event.t_s >= from_s else event
        for event in night.events
    ]
    return night


@pytest.mark.fact("O8", "C6")
@pytest.mark.parametrize(
    ("night", "code"),
    [
        (hung((LOST, 20)), monitoring.PROCESS_ONLY),
        (with_settings(hung((LOST, 20)), handshaking=True), monitoring.ASKS_ELSEWHERE),
        (with_settings(hung((LOST, 20), night=red(hung_night())), handshaking=True), monitoring.RED),
        (hung((LOST, 20), night=red(hung_night())), monitoring.RED),
        (with_settings(hung((LOST, 20)), health_check="request_thread"), monitoring.ASKS_ELSEWHERE),
        (with_settings(hung((LOST, 20)), health_check="pool"), monitoring.ASKS_ELSEWHERE),
        (with_settings(hung((LOST, 20)), health_check="database"), monitoring.OTHER_SYSTEM),
        (with_settings(hung((LOST, 20)), health_check="database", handshaking=True), monitoring.ASKS_ELSEWHERE),
        (with_settings(hung((LOST, 20), night=red(hung_night())), health_check="pool"), monitoring.RED),
        (examined(contained_night().journal()), monitoring.NO_STOP),
    ],
)
def test_why_monitoring_was_green_is_read_off_what_it_said_and_what_it_asks(night: Examination, code: str) -> None:
    """Or that it was not, or had no reason to be red; with how many checks there were."""
    told = monitoring.of(night)
    assert told.code == code
    assert code == monitoring.NO_STOP or "'of': 30" in str(told.evidence[0])


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, [say("check_asks_process")]),
        ({"health_check": "request_thread"}, [say("check_asks_request_thread")]),
        ({"health_check": "pool"}, [say("check_asks_pool")]),
        ({"health_check": "database"}, [say("check_asks_database")]),
        ({"health_check": "pool", "handshaking": True}, [say("check_asks_pool"), say("check_asks_threads")]),
    ],
)
def test_of_a_check_that_never_turned_red_it_is_told_what_it_asks(settings: dict[str, object], told: list[Told]) -> None:
    """As the setting has it: one that asks the database is not said to ask the process alone."""
    assert list(monitoring.of(with_settings(hung((LOST, 20)), **settings)).evidence[1:]) == told


def test_a_check_that_was_red_before_service_stopped_or_after_a_restart_is_not_asked_for() -> None:
    """What is down while it is restarted is red as it should be."""
    night = hung_night()
    night.restart(5.6)
    night.look(5.7, health=False)
    night.look(0.3, health=False)
    assert monitoring.of(hung((LOST, 20), night=night)).code == monitoring.PROCESS_ONLY


def test_what_was_not_seen_is_not_known() -> None:
    """Neither without a look while service had stopped, nor where it is not known whether it had."""
    journal = hung_night().journal()
    night = hung((LOST, 20))
    before = replace(journal, events=tuple(event for event in journal.events if event.event != "sample" or event.t_s < 4.5))
    assert monitoring.of(replace(night, journal=before)).code == ""
    stop = replace(night.times.stop, at=None, known=False)
    figures = replace(night.judgement.figures, spans=dict.fromkeys((*SERVERS, *CALLERS), ()))
    unknown = replace(night, times=replace(night.times, stop=stop), judgement=replace(night.judgement, figures=figures))
    assert monitoring.of(unknown).code == ""


def test_a_check_that_had_no_answer_for_want_of_a_processor_was_not_red() -> None:
    """Nor was it green."""
    night = red(hung_night(), error="no answer within 2 s")
    night.events = [
        replace(event, health_s=1.5) if event.event == "sample" and event.error == "no answer within 2 s" else event
        for event in night.events
    ]
    night.pressure(6.0, 0.9)
    told = monitoring.of(hung((LOST, 20), night=night))
    assert told.code == monitoring.PROCESS_ONLY
    assert told.evidence[0] == say("checks_green", green=26, of=26)


def test_services_that_stood_still_for_a_while_tell_it_too() -> None:
    """Although service did not stop: then their health checks are asked for while they did."""
    night = hung((LOST, 20))
    stop = replace(night.times.stop, at=None, known=True)
    assert monitoring.of(replace(night, times=replace(night.times, stop=stop))).code == monitoring.PROCESS_ONLY


def test_the_health_check_asks_for_nothing_but_the_process_unless_it_is_told_to() -> None:
    """As the service's code has it: without a reason not to be, it is green; and only two settings give it reasons."""
    assert ServerSettings.model_fields["handshaking"].default is False
    assert ServerSettings.model_fields["health_check"].default == "event_loop"

    def health(reason: str | None) -> tuple[int, str]:
        threads = RequestThreads(1)

        async def not_ready() -> str | None:
            return reason

        app = http_service.create("cf-1", threads, CollectorRegistry(), not_ready)
        endpoint = next(route.endpoint for route in app.routes if getattr(route, "path", "") == "/health")
        answer = asyncio.run(endpoint())
        return answer.status_code, json.loads(answer.body)["status"]

    assert health(None) == (200, "ok")
    assert health("all 40 connections of the pool are leaked") == (503, "not ready")
    source = inspect.getsource(Patterns.not_ready)
    assert ("handshaking" in source, "self.health()" in source) == (True, True)
