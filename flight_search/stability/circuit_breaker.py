"""Circuit breaker: after so many failed calls in a row nobody calls for a while (S10). The package `circuitbreaker` keeps its state.

Not pybreaker, which is better known: it holds its lock for the whole of a call, so one call that hangs would block every
other thread at the breaker.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import circuitbreaker

from flight_search.stability.call import FacilityFailed

if TYPE_CHECKING:
    from types import TracebackType

    from flight_search.stability.call import Answer, Call, Send


class CircuitOpen(FacilityFailed):
    """The circuit breaker is open, so the facility was not called."""


class CircuitBreaker:
    """Makes calls until `failures` in a row have failed; then raises CircuitOpen at once for `open_s` seconds.

    One for all calls of a caller's process, not one for each address: behind an address of the containers runtime stands a balancer, so
    an address says nothing of a server there; and a server that fails by itself is the health check's business, not ours.

    It counts what comes back. A call that hangs has not failed, so without a time-out the breaker never opens.
    """

    def __init__(self, send: Send, failures: int, open_s: float) -> None:
        self._send = send
        self._open_s = open_s
        self._breaker = _Counting(failures, open_s, FacilityFailed)

    def __call__(self, call: Call) -> Answer:
        """Make a call, or none."""
        # The package's decorator does these two lines, and keeps every breaker in a table of the whole process besides.
        # When `open_s` is over, it lets everybody through until the first of them comes back, where the book's breaker lets one through.
        # And a late answer closes it, also that to a call from before it opened.
        if self._breaker.opened:
            raise CircuitOpen(
                f"{call.operation}: not called, the circuit breaker is open for {self._open_s:.2f} s after "
                f"{self._breaker.failure_count} failed calls in a row; the last: {self._breaker.last_failure}"
            )
        with self._breaker:
            return self._send(call)


class _Counting(circuitbreaker.CircuitBreaker):  # type: ignore[misc]  # the package has no types
    """Counts one after the other: the package itself has no lock, and could lose a count between two threads."""

    def __init__(self, failures: int, open_s: float, failure: type[Exception]) -> None:
        super().__init__(failures, open_s, failure)
        self._lock = threading.Lock()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._lock:  # for the counting alone: the call is over
            super().__exit__(kind, error, trace)
