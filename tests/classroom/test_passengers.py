from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.classroom.passengers import HANGS_AFTER_S, Passengers
from testbed.journal.events import Request, Response

FIVE_S = 104_400.0  # 05:00, at t_s 0
SPEED = 60.0  # a minute of the night in a real second
NOTHING = {"sent": 0, "answered": 0, "failed": 0, "waiting": 0}


def sent(id_: int, t_s: float, caller: str = "kiosk", kind: str = "check_in", *, speed: float = SPEED) -> Request:
    """Return a request that was sent at a time."""
    return Request(t_s=t_s, night_s=FIVE_S + t_s * speed, id=id_, caller=caller, transaction=kind, due_s=t_s, sent_s=t_s)


def ended(id_: int, t_s: float, how: str = "answered", *, speed: float = SPEED) -> Response:
    """Return a response that came at a time."""
    return Response(t_s=t_s, night_s=FIVE_S + t_s * speed, id=id_, answered_s=t_s, ended=how, status=None)  # type: ignore[arg-type]


def of(*events: Request | Response) -> Passengers:
    """Return the passengers of some events."""
    passengers = Passengers()
    for event in events:
        passengers.take(event)
    return passengers


def night_s(t_s: float) -> float:
    """Return the time of the night at a real one."""
    return FIVE_S + t_s * SPEED


def test_passengers_are_counted_by_caller_and_kind() -> None:
    """Each that was sent is answered, failed, or waits."""
    passengers = of(sent(1, 0.0), sent(2, 0.1, kind="baggage"), sent(3, 0.2, "ivr", "status"), ended(1, 0.3), ended(3, 0.4, "failed"))
    assert passengers.state() == {
        "passengers": {"sent": 3, "answered": 1, "failed": 1, "waiting": 1},
        "passengers.kiosk": {
            "sent": 2,
            "answered": 1,
            "failed": 0,
            "waiting": 1,
            "kinds": {
                "check_in": {"sent": 1, "answered": 1, "failed": 0, "waiting": 0},
                "baggage": {"sent": 1, "answered": 0, "failed": 0, "waiting": 1},
            },
        },
        "passengers.ivr": {
            "sent": 1,
            "answered": 0,
            "failed": 1,
            "waiting": 0,
            "kinds": {"status": {"sent": 1, "answered": 0, "failed": 1, "waiting": 0}},
        },
    }


def test_callers_and_kinds_of_which_nothing_came_are_there_from_the_start() -> None:
    """Where the facility's callers and their transactions are given."""
    passengers = Passengers({"kiosk": {"check_in": True}})
    assert passengers.state() == {"passengers": NOTHING, "passengers.kiosk": {**NOTHING, "kinds": {"check_in": NOTHING}}}
    assert passengers.cost(100.0, night_s(100.0)) is None


def test_what_the_outage_costs_by_hand() -> None:
    """A check-in of 05:00 failed, two of 05:05 hang and one hangs not yet; two lost in ten minutes are 0.2 a minute."""
    passengers = of(
        sent(1, 0.0), ended(1, 0.5, "failed"), sent(2, 5.0), sent(3, 5.0, "ivr", "status"), sent(4, 9.0), sent(5, 1.0), ended(5, 1.1)
    )
    assert passengers.cost(4.0, night_s(4.0)) == {"per_minute": {"check_in": 0.1}, "total_per_minute": 0.1, "lost": 1}
    at_s = 5.0 + HANGS_AFTER_S
    assert passengers.cost(at_s, night_s(at_s)) is not None
    assert passengers.cost(at_s, night_s(at_s)) == {"per_minute": {}, "total_per_minute": 0.0, "lost": 1}
    assert passengers.cost(at_s + 0.1, night_s(at_s) + 6.0) == {
        "per_minute": {"check_in": 0.1, "status": 0.1},
        "total_per_minute": 0.2,
        "lost": 3,
    }


@pytest.mark.parametrize(("minutes", "per_minute"), [(0.5, 1.0), (2.0, 0.5), (8.0, 0.125), (20.0, 0.0)])
def test_a_night_that_has_just_begun_costs_by_its_own_minutes(minutes: float, per_minute: float) -> None:
    """One that is lost in its first two minutes is half a one a minute, and not a tenth; within the first, it is one."""
    passengers = Passengers(from_s=night_s(0.0))
    for event in (sent(1, 0.0), ended(1, 0.01, "failed")):
        passengers.take(event)
    told = passengers.cost(20.0, night_s(0.0) + 60.0 * minutes)
    assert told is not None
    assert told["total_per_minute"] == pytest.approx(per_minute)


@pytest.mark.parametrize(("speed", "lost"), [(0.0, 1), (1.0, 1), (3600.0, 1)])
def test_whether_a_request_hangs_is_a_matter_of_real_seconds(speed: float, lost: int) -> None:
    """The night's clock may stand still, or fly: an answer that takes half a real second is lost at no speed, and one of six is at each."""
    passengers = of(sent(1, 0.0, speed=speed))
    assert passengers.cost(0.5, FIVE_S + 0.5 * speed) is None
    told = passengers.cost(6.0, FIVE_S + 6.0 * speed)
    assert told is not None
    assert told["lost"] == lost


