"""The stability patterns of a caller around its calls: one function knows which are on, and their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flight_search.stability.bulkhead import Bulkhead
from flight_search.stability.cached_answers import CachedAnswers
from flight_search.stability.circuit_breaker import CircuitBreaker
from flight_search.stability.retry import Retry

if TYPE_CHECKING:
    from flight_search.settings import CallerSettings
    from flight_search.stability.call import Send


def patterns_chain(send: Send, settings: CallerSettings) -> Send:
    """Put the patterns that are set around the making of a call; where none is set, it is left as it is.

    From the outside, a call passes:
    1. cached answers: what is known takes no place and no time;
    2. the bulkhead: a thread keeps its place while it waits to call again, because it is held all the same;
    3. retry: each time it asks the circuit breaker anew;
    4. the circuit breaker: it counts each call that was really made;
    5. the call itself, with its time-outs.
    """
    if settings.circuit_breaker_at is not None:
        send = CircuitBreaker(send, settings.circuit_breaker_at, settings.circuit_breaker_open_s)
    if settings.retries:
        send = Retry(send, settings.retries, settings.retry_wait_s)
    if settings.bulkhead_at is not None:
        send = Bulkhead(send, settings.bulkhead_at)
    if settings.cached_answers_s is not None:
        send = CachedAnswers(send, settings.cached_answers_s)
    return send
