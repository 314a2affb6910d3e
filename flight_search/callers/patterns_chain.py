"""The chain of stability patterns around a caller's calls: one function knows which are on, and their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flight_search.stability.bulkhead import Bulkhead
from flight_search.stability.cached_answers import CachedAnswers
from flight_search.stability.call_deadline import CallDeadline
from flight_search.stability.circuit_breaker import CircuitBreaker
from flight_search.stability.retry import Retry
from flight_search.stability.retry_budget import RetryBudget

if TYPE_CHECKING:
    from flight_search.settings import CallerSettings
    from flight_search.stability.call import SendCall


@dataclass(frozen=True, slots=True)
class PatternsChain:
    """The wrapped `send`, and the circuit breaker and the retry budget in it, where there are such: monitoring reads them."""

    send: SendCall
    circuit_breaker: CircuitBreaker | None
    retry_budget: RetryBudget | None


def patterns_chain(send: SendCall, settings: CallerSettings) -> PatternsChain:
    """Wrap `send` in the patterns that the settings turn on; return `send` itself if they turn on none.

    A call passes, from the outside in:
    1. cached answers: a cached answer takes no place in the bulkhead and no time;
    2. the bulkhead: a thread keeps its place while it waits for a retry, because it is occupied all the same;
    3. the deadline: all attempts together, and the waits between them, are within it;
    4. retry: each attempt asks the circuit breaker again;
    5. the circuit breaker: it counts every attempt, let through or refused;
    6. the call itself, with its time-outs.
    """
    breaker = None
    if settings.circuit_breaker_at is not None:
        slow_call_s = settings.circuit_breaker_slow_call_s
        send = breaker = CircuitBreaker(send, settings.circuit_breaker_at, settings.circuit_breaker_open_s, slow_call_s)
    budget = None if settings.retry_budget is None else RetryBudget(settings.retry_budget)
    if settings.retries:
        send = Retry(send, settings.retries, settings.retry_wait_s, budget)
    if settings.call_deadline_s is not None:
        send = CallDeadline(send, settings.call_deadline_s)
    if settings.bulkhead_places is not None:
        send = Bulkhead(send, settings.bulkhead_places)
    if settings.cached_answers_s is not None:
        send = CachedAnswers(send, settings.cached_answers_s)
    return PatternsChain(send, breaker, budget)