def test_what_is_lost_stays_lost() -> None:
    """In the minute in which it was sent, whether it fails in the end or is answered: whoever asked has gone."""
    passengers = of(sent(1, 0.0), sent(2, 0.0))
    assert passengers.cost(8.0, night_s(8.0)) == {"per_minute": {"check_in": 0.2}, "total_per_minute": 0.2, "lost": 2}
    passengers.take(ended(1, 8.5))
    passengers.take(ended(2, 8.5, "failed"))
    assert passengers.state()["passengers"] == {"sent": 2, "answered": 1, "failed": 1, "waiting": 0}
    assert passengers.cost(9.0, night_s(9.0)) == {"per_minute": {"check_in": 0.2}, "total_per_minute": 0.2, "lost": 2}
    assert passengers.cost(10.0, night_s(10.0)) == {"per_minute": {}, "total_per_minute": 0.0, "lost": 2}


@st.composite
def nights(draw: st.DrawFn) -> list[Request | Response]:
    """Draw requests and responses, in any order."""
    events: list[Request | Response] = []
    for id_ in range(draw(st.integers(0, 12))):
        request = sent(id_, draw(st.floats(0, 30)), draw(st.sampled_from(["kiosk", "ivr"])), draw(st.sampled_from(["a", "b"])))
        events.append(request)
        if (how := draw(st.sampled_from(["answered", "failed", ""]))) != "":
            events.append(ended(id_, request.sent_s + draw(st.floats(0, 20)), how))
    return draw(st.permutations(events))


@given(nights())
@settings(deadline=None)
def test_the_order_of_events_makes_no_difference(events: list[Request | Response]) -> None:
    """Whichever of a request and its response comes first."""
    ordered, shuffled = of(*sorted(events, key=lambda event: event.t_s)), of(*events)
    assert shuffled.cost(31.0, night_s(31.0)) == ordered.cost(31.0, night_s(31.0))
    assert {key: value["sent"] for key, value in shuffled.state().items()} == {key: value["sent"] for key, value in ordered.state().items()}
    assert shuffled.state() == ordered.state()


@given(nights(), st.data())
@settings(deadline=None)
def test_what_is_lost_never_gets_less(events: list[Request | Response], data: st.DataObject) -> None:
    """However often somebody looks while events come; and unless a caller was stuck, no look changes what was lost in the end."""
    passengers, lost, was_stuck = Passengers(), 0, False
    for event in sorted(events, key=lambda event: event.t_s):
        passengers.take(event)
        if data.draw(st.booleans()):
            was_stuck = True
            passengers.lose_all_of("kiosk")
        told = passengers.cost(event.t_s, night_s(event.t_s))
        assert (told or {"lost": 0})["lost"] >= lost
        lost = (told or {"lost": 0})["lost"]
    if not was_stuck:
        assert passengers.cost(60.0, night_s(60.0)) == of(*events).cost(60.0, night_s(60.0))


@given(nights())
def test_what_was_lost_is_what_failed_or_has_no_answer_in_time(events: list[Request | Response]) -> None:
    """Counted plainly, from all events at once."""
    responses = {event.id: event for event in events if isinstance(event, Response)}
    requests = [event for event in events if isinstance(event, Request)]
    sent_s = {request.id: request.sent_s for request in requests}
    late = {id_ for id_, response in responses.items() if response.answered_s - sent_s[id_] > HANGS_AFTER_S}
    lost = [request for request in requests if request.id not in responses or responses[request.id].ended == "failed" or request.id in late]
    told = of(*events).cost(100.0, night_s(30.0))
    assert (0 if told is None else told["lost"]) == len(lost)
    recent = [request for request in lost if request.night_s // 1 > night_s(20.0)]
    assert (0.0 if told is None else told["total_per_minute"]) == pytest.approx(len(recent) / 10)


@pytest.mark.alone
def test_a_look_costs_little_in_a_night_of_fifty_thousand_requests() -> None:
    """It is taken ten times a second: at most 5 ms of a processor, where all of them hang, and an event at most 20 µs."""
    kinds = [(("kiosk", "ivr", "partner")[number % 3], f"kind_{number % 7}") for number in range(50_000)]
    events = [sent(number, number / 100, caller, kind) for number, (caller, kind) in enumerate(kinds)]
    passengers = Passengers()
    began_s = time.process_time()
    for event in events:
        passengers.take(event)
    event_s = (time.process_time() - began_s) / len(events)
    told = passengers.cost(1000.0, night_s(500.0))
    began_s = time.process_time()
    for _ in range(100):
        passengers.state()
        passengers.cost(1000.0, night_s(500.0))
    look_s = (time.process_time() - began_s) / 100
    assert (told or {})["lost"] == len(events)
    assert (event_s < 20e-6, look_s < 5e-3) == (True, True), f"{event_s * 1e6:.1f} µs an event, {look_s * 1e3:.2f} ms a look"


def test_who_asks_a_caller_that_is_stuck_is_lost_at_once() -> None:
    """However soon it is, and for good: nobody there answers."""
    passengers = Passengers()
    passengers.take(sent(1, 10.0))
    assert passengers.cost(10.1, night_s(10.1)) is None
    passengers.lose_all_of("ivr")
    assert passengers.cost(10.2, night_s(10.2)) is None
    passengers.lose_all_of("kiosk")
    told = passengers.cost(10.3, night_s(10.3))
    assert told is not None
    assert told["lost"] == 1
    passengers.take(ended(1, 10.4))
    told = passengers.cost(10.5, night_s(10.5))
    assert told is not None
    assert told["lost"] == 1
