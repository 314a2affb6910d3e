from __future__ import annotations

from flight_search import request_context
from flight_search.stability.stuck import StuckDetector


class FakeRequestThreads:
    """Two request threads, some of them busy."""

    limit = 2
    busy = 0


class Sampled:
    """A detector under a clock of its own."""

    def __init__(self, shed_load_at: int | None = None) -> None:
        self.now_s = 100.0
        self.threads = FakeRequestThreads()
        self.detector = StuckDetector(self.threads, shed_load_at, clock=lambda: self.now_s)  # type: ignore[arg-type]

    def after(self, seconds: float, busy: int) -> float:
        """Sample some seconds later, with `busy` threads busy."""
        self.now_s += seconds
        self.threads.busy = busy
        return self.detector.sample()


def test_a_server_with_all_threads_busy_and_no_request_ended_is_stuck() -> None:
    """It has been stuck since the first sample that found it so; a free thread ends that."""
    server = Sampled()
    assert [server.after(1.0, busy) for busy in (1, 2, 2, 2, 1, 2)] == [0.0, 0.0, 1.0, 2.0, 0.0, 0.0]


def test_a_server_whose_requests_end_is_not_stuck() -> None:
    """A request that ended between two samples resets the time."""
    server = Sampled()
    server.after(1.0, 2)
    assert server.after(1.0, 2) == 1.0
    with request_context.request():
        pass
    assert server.after(1.0, 2) == 0.0
    assert server.after(1.0, 2) == 1.0


def test_a_server_that_sheds_load_is_stuck_once_all_admitted_requests_are() -> None:
    """With fewer requests admitted than there are request threads, the server is stuck if as many are busy."""
    server = Sampled(shed_load_at=1)
    assert [server.after(1.0, busy) for busy in (0, 1, 1)] == [0.0, 0.0, 1.0]
