from __future__ import annotations

from pathlib import Path

import pytest

from testbed.classroom.inquiry import preserved
from testbed.journal.events import EvidenceTaken
from testbed.journal.thread_states import CHECKOUT
from testbed.verdict.causes.cause import Cause
from tests.classroom.examined import examined, hung, of_flight
from tests.classroom.test_restoration import RESTART, restored
from tests.journals import CALLERS, SERVERS, NightBuilder, contained_night, hung_night
from tests.nights import SWITCHOVER

LOST = Cause("lost", "a.py:1", "lost")
ALL = {*SERVERS, *CALLERS}


def kept(night: NightBuilder) -> preserved.Preserved:
    """Return what was kept of a night that hung."""
    return preserved.of(hung((LOST, 20), night=night))


def evidence(night: NightBuilder, t_s: float, *, why: str = "asked", error: str | None = None, missing: tuple[str, ...] = ()) -> None:
    """Add that the whole evidence was taken."""
    night.events.append(EvidenceTaken(**night.at(t_s), why=why, file="1.json", took_s=0.1, missing=missing, error=error))  # type: ignore[arg-type]


def killed(night: NightBuilder, t_s: float, *services: str) -> NightBuilder:
    """Add that services were stopped."""
    for service in services:
        night.service(t_s, service, "stopped")
    return night


@pytest.mark.fact("O9")
def test_what_was_dumped_while_it_stood_still_is_kept() -> None:
    """Of five services, two were dumped before all five; a dump that failed, or from before, keeps nothing."""
    night = hung_night(dumps=False)
    night.dump(4.0, "ivr", CHECKOUT)
    night.dump(5.2, "cf-1", CHECKOUT)
    night.dump(5.3, "kiosk", CHECKOUT)
    night.dump(5.3, "cf-2", CHECKOUT, error="no such process")
    found = kept(night)
    assert (set(found.at_risk), set(found.dumped), found.whole) == (ALL, {"cf-1", "kiosk"}, None)


def test_a_dump_of_the_process_that_came_after_keeps_nothing() -> None:
    """Nor one of a service that was seen to get on; one that was taken while the restart was under way does."""
    night = restored(hung_night(dumps=False), at_s=8.0)
    killed(night, 7.0, "cf-1", "cf-2")
    night.dump(6.9, "cf-1", CHECKOUT)
    night.dump(7.5, "cf-2", CHECKOUT)
    night.look(6.2, done=9)
    night.events = [event for event in night.events if not (event.event == "sample" and event.t_s == 6.2 and event.service in SERVERS)]
    night.dump(6.9, "kiosk", CHECKOUT)
    assert set(kept(night).dumped) == {"cf-1"}


@pytest.mark.parametrize(
    ("t_s", "why", "error", "taken"),
    [
        (5.4, "asked", None, True),
        (5.4, "restart", None, True),
        (6.5, "asked", None, True),
        (7.5, "asked", None, False),
        (4.0, "asked", None, False),
        (5.4, "end", None, False),
        (5.4, "asked", "No space left on device", False),
    ],
)
def test_the_whole_evidence_counts_between_the_trouble_and_the_first_restart(t_s: float, why: str, error: str | None, taken: bool) -> None:  # noqa: FBT001
    """If it was written; what is taken at the night's end is nobody's doing."""
    night = killed(restored(hung_night(), at_s=8.0), 7.0, "cf-1")
    evidence(night, t_s, why=why, error=error)
    assert (kept(night).whole is not None) is taken


def test_where_nothing_stood_still_nothing_was_at_risk() -> None:
    """Whatever failed for a while."""
    assert preserved.of(examined(contained_night().journal())) == preserved.Preserved((), (), None)


def test_where_service_stopped_and_nothing_stood_still_the_servers_tell_why() -> None:
    """As where every call fails at once: they are what a restart would take."""
    night = contained_night()
    night.events = [event for event in night.events if event.event not in ("observed", "healed", "end")]
    for number in range(30):
        night.request(5.6 + number / 10, CALLERS[number % 3], "failed")
    night.dump(7.0, "cf-2", CHECKOUT)
    night.look(8.5, done=10, failed=30)
    night.end(9.0)
    found = preserved.of(examined(night.journal()))
    assert (found.at_risk, found.dumped) == (SERVERS, ("cf-2",))


def test_operators_who_dump_before_they_restart_keep_everything() -> None:
    """The night of the case on fakes."""
    found = preserved.of(of_flight("original", SWITCHOVER + RESTART))
    assert set(found.dumped) == set(found.at_risk) == ALL
    assert found.whole is not None
    assert Path(found.whole.file).suffix == ".json"
