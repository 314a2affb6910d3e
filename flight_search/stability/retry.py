"""Retry: a call that failed is made again, some times. The package `stamina` counts and waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import stamina
import stamina.instrumentation

from flight_search.stability.call import FacilityFailed
from flight_search.stability.circuit_breaker import CircuitOpen

if TYPE_CHECKING:
    from flight_search.stability.call import Answer, Call, Send

# It would log each retry, and count it in Prometheus' default registry, which is none of ours.
stamina.instrumentation.set_on_retry_hooks(())


class Retry:
    """Makes a call up to `retries` times more while it fails, at most `wait_s` apart; then it fails as the last one did.

    Reads and writes alike: the facility takes a write that comes twice for one (`transactions.py`). A call that hangs does not fail, so
    without a time-out it is never made again; one that fails for good costs the facility all these times what it would have cost once.
    """

    def __init__(self, send: Send, retries: int, wait_s: float) -> None:
        self._send = send
        self._retrying = stamina.RetryingCaller(
            attempts=retries + 1,
            timeout=None,  # the calls' own is the only one
            # Between half of the wait and all of it, by chance: callers that failed together should not come back together.
            wait_initial=wait_s / 2,
            wait_jitter=wait_s / 2,
            wait_exp_base=1,
            wait_max=wait_s,
        )

    def __call__(self, call: Call) -> Answer:
        """Make a call until it does not fail, or has failed often enough."""
        return self._retrying(_may_help, self._send, call)


def _may_help(error: Exception) -> bool:
    """Whether it may help to call again: not where the circuit breaker said that nobody is to."""
    return isinstance(error, FacilityFailed) and not isinstance(error, CircuitOpen)
