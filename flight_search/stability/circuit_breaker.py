"""Circuit breaker: after a number of failed calls in a row no call is sent for a while (S10). The package `circuitbreaker` keeps its state.

None of the packages for threads lets a single trial through, or counts a call while it hangs (looked at in November 2026):

| package | last release | half open | threads |
|---|---|---|---|
| circuitbreaker 2.1.3 | March 2025 | lets every call through until the first returns | no lock |
| pybreaker 1.4.1 | September 2025 | one trial | its lock is held during the whole call: one that hangs blocks all others |
| purgatory 3.0.1 | November 2024 | lets every call through until the first returns | no lock |
| aiobreaker 1.2.0 | May 2021 | lets every call through until the first returns | no lock: it is made for asyncio |

So the lock, the trial and the calls that hang are ours.
"""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING

import circuitbreaker
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from flight_search.stability.call import FacilityFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client.core import Metric

    from flight_search.stability.call import Call, FacilityAnswer, SendCall

STATES = (circuitbreaker.STATE_CLOSED, circuitbreaker.STATE_OPEN, circuitbreaker.STATE_HALF_OPEN)


class CircuitOpen(FacilityFailed):
    """The circuit breaker is open, or waits for its trial call, so the facility was not called."""


class CircuitBreaker:
    """Sends calls until `failures` in a row have failed; then raises CircuitOpen at once for `open_s` seconds.

    Then it is half open: the next call is sent as a trial, and all others raise CircuitOpen until the trial has ended. Its success closes
    the breaker, its failure opens it for another `open_s` seconds. A call that was sent before the breaker opened says nothing of the
    facility of now: however late it ends, it neither closes the breaker nor counts.

    There is one breaker for all calls of a caller's process, not one for each address: in the containers runtime an address is a
    balancer's, so it says nothing about a server; and a single failing server is the health check's business.

    Without `slow_call_s` it counts calls that return. A hanging call has not failed, so without a call time-out the breaker never opens on
    calls that hang, and a trial that hangs keeps all others out for as long as it does: each of them would hang as well, and hold a thread.

    With `slow_call_s`, a call that is out for so many seconds has failed, once, whether it ever returns or not, and whatever it then
    returns. It counts from when the breaker is next asked, for a call or for its metrics. A trial that hangs so long opens the breaker
    again, and the next one is sent after `open_s`, on a connection that may work; so each `slow_call_s` + `open_s` of a facility that
    hangs cost a thread, which only a limit of the call itself gives back.

    It is a Prometheus collector of its state and of how often it opened, let a call through, and refused one.
    """

    def __init__(
        self,
        send: SendCall,
        failures: int,
        open_s: float,
        slow_call_s: float | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send = send
        self._open_s = open_s
        self._slow_call_s = slow_call_s
        self._now_s = now_s
        self._breaker = circuitbreaker.CircuitBreaker(failures, open_s, FacilityFailed)
        # The package has no lock, and two threads could lose a count. Ours is held for the counts alone, never during a call.
        self._lock = threading.Lock()
        self._opened = self._let_through = self._refused = 0
        self._trial = False  # whether the trial call is under way
        self._numbers = itertools.count()
        # Of each call that is out and has not been counted: how often the breaker had opened when it was sent, and when that was.
        self._out: dict[int, tuple[int, float]] = {}

    def __call__(self, call: Call) -> FacilityAnswer:
        """Send a call if the breaker is closed, or if this is the trial."""
        number = self._enter(call)
        try:
            answer = self._send(call)
        except BaseException as error:  # whatever it is, a trial must end, or no call would ever be sent again
            self._exit(number, error)
            raise
        self._exit(number, None)
        return answer

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics; called by prometheus-client."""
        with self._lock:
            self._count_slow()
            now, opened, let_through, refused = self._breaker.state, self._opened, self._let_through, self._refused
        states = GaugeMetricFamily("circuit_breaker_state", "1 for the state that the circuit breaker is in", labels=["state"])
        for state in STATES:
            states.add_metric([state], state == now)
        yield states
        yield CounterMetricFamily("circuit_breaker_opened", "How often the circuit breaker opened, also after a trial", opened)
        calls = CounterMetricFamily("circuit_breaker_calls", "Calls that came to the circuit breaker, by what it did", labels=["result"])
        calls.add_metric(["let_through"], let_through)
        calls.add_metric(["refused"], refused)
        yield calls

    def _enter(self, call: Call) -> int:
        """Let a call through, and return its number; raise CircuitOpen otherwise."""
        with self._lock:
            self._count_slow()
            # The package would let every call through from now on until the first returns.
            if self._breaker.opened or self._trial:
                self._refused += 1
                raise CircuitOpen(f"{call.operation}: not called, {self._why()}")
            self._trial = not self._breaker.closed
            self._let_through += 1
            number = next(self._numbers)
            self._out[number] = self._opened, self._now_s()
            return number

    def _exit(self, number: int, error: BaseException | None) -> None:
        """Count how a call ended that was let through."""
        with self._lock:
            self._count_slow()
            opened, _ = self._out.pop(number, (None, 0.0))  # None: it took so long that it has been counted
            if opened is not None:
                self._count(opened, error)

    def _count_slow(self) -> None:
        """Count as failed each call that is out for too long."""
        if self._slow_call_s is None:
            return
        late_s = self._now_s() - self._slow_call_s
        for number, (opened, since_s) in list(self._out.items()):
            if since_s <= late_s:
                del self._out[number]
                self._count(opened, FacilityFailed(f"not answered within {self._slow_call_s:.2f} s"))

    def _count(self, opened: int, error: BaseException | None) -> None:
        """Count how a call ended that was let through when the breaker had opened so often."""
        if opened != self._opened:
            return  # it was sent before the breaker opened
        self._trial = False  # of calls sent since then, only a trial can end while the breaker is not closed
        self._breaker.__exit__(None if error is None else type(error), error, None)
        self._opened += not self._breaker.closed  # it was closed, or this was its trial: so it opened just now

    def _why(self) -> str:
        failures = f"{self._breaker.failure_count} failed calls in a row; the last: {self._breaker.last_failure}"
        if self._trial:
            return f"the circuit breaker waits for its trial call after {failures}"
        return f"the circuit breaker is open for {self._open_s:.2f} s after {failures}"
