"""Whether the callers counted what the load generator says became of its requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import ENDED, Counts, OperationEvent, Service
from testbed.journal.header_settings import settings_of
from testbed.verdict.changes import spares_callers
from testbed.verdict.finding import Finding, Verdict
from testbed.verdict.stuck_spans import samples_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from testbed.journal.events import Response
    from testbed.journal.reader import Journal, Transaction
    from testbed.verdict.figures import Figures

NONE = Counts(0, 0)
TURNED_AWAY = 503
LEAST_SAMPLES = 2
MOST = 3  # contradictions that are named
UNDER_WAY_S = 0.5  # between a caller's count and the line that the load generator writes


def check(journal: Journal, figures: Figures, expected: object) -> Finding:
    """Compare two witnesses, by caller and kind of transaction: what the caller counted, and what the load generator saw come back.

    No caller can have answered fewer than came back answered. Nor more, or ended more than came back, where no fault can lose an answer
    on its way. Unknown otherwise. A caller that was replaced counts from 0, and is left out.
    """
    replaced = {event.service for event in journal.of(Service) if event.state in ENDED}
    exact = all(spares_callers(journal, event) for event in journal.of(OperationEvent) if event.state == "begin")
    doubts: list[str] = []
    for caller in journal.header.facility.callers:
        samples = [sample for sample in samples_of(journal, caller) if sample.busy is not None]
        if caller in replaced or len(samples) < LEAST_SAMPLES:
            continue
        # Nothing is under way at a caller at rest; of another, the last answers may be on their way, or counted a moment later.
        at_rest = samples[-1].busy == samples[-1].waiting == 0
        until_s = samples[-2].t_s if at_rest else samples[-1].t_s - UNDER_WAY_S
        waiting = sum(transaction.response is None for transaction in journal.transactions if transaction.request.caller == caller)
        in_threads = not settings_of(journal).caller.decoupled  # what waits with a broker is in no thread, and in no queue for one
        if at_rest and exact and waiting and in_threads:
            doubts.append(f"{caller} had nothing under way at the end, but {waiting} of its requests were never answered")
        most = samples[-1] if at_rest else next((sample for sample in reversed(samples) if sample.t_s < until_s), samples[0])
        for name in journal.header.transactions.get(caller, {}):
            responses = [response for transaction in _of(journal, caller, name) if (response := transaction.response) is not None]
            back = sum(response.ended == "answered" and response.answered_s < until_s for response in responses)
            counted = samples[-1].results.get(name, NONE)
            if counted.answered < back:
                doubts.append(f"{caller} counted {counted.answered} {name} as answered, but {back} came back")
            if exact:
                doubts += _too_many(caller, name, most.results.get(name, NONE), responses)
    if doubts:
        more = f"; and {len(doubts) - MOST} more" if len(doubts) > MOST else ""
        return Finding("counted", Verdict.UNKNOWN, f"callers and load generator contradict each other: {'; '.join(doubts[:MOST])}{more}")
    return Finding("counted", Verdict.HELD, "callers counted what the load generator saw")


def _too_many(caller: str, name: str, counted: Counts, responses: Sequence[Response]) -> Iterator[str]:
    """Yield how a caller counted more than came back; it counts what it turned away (503) among its answers."""
    answers = sum(response.ended == "answered" or response.status == TURNED_AWAY for response in responses)
    if counted.answered > answers:
        yield f"{caller} counted {counted.answered} {name} as answered, but only {answers} came back"
    failures = sum(response.ended == "failed" for response in responses)
    if counted.failed > failures:
        yield f"{caller} counted {counted.failed} {name} as failed, but only {failures} came back so"
    if counted.answered + counted.failed > len(responses):
        yield f"{caller} counted {counted.answered + counted.failed} {name} as ended, but only {len(responses)} came back"


def _of(journal: Journal, caller: str, name: str) -> list[Transaction]:
    return [
        transaction
        for transaction in journal.transactions
        if (transaction.request.caller, transaction.request.transaction) == (caller, name)
    ]
