"""Circuit breaker: after a number of failed calls in a row no call is sent for a while (S10). The package `circuitbreaker` keeps its state.

Not pybreaker, which is better known: it holds its lock during the whole call, so one hanging call would block every
other thread at the breaker.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import circuitbreaker

from flight_search.stability.call import FacilityFailed

if TYPE_CHECKING:
    from types import TracebackType

    from flight_search.stability.call import Call, FacilityAnswer, SendCall


class CircuitOpen(FacilityFailed):
    """The circuit breaker is open, so the facility was not called."""


class CircuitBreaker:
    """Sends calls until `failures` in a row have failed; then raises CircuitOpen at once for `open_s` seconds.

    There is one breaker for all calls of a caller's process, not one for each address: in the containers runtime an address is a
    balancer's, so it says nothing about a server; and a single failing server is the health check's business.

    It counts calls that return. A hanging call has not failed, so without a call time-out the breaker never opens.
    """

    def __init__(self, send: SendCall, failures: int, open_s: float) -> None:
        self._send = send
        self._open_s = open_s
        self._breaker = _LockedBreaker(failures, open_s, FacilityFailed)

    def __call__(self, call: Call) -> FacilityAnswer:
        """Send a call if the breaker is closed."""
        # The package's decorator does the same two steps, and also registers every breaker in a table of the whole process.
        # After `open_s` it lets every call through until the first returns; Nygard's breaker lets one through. And a late
        # answer closes it, even one to a call that was sent before it opened.
        if self._breaker.opened:
            raise CircuitOpen(
                f"{call.operation}: not called, the circuit breaker is open for {self._open_s:.2f} s after "
                f"{self._breaker.failure_count} failed calls in a row; the last: {self._breaker.last_failure}"
            )
        with self._breaker:
            return self._send(call)


class _LockedBreaker(circuitbreaker.CircuitBreaker):  # type: ignore[misc]  # the package has no types
    """Counts under a lock: the package has none, and two threads could lose a count."""

    def __init__(self, failures: int, open_s: float, failure: type[Exception]) -> None:
        super().__init__(failures, open_s, failure)
        self._lock = threading.Lock()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._lock:  # held for the count alone: the call has ended
            super().__exit__(kind, error, trace)
