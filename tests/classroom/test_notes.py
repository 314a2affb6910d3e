from __future__ import annotations

from testbed.classroom.lessons.steps import TrainerNote
from testbed.classroom.live.notes import Notes
from testbed.journal.events import PoolSample, Sample
from testbed.replay.state import FacilityState

NOTES = tuple(
    TrainerNote(at_s, when, "Ask.")
    for at_s, when in ((100.0, None), (None, "recovered"), (None, "hung"), (150.0, None), (None, "pool_empty"), (120.0, None))
)


def state(busy: int = 0, leaked: int = 0) -> FacilityState:
    """Return a facility of one server and one caller, both of which have had so many of four threads at work for a while."""
    made = FacilityState(("cf-1",), ("kiosk",))
    for service in ("cf-1", "kiosk"):
        for t_s in (0.0, 1.0, 2.0, 3.0):
            pool = PoolSample(size=4, in_=4 - leaked, out=leaked, waiting=0, leaked=leaked)
            made.take(
                Sample(
                    t_s=t_s, night_s=t_s, service=service, health=True, health_s=0.01, request_threads=4, busy=busy, waiting=0, pool=pool
                )
            )
    return made


def test_notes_are_due_in_the_order_of_the_night_and_are_never_taken_back() -> None:
    """By their times, however late somebody looks, and by their conditions as soon as these are seen."""
    notes = Notes(NOTES)
    notes.look(99.0, state())
    assert notes.due == []
    notes.look(130.0, state())
    assert notes.due == [0, 5]
    notes.look(131.0, state(leaked=4))
    assert notes.due == [0, 5, 4]
    notes.look(132.0, state(busy=4, leaked=4))
    assert notes.due == [0, 5, 4, 2]
    notes.look(133.0, state())
    assert notes.due == [0, 5, 4, 2, 1]
    notes.look(160.0, state())
    assert notes.due == [0, 5, 4, 2, 1, 3]


def test_service_is_not_back_before_it_had_stopped() -> None:
    """All is well from the begin, and a pool that ran empty has stopped nobody yet."""
    notes = Notes(NOTES)
    for leaked in (0, 4, 0):
        notes.look(90.0, state(leaked=leaked))
    assert 1 not in notes.due
