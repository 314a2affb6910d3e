from __future__ import annotations

import json

import pytest

from testbed.experiments.scan import effect
from testbed.journal.events import OperationEvent
from testbed.verdict import judge
from testbed.verdict.rate import wilson
from tests.experiments.scan.scans import CONTROL, over, scan
from tests.experiments.scan.scans import effect as made
from tests.journals import SERVERS, NightBuilder

NIGHT_END_T_S = 100.0  # of the small night's header, whose clock goes by at 100
BIT_T_S = 20.0
HALF_T_S = 60.0


def night(*ends: tuple[float, str | None], state: str = "end") -> NightBuilder:
    """Write a night whose fault has bitten at 20 s, and with check-ins that were due at times and ended some way."""
    built = NightBuilder()
    built.samples(0.0)
    built.events.append(OperationEvent(**built.at(10.0), operation="refuse", id=1, state="begin"))
    built.events.append(OperationEvent(**built.at(BIT_T_S), operation="refuse", id=1, state=state, detail="as was seen"))  # type: ignore[arg-type]
    for due_s, ended in ends:
        built.request(due_s, "kiosk", ended)
    built.request(99.0, "ivr", "answered")
    built.request(99.0, "kiosk", "answered", transaction="local")
    for t_s in range(2, int(NIGHT_END_T_S) + 1, 2):
        built.look(t_s)
    built.end(NIGHT_END_T_S)
    return built


def effect_of(built: NightBuilder) -> effect.Effect:
    """Return the effect on check-in."""
    journal = built.journal()
    return effect.of(journal, judge.judge(journal), "cf-1", "refuse", "check_in", 1.234)


@pytest.fixture(autouse=True)
def _undone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count the fault of every hand-written night as healed."""
    monkeypatch.setattr("testbed.verdict.checks.healed.LASTING", ("refuse",))


@pytest.mark.parametrize(
    ("later", "word", "answered"),
    [
        (("answered",) * 12, "goes on", 12),
        (("answered", "failed", None) * 4, "hurts", 4),
        (("failed",) * 12, "stops", 0),
        ((None,) * 12, "stops", 0),
    ],
    ids=["all", "some", "none", "none ended"],
)
def test_what_was_due_in_the_second_half_tells(later: tuple[str | None, ...], word: str, answered: int) -> None:
    """All of it, some of it or none was answered; what was due before, and other transactions, tell nothing."""
    found = effect_of(night((15.0, "answered"), (HALF_T_S - 1, "failed"), *((HALF_T_S + number, end) for number, end in enumerate(later))))
    assert (found.effect, found.answered, found.due, found.unknown) == (word, answered, 12, "")
    assert (found.low, found.high) == wilson(answered, 12)
    assert (found.link, found.fault, found.journal, found.wall_s) == ("cf-1", "refuse", "a_night.jsonl", 1.23)


def test_a_night_in_which_nobody_asked_tells_nothing() -> None:
    """It is no success that nobody was sent away."""
    found = effect_of(night((HALF_T_S - 1, "answered")))
    assert (found.effect, found.due) == ("unknown", 0)
    assert found.unknown == "no check_in was due in the second half of the time from the fault to the night's end"


@pytest.mark.parametrize("end", ["failed", "answered"])
def test_a_handful_of_transactions_tells_nothing(end: str) -> None:
    """One that fails makes no single point of failure, and one that is answered no link that may break."""
    few = effect_of(night(*((HALF_T_S + number, end) for number in range(effect.NEEDED - 1))))
    assert (few.effect, few.low, few.high) == ("unknown", None, None)
    assert few.unknown == "only 9 check_in were due in the second half of the time from the fault to the night's end, 10 are needed"
    assert effect_of(night(*((HALF_T_S + number, end) for number in range(effect.NEEDED)))).effect == (
        "stops" if end == "failed" else "goes on"
    )


def test_several_replays_are_as_sure_as_they_agree() -> None:
    """Counts are summed; the interval has in it what any of the replays allows, because requests of one replay share its fate."""
    none, all_ = (
        made("kiosk", "idle_drop", "stops", 0, outcome="grounded", crack=5),
        made("kiosk", "idle_drop", "goes on", 9, outcome="unharmed", crack=0),
    )
    both = effect.together([none, all_])
    assert (both.effect, both.answered, both.due, both.low, both.high) == ("hurts", 9, 18, 0.0, 1.0)
    assert (both.outcome, both.crack) == ("grounded", 5)
    same = effect.together([none, none, none])
    assert (same.effect, same.due, same.low, same.high) == ("stops", 27, none.low, none.high)
    assert effect.together([none]) is none


def test_a_replay_that_tells_nothing_leaves_all_of_them_unknown() -> None:
    """The others may be the lucky ones."""
    unknown = made("kiosk", "idle_drop", "unknown", unknown="the open loop was late")
    both = effect.together([made("kiosk", "idle_drop", "stops"), unknown])
    assert (both.effect, both.low, both.high, both.outcome) == ("unknown", None, None, None)
    assert both.unknown == "1 of 2 replays: the open loop was late"


def test_a_fault_that_did_not_bite_tells_nothing() -> None:
    """However well the night went on."""
    found = effect_of(night((HALF_T_S + 1, "answered"), state="failed"))
    assert found.effect == "unknown"
    assert "refuse: as was seen" in found.unknown


def test_a_replay_that_cannot_be_believed_tells_nothing() -> None:
    """A service that died by itself is another story than the fault's."""
    built = night((HALF_T_S + 1, None))
    end = built.events.pop()
    built.service(NIGHT_END_T_S, SERVERS[0], "died")
    built.events.append(end)
    assert (effect_of(built).effect, effect_of(built).unknown[:12]) == ("unknown", "cf-1 died at")


def test_single_points_are_the_links_that_a_fault_stops() -> None:
    """With those faults, in the order of the map; what hurts, or cannot be told, makes none."""
    assert over().single_points == {"cf-1": ("silence",), "database": ("refuse", "silence")}


def test_a_scan_is_conclusive_when_nothing_is_unknown_and_the_control_went_on() -> None:
    """One that was hurt by nothing makes every effect doubtful."""
    known = tuple(known for known in over().effects if known.effect != "unknown")
    assert not over().is_conclusive
    assert over(effects=known).is_conclusive
    assert not over(effects=known, control=made("", "nothing", "hurts", 8)).is_conclusive


def test_the_object_for_programs_has_all_of_it() -> None:
    """With what was derived, so that nobody has to derive it again."""
    data = json.loads(scan(over()).model_dump_json())
    assert list(data) == ["scan", "made_by", "scenario", "runtime", "transaction", "left_out", "variants"]
    (only,) = data["variants"]
    assert only["single_points"] == {"cf-1": ["silence"], "database": ["refuse", "silence"]}
    assert only["points"][0] == {"link": "kiosk", "who": ["passengers"]}
    assert only["control"]["answered"] == CONTROL.answered
    assert set(only["effects"][0]) == set(effect.Effect.model_fields)
