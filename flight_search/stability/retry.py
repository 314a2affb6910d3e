"""Retry: a failed call is sent again, a limited number of times. The package `stamina` counts and waits."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import stamina
import stamina.instrumentation

from flight_search.stability import deadline
from flight_search.stability.call import FacilityFailed
from flight_search.stability.circuit_breaker import CircuitOpen

if TYPE_CHECKING:
    from flight_search.stability.call import Call, FacilityAnswer, SendCall
    from flight_search.stability.retry_budget import RetryBudget

# By default stamina logs each retry and counts it in Prometheus' default registry, which no service here serves.
stamina.instrumentation.set_on_retry_hooks(())


class Retry:
    """Sends a call up to `retries` more times while it fails, at most `wait_s` apart; then raises what the last attempt raised.

    Reads and writes alike: the facility recognises a repeated write (`transactions.py`). A hanging call does not fail, so without a
    call time-out it is never retried; a call that fails for good costs the facility `retries` + 1 times as much. With a `budget`, a retry
    is made only if that has one.
    """

    def __init__(self, send: SendCall, retries: int, wait_s: float, budget: RetryBudget | None = None) -> None:
        self._send = send
        self._retries = retries
        self._budget = budget
        self._retrying = stamina.RetryingCaller(
            attempts=retries + 1,
            timeout=None,  # each attempt has the call's own time-out, if any
            # A random wait between half of `wait_s` and all of it, so that callers which failed together do not come back together.
            wait_initial=wait_s / 2,
            wait_jitter=wait_s / 2,
            wait_exp_base=1,
            wait_max=wait_s,
        )

    def __call__(self, call: Call) -> FacilityAnswer:
        """Send a call until it succeeds or has failed `retries` + 1 times, or until the budget has no retry for it."""
        attempts, failures = itertools.count(1), itertools.count(1)
        if self._budget is not None:
            self._budget.earn()

        def again(error: Exception) -> bool:
            """Return whether to send it again; asked after each failure, the last as well."""
            if not _may_help(error) or next(failures) > self._retries:
                return False
            return self._budget is None or self._budget.spend()

        return self._retrying(again, lambda: self._send(replace(call, attempt=next(attempts))))


def _may_help(error: Exception) -> bool:
    """Return whether another attempt may help: not while the circuit breaker is open, nor when the call's deadline is over."""
    return isinstance(error, FacilityFailed) and not isinstance(error, CircuitOpen) and not deadline.is_over()
