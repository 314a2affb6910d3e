from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.classroom.inquiry import restoration
from testbed.classroom.saying import say
from testbed.journal.events import Request, Response
from testbed.verdict.causes.cause import Cause
from tests.classroom.examined import examined, hung, of_flight
from tests.journals import CALLERS, EVENING_S, SPEED, NightBuilder, contained_night, hung_night
from tests.nights import SWITCHOVER

LOST = Cause("lost", "a.py:1", "lost")
RESTART = '[[timeline]]\nwhen = "hung"\noperation = "restart"\n'


def restored(night: NightBuilder, *, at_s: float, callers: tuple[str, ...] = CALLERS) -> NightBuilder:
    """Return the hung night with a restart at 5.6 s, which fails all that hung.

    After that these callers are answered from a time on, one every tenth of a second.
    """
    night.events = [event for event in night.events if event.event not in ("observed", "healed", "end")]
    night.restart(5.6)
    back = {event.id for event in night.events if isinstance(event, Response)}
    for hanging in [event for event in night.events if isinstance(event, Request) and event.id not in back]:
        night.events.append(Response(**night.at(5.65), id=hanging.id, answered_s=5.65, ended="failed", status=502))
    for caller in CALLERS:
        night.sample(5.7, caller)
    for number, caller in enumerate(callers):
        for more in range(3):
            night.request(at_s + number / 10 + more, caller, "answered")
    for t_s in (at_s + 2.9, at_s + 3.4):
        night.look(t_s, done=9)
    night.end(at_s + 3.5)
    return night


@pytest.mark.fact("O9")
def test_service_is_gone_from_the_hang_until_every_caller_was_answered_again() -> None:
    """By hand: they hang at 5.0 s and the last of the three is answered at 8.21 s, 321 s of the night later."""
    found = restoration.of(hung((LOST, 20), night=restored(hung_night(), at_s=8.0)))
    assert found.known
    assert found.stopped is not None
    assert found.restored is not None
    assert (found.stopped.t_s, found.restored.t_s) == (5.0, pytest.approx(8.21))
    assert found.restored.night_s == pytest.approx(EVENING_S + 8.21 * SPEED)
    assert (found.took_s, found.took_night_s) == (pytest.approx(3.21), pytest.approx(321.0))
    assert found.text == say("served_again", stopped="22:08:20", restored="22:13:41")


def test_a_caller_that_is_never_answered_again_is_not_served() -> None:
    """Although it is asked; one that nobody asks is not known to be."""
    night = restored(hung_night(), at_s=8.0, callers=CALLERS[:2])
    found = restoration.of(hung((LOST, 20), night=night))
    assert (found.known, found.took_s, found.text) == (False, None, say("nobody_asked_after", caller="partner"))
    for number in range(3):
        night.request(9.0 + number, "partner", "failed")
    found = restoration.of(hung((LOST, 20), night=night))
    assert (found.known, found.took_s, found.text) == (True, None, say("never_served", caller="partner"))


def test_callers_that_hang_to_the_end_were_not_served_again() -> None:
    """They are named."""
    found = restoration.of(hung((LOST, 20)))
    assert (found.known, found.restored, found.text) == (True, None, say("hung_to_the_end", services=["kiosk", "ivr", "partner"]))


def test_service_that_hangs_again_was_gone_all_the_while() -> None:
    """As after half a restart: until it is back for good."""
    night = restored(hung_night(), at_s=8.0)
    night.events = [event for event in night.events if event.event not in ("observed", "healed", "end")]
    for number in range(12):
        night.request(11.5 + number / 100, CALLERS[number % 3], None)
    for number in range(27):
        night.look(12.0 + number / 4, busy=4, done=9, leaked=4)
    for number, caller in enumerate(CALLERS):
        night.request(19.0 + number / 10, caller, "answered")
    night.look(19.4, done=30)
    night.end(20.0)
    found = restoration.of(hung((LOST, 20), night=night))
    assert found.took_s == pytest.approx(14.21)


def test_service_that_did_not_stop_need_not_be_restored() -> None:
    """And where it is not known whether it did, neither is that."""
    found = restoration.of(examined(contained_night().journal()))
    assert (found.known, found.stopped, found.took_s) == (True, None, None)
    night = examined(contained_night().journal())
    unknown = replace(night, times=replace(night.times, stop=replace(night.times.stop, known=False)))
    assert (restoration.of(unknown).known, restoration.of(unknown).stopped) == (False, None)


def test_a_night_that_was_restarted_in_time_was_restored() -> None:
    """The night of the case on fakes, with the restart of its operators."""
    found = restoration.of(of_flight("original", SWITCHOVER + RESTART))
    assert found.took_night_s is not None
    assert 0 < found.took_night_s < 3600
