from __future__ import annotations

from flight_search import request_context
from flight_search.stability.stuck import StuckDetector


class Threads:
    """Two request threads, of which some are at work."""

    limit = 2
    busy = 0


class Watched:
    """A standstill under a clock of its own."""

    def __init__(self, shed_load_at: int | None = None) -> None:
        self.now_s = 100.0
        self.threads = Threads()
        self.detector = StuckDetector(self.threads, shed_load_at, clock=lambda: self.now_s)  # type: ignore[arg-type]

    def after(self, seconds: float, busy: int) -> float:
        """Look so much later, with so many threads at work."""
        self.now_s += seconds
        self.threads.busy = busy
        return self.detector.look()


def test_full_threads_of_which_nothing_ends_stand_still() -> None:
    """Counted from the first look that saw it; a thread that is free ends it."""
    seen = Watched()
    assert [seen.after(1.0, busy) for busy in (1, 2, 2, 2, 1, 2)] == [0.0, 0.0, 1.0, 2.0, 0.0, 0.0]


def test_full_threads_that_end_requests_are_load() -> None:
    """A request that ended between two looks begins the count anew."""
    seen = Watched()
    seen.after(1.0, 2)
    assert seen.after(1.0, 2) == 1.0
    with request_context.request():
        pass
    assert seen.after(1.0, 2) == 0.0
    assert seen.after(1.0, 2) == 1.0


def test_where_load_is_shed_those_let_in_are_all_that_can_stand_still() -> None:
    """With a limit below the request threads, no more than the limit can ever be at work, and when those stand, the server does."""
    seen = Watched(shed_load_at=1)
    assert [seen.after(1.0, busy) for busy in (0, 1, 1)] == [0.0, 0.0, 1.0]
