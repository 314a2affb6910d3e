from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.errors import ServiceError
from testbed.experiments.attempts import ATTEMPTS
from testbed.experiments.scan import plan
from testbed.experiments.scan.plan import Wanted
from testbed.experiments.scan.replays import ScanBatch
from testbed.fakes.backend import FakeBackend
from testbed.fakes.virtual_time import run as in_virtual_time
from tests.nights import scenario

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.experiments.scan.effect import Effect, VariantScan


NOT_READY = ServiceError("cf-1 was not ready")


def backend(broken: int = 0, *, ineffective: bool = False) -> FakeBackend:
    """Make a backend that can break links; its first `broken` builders bring no facility up."""
    return FakeBackend(capabilities=frozenset({"links", "processes"}), failures=[NOT_READY] * broken, ineffective=ineffective)


def scan(
    fakes: FakeBackend, directory: Path, wanted: Wanted, repetitions: int = 1
) -> tuple[tuple[VariantScan, ...], list[tuple[str, Effect]]]:
    """Scan a night; gives what came out, and what was told on the way."""
    told: list[tuple[str, Effect]] = []
    planned = plan.plan(scenario(directory), wanted, fakes)
    scanner = ScanBatch(planned, fakes, directory / "runs", repetitions)
    return in_virtual_time(scanner.scan(2, lambda *one: told.append(one))), told


@pytest.mark.fact("A2")
def test_each_link_is_broken_in_turn_and_what_becomes_of_check_in_is_told(tmp_path: Path) -> None:
    """The control goes on, late answers of the database stop the original, and a time-out of the callers does not help against them."""
    fakes = backend()
    wanted = Wanted(variants=["original", "call_timeout"], faults=["latency"], links=["database", "cf-1"])
    scanned, told = scan(fakes, tmp_path, wanted)
    assert [over.variant for over in scanned] == ["original", "call_timeout"]
    for over in scanned:
        assert (over.control.effect, over.control.due) == ("goes on", over.control.answered)
        # Services over fakes feel what is on the link to the database, and on no other.
        assert [(effect.link, effect.effect) for effect in over.effects] == [("database", "stops"), ("cf-1", "goes on")]
        assert over.single_points == {"database": ("latency",)}
    assert len(told) == len(fakes.builders) == 6
    assert all(builder.calls[-1] == "tear_down" for builder in fakes.builders)
    assert sorted(path.relative_to(tmp_path / "runs").as_posix() for path in (tmp_path / "runs").rglob("*.jsonl"))[:3] == [
        "cf-1-latency/call_timeout.jsonl",
        "cf-1-latency/original.jsonl",
        "control/call_timeout.jsonl",
    ]


def test_each_is_replayed_as_often_as_is_asked_for(tmp_path: Path) -> None:
    """All are counted together, and each is kept with a journal of its own."""
    fakes = backend()
    (tmp_path / "once").mkdir()
    (once,), _ = scan(backend(), tmp_path / "once", Wanted(faults=["latency"], links=["database"]))
    (over,), told = scan(fakes, tmp_path, Wanted(faults=["latency"], links=["database"]), repetitions=3)
    (stopped,) = over.effects
    assert (stopped.effect, stopped.due) == ("stops", 3 * once.effects[0].due)
    assert over.control.due == 3 * once.control.due
    assert len(told) == len(fakes.builders) == len(over.replays) == 6
    assert len({replay.journal for replay in over.replays}) == 6
    assert once.replays == ()


def test_a_fault_that_does_not_bite_is_unknown_with_the_reason(tmp_path: Path) -> None:
    """After some attempts, each with a journal of its own; the control run says that nothing else was amiss."""
    fakes = backend(ineffective=True)
    (over,), _ = scan(fakes, tmp_path, Wanted(faults=["silence"], links=["kiosk"]))
    (silence,) = over.effects
    assert (over.control.effect, silence.effect) == ("goes on", "unknown")
    assert "expected a connection over the link to kiosk to be silent; saw: " in silence.unknown
    assert len(fakes.builders) == 1 + ATTEMPTS
    assert silence.journal == str(tmp_path / "runs" / f"kiosk-silence-again-{ATTEMPTS}" / "original.jsonl")


def test_what_cannot_be_replayed_is_tried_again_and_then_unknown(tmp_path: Path) -> None:
    """One facility that does not come up costs an attempt; none at all costs the answer, and no other's."""
    wanted = Wanted(faults=["refuse"], links=["database"])
    (tmp_path / "once").mkdir()
    ((over,), _) = scan(backend(broken=1), tmp_path / "once", wanted)
    assert over.control.effect == "goes on"
    (tmp_path / "never").mkdir()
    ((over,), _) = scan(backend(broken=100), tmp_path / "never", wanted)
    assert (over.control.effect, over.control.unknown, over.control.outcome, over.control.crack) == (
        "unknown",
        "cf-1 was not ready",
        None,
        None,
    )
