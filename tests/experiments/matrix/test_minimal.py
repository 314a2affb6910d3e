from __future__ import annotations

import asyncio

import pytest

from testbed import scenario_file
from testbed.experiments.matrix import minimal
from testbed.experiments.matrix.cell import Cell, Part
from testbed.experiments.matrix.minimal import PatternSet, Reached, Tally, Trial
from testbed.plan.settings import CallerSettings, KeptVariant, ServerSettings, Settings
from testbed.verdict.rate import wilson
from tests.experiments.matrix.cells import cell

LIFO = KeptVariant(application_server=ServerSettings(pool_lifo=True))
FIXED = KeptVariant(application_server=ServerSettings(lookup="fixed"))
LIBRARY = KeptVariant(application_server=ServerSettings(lookup="sqlalchemy_connection"))
RETRY = KeptVariant(caller=CallerSettings(retries=3))
FIXED_AND_RETRY = KeptVariant(application_server=ServerSettings(lookup="fixed"), caller=CallerSettings(retries=3))
PATTERNS = {
    name: minimal.changes(variant.settings) for name, variant in (("lifo", LIFO), ("fixed", FIXED), ("library", LIBRARY), ("retry", RETRY))
}


def names(size: int) -> list[str]:
    """Return the names of the sets of a size."""
    return [candidate.name for candidate in minimal.sets(PATTERNS, size)]


def test_patterns_are_what_changes_something_and_is_not_several_others() -> None:
    """Neither the original nor two patterns in one are searched as a pattern."""
    kept = {"original": KeptVariant(), "fixed": FIXED, "retry": RETRY, "both": FIXED_AND_RETRY}
    assert list(minimal.patterns_of(kept)) == ["fixed", "retry"]
    patterns = minimal.patterns_of(scenario_file.kept_variants())
    assert not {"original", "fifo", "circuit_breaker_call_timeout"} & set(patterns)
    assert {"fixed", "pre_ping", "retry", "circuit_breaker"} <= set(patterns)


def test_sets_hold_no_two_patterns_that_contradict_each_other() -> None:
    """A lookup is one or the other."""
    assert names(1) == ["lifo", "fixed", "library", "retry"]
    assert names(2) == ["fixed+lifo", "library+lifo", "lifo+retry", "fixed+retry", "library+retry"]
    assert names(4) == []
    (nothing,) = minimal.sets(PATTERNS, 0)
    assert (nothing.name, nothing.patterns, nothing.settings) == ("original", frozenset(), Settings())


def test_a_set_has_the_settings_of_all_its_patterns() -> None:
    """By role, and nothing else is changed."""
    made = next(candidate for candidate in minimal.sets(PATTERNS, 2) if candidate.name == "fixed+retry")
    assert made.settings == FIXED_AND_RETRY.settings


def test_a_set_that_comes_to_a_smaller_one_is_not_tried_again() -> None:
    """A pattern that holds another adds nothing to it."""
    patterns = {"crash": {("application_server", "let_it_crash_s"): 0.5}}
    patterns["governed"] = {**patterns["crash"], ("application_server", "governor_per_minute"): 1}
    assert [candidate.name for candidate in minimal.sets(patterns, 2)] == []


@pytest.mark.parametrize(
    ("outcome", "wanted", "good"),
    [("unharmed", "contained", True), ("contained", "contained", True), ("contained", "unharmed", False), (None, "contained", False)],
)
def test_a_better_outcome_reaches_the_wanted_one(outcome: str | None, wanted: str, *, good: bool) -> None:
    """And one that cannot be told does not."""
    assert minimal.reaches(cell(outcome=outcome, crack=1), wanted) is good


def test_a_set_passes_only_when_it_does_each_time() -> None:
    """In every scenario and round; the first that fails ends it."""
    asked: list[tuple[str, int]] = []

    async def replay(candidate: PatternSet, scenario: str, number: int) -> Cell:
        asked.append((scenario, number))
        bad = candidate.name == "lucky" and number == 1
        return cell(candidate.name, "contained" if bad else "unharmed", 0)

    sound, lucky = (PatternSet(frozenset({name}), Settings()) for name in ("sound", "lucky"))
    trial = Trial(("a", "b"), "unharmed", replay)
    passed = asyncio.run(trial.passes(sound))
    assert passed is not None
    assert len(passed.cells) == 2 * minimal.PASSES
    asked.clear()
    assert asyncio.run(trial.passes(lucky)) is None
    assert asked == [("a", 0), ("b", 0), ("a", 1)]


