from __future__ import annotations

import pytest

from flight_search import running
from flight_search.stability.let_it_crash import Governor, LetItCrash
from flight_search.stability.standstill import Standstill


class Threads:
    """Two request threads, of which some are at work."""

    limit = 2
    busy = 0


class Watched:
    """A standstill under a clock of its own."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.threads = Threads()
        self.standstill = Standstill(self.threads, clock=lambda: self.now_s)  # type: ignore[arg-type]

    def after(self, seconds: float, busy: int) -> float:
        """Look so much later, with so many threads at work."""
        self.now_s += seconds
        self.threads.busy = busy
        return self.standstill.look()


def test_full_threads_of_which_nothing_ends_stand_still() -> None:
    """Counted from the first look that saw it; a thread that is free ends it."""
    seen = Watched()
    assert [seen.after(1.0, busy) for busy in (1, 2, 2, 2, 1, 2)] == [0.0, 0.0, 1.0, 2.0, 0.0, 0.0]


def test_full_threads_that_end_requests_are_load() -> None:
    """A request that ended between two looks begins the count anew."""
    seen = Watched()
    seen.after(1.0, 2)
    assert seen.after(1.0, 2) == 1.0
    with running.request():
        pass
    assert seen.after(1.0, 2) == 0.0
    assert seen.after(1.0, 2) == 1.0


@pytest.mark.parametrize(
    ("per_minute", "before_s", "allowed"),
    [(None, [99.0] * 9, True), (1, [], True), (1, [99.0], False), (1, [39.0], True), (2, [99.0], True), (2, [50.0, 99.0], False)],
)
def test_a_governor_allows_so_many_in_a_minute(per_minute: int | None, before_s: list[float], *, allowed: bool) -> None:
    """Those of the last sixty seconds count; without a number there is no limit."""
    assert Governor(per_minute, before_s).allows(100.0) is allowed


def test_a_watchdog_that_is_held_back_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    """And not at every look, or the log would be full of it."""
    seen = Watched()
    replaced: list[str] = []
    dog = LetItCrash("cf-1", seen.standstill, 1.0, Governor(0), lambda: replaced.append("cf-1"))
    seen.after(1.0, 2)
    for _ in range(3):
        seen.now_s += 1.0
        dog.look()
    assert replaced == []
    assert capsys.readouterr().err.count("the governor allows 0 in 60 s") == 1
