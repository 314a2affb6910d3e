from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.journal.events import OperationEvent, Sample
from testbed.verdict import figures
from testbed.verdict.checks import full_first
from testbed.verdict.finding import Verdict
from tests.journals import NightBuilder


def night(*full: tuple[float, str], fault: str = "slow_database", used_up_s: float | None = None, lasts_s: float = 0.35) -> NightBuilder:
    """Write a night with a fault from 2 s on; `full`: when a service has all four request threads at work.

    `used_up_s`: when a thread of cf-1 waits for a connection. All of that lasts for `lasts_s`.
    """
    builder = NightBuilder()
    builder.samples(1.0)
    builder.events.append(OperationEvent(**builder.at(2.0), operation=fault, id=1, state="begin"))
    for t_s, service in full:
        for at_s in (t_s, t_s + lasts_s):
            builder.sample(at_s, service, busy=4)
    for at_s in () if used_up_s is None else (used_up_s, used_up_s + lasts_s):
        builder.sample(at_s, "cf-1", busy=3, leaked=4)
        sample = builder.events[-1]
        assert isinstance(sample, Sample)
        assert sample.pool is not None
        builder.events[-1] = replace(sample, pool=replace(sample.pool, waiting=1, leaked=0))
    for t_s in (3.9, 6.4, 8.9):
        builder.samples(t_s, busy=3)
    builder.end(9.0)
    return builder


@pytest.mark.fact("S9")
@pytest.mark.parametrize(
    ("full", "layer"),
    [
        (((3.0, "cf-1"), (4.0, "kiosk")), "application_servers"),
        (((3.0, "kiosk"), (4.0, "cf-1"), (5.0, "kiosk")), "callers"),
        ((), "nobody"),
        (((0.5, "cf-1"), (3.0, "ivr")), "callers"),  # before the fault is not after it
    ],
)
def test_the_layer_that_was_full_first_is_found(full: tuple[tuple[float, str], ...], layer: str) -> None:
    """Of what was seen since the first fault began; and any other expectation is broken."""
    journal = night(*full).journal()
    assert full_first.check(journal, figures.of(journal), layer).verdict is Verdict.HELD
    for other in {"pools", "application_servers", "callers", "nobody"} - {layer}:
        assert full_first.check(journal, figures.of(journal), other).verdict is Verdict.BROKEN


@pytest.mark.fact("S9")
@pytest.mark.parametrize(("used_up_s", "layer"), [(2.5, "pools"), (3.5, "application_servers"), (1.5, "application_servers")])
def test_a_pool_is_used_up_when_a_thread_waits_for_a_connection(used_up_s: float, layer: str) -> None:
    """First if it was before the request threads, and not at all if it was before the fault."""
    journal = night((3.0, "cf-1"), used_up_s=used_up_s).journal()
    finding = full_first.check(journal, figures.of(journal), layer)
    assert finding.verdict is Verdict.HELD
    assert ("the pool of cf-1 at " in finding.text) == (used_up_s > 2.0)


@pytest.mark.fact("S9")
def test_what_was_used_up_for_a_moment_may_as_well_have_been_missed() -> None:
    """So it is unknown whether it was the first; what was used up for good was not before it, and whatever else is expected is broken."""
    for full, used_up_s, perhaps in (((), 2.5, ("pools", "nobody")), (((3.0, "kiosk"),), None, ("callers", "nobody"))):
        journal = night(*full, used_up_s=used_up_s, lasts_s=0.2).journal()
        for layer in ("pools", "application_servers", "callers", "nobody"):
            verdict = Verdict.UNKNOWN if layer in perhaps else Verdict.BROKEN
            assert full_first.check(journal, figures.of(journal), layer).verdict is verdict


@pytest.mark.fact("S9")
def test_every_full_service_is_named_in_order() -> None:
    """Each once, with its time and its longest queue."""
    journal = night((3.0, "kiosk"), (4.0, "cf-2"), (5.0, "cf-2")).journal()
    finding = full_first.check(journal, figures.of(journal), "callers")
    assert finding.text.startswith("used up, in order: kiosk, at most 0 requests waiting at ")
    assert "; cf-2, at most 0 requests waiting at " in finding.text
    assert finding.text.count("cf-2") == 1
    assert finding.text.endswith("; first callers, expected callers")


def test_a_night_without_a_fault_fills_nobody() -> None:
    """Whatever its load does."""
    assert figures.of(night((3.0, "kiosk"), fault="nothing").journal()).full_since_night_s == {}


@pytest.mark.fact("S9")
@pytest.mark.parametrize(("busy", "code"), [(0.9, "machine_busy"), (0.1, "")])
def test_what_was_used_up_before_the_fault_tells_nothing_of_it(busy: float, code: str) -> None:
    """A machine that is busy fills everybody, and the suite makes such a replay again; another night had no room to begin with."""
    made = night((1.9, "ivr"), (2.1, "ivr"), (3.0, "cf-1"))
    made.pressure(6.0, busy)
    finding = full_first.check(made.journal(), figures.of(made.journal()), "application_servers")
    assert (finding.verdict, finding.code) == (Verdict.UNKNOWN, code)
    assert finding.text.endswith("; used up before the fault came: ivr")