def test_what_chose_a_set_does_not_count_for_it() -> None:
    """A set that passes eight times in ten is chosen often enough; only replays after that tell that it does."""
    rounds: list[int] = []

    async def replay(candidate: PatternSet, _: str, number: int) -> Cell:
        rounds.append(number)
        late = number - minimal.PASSES
        return cell(candidate.name, None if late == 9 else "contained" if late in {2, 5} else "unharmed", 0)

    trial = Trial(("a",), "unharmed", replay)
    chosen = asyncio.run(trial.passes(PatternSet(frozenset({"lucky"}), Settings())))
    assert chosen is not None
    assert chosen.tallies == ()
    confirmed = asyncio.run(trial.confirmed(chosen, "a", 10))
    assert confirmed.tallies == (Tally("a", reached=7, known=9, unknown=1),)
    assert (confirmed.failed, len(confirmed.cells)) == (2, 9)
    assert confirmed.tallies[0].interval == wilson(7, 9)
    assert rounds == [*range(minimal.PASSES), *range(minimal.PASSES, minimal.PASSES + 10)]
    assert Tally("a", 0, 0, 3).interval == (0.0, 1.0)


def test_a_set_that_cannot_be_told_is_named_and_rejects_nothing() -> None:
    """It is neither one that passes nor one that fails."""

    async def replay(candidate: PatternSet, _: str, __: int) -> Cell:
        return cell(candidate.name, None)

    trial = Trial(("a",), "unharmed", replay)
    assert asyncio.run(trial.passes(PatternSet(frozenset({"x", "y"}), Settings()))) is None
    assert (trial.unknown, trial.rejected) == (["x+y"], {})


def test_the_scenario_that_rejects_most_is_tried_first() -> None:
    """What fails nearly every set need not wait for the others."""
    asked: list[str] = []

    async def replay(_: PatternSet, scenario: str, __: int) -> Cell:
        asked.append(scenario)
        return cell(outcome="grounded" if scenario == "hard" else "unharmed")

    trial = Trial(("easy", "hard"), "unharmed", replay)
    for _ in range(3):
        assert asyncio.run(trial.passes(PatternSet(frozenset({"a"}), Settings()))) is None
    assert asked == ["easy", "hard", "hard", "hard"]


def test_the_search_ends_with_the_first_size_that_has_some() -> None:
    """The smallest sets, and none that holds more than is needed."""
    tried: list[str] = []

    async def passing(candidates: list[PatternSet]) -> list[Reached]:
        tried.extend(candidate.name for candidate in candidates)
        return [Reached(candidate, (cell(),)) for candidate in candidates if {"retry"} < candidate.patterns]

    reached = asyncio.run(minimal.search(PATTERNS, 3, passing))
    assert [result.patterns.name for result in reached] == ["fixed+retry", "library+retry", "lifo+retry"]
    assert tried[0] == "original"
    assert len(tried) == 1 + 4 + 5
    assert asyncio.run(minimal.search(PATTERNS, 1, passing)) == []


def test_where_the_original_reaches_the_outcome_no_pattern_is_tried() -> None:
    """Nothing is needed, and a set of one would say that something is."""
    tried: list[str] = []

    async def passing(candidates: list[PatternSet]) -> list[Reached]:
        tried.extend(candidate.name for candidate in candidates)
        return [Reached(candidate, (cell(),)) for candidate in candidates]

    (reached,) = asyncio.run(minimal.search(PATTERNS, 3, passing))
    assert (reached.patterns.patterns, tried) == (frozenset(), ["original"])


def test_sets_are_ranked_by_size_and_then_by_what_they_kept() -> None:
    """First how often it failed when it was confirmed, then the least that it kept in any scenario, and then the most that it leaked."""

    def reached(name: str, *counts: int, leaked: int = 0, failed: int = 0) -> Reached:
        parts = {"leaked": Part(count=leaked, of=80)}
        cells = tuple(cell(answered={"kiosk check_in": Part(count=count, of=10)}, **parts) for count in counts)
        return Reached(PatternSet(frozenset(name.split("+")), Settings()), cells, (Tally("a", 10 - failed, 10, 0),))

    ranked = minimal.ranked(
        [reached("f", 10, failed=1), reached("a+b", 10), reached("c", 9, 2), reached("d", 5, 6, leaked=2), reached("e", 6, 5, leaked=1)]
    )
    assert [result.patterns.name for result in ranked] == ["e", "d", "c", "f", "a+b"]
