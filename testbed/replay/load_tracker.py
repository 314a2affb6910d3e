"""Hands the trace to the load generator, and records in the journal what is sent and what comes back."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.errors import ServiceError
from testbed.facility import load_generator
from testbed.facility.load_generator import AnsweredRequest, DueRequest, LoadGenerator
from testbed.journal.events import FIRST_ERROR_STATUS, Request, Response
from testbed.journal.failures import Failures
from testbed.plan.topology import TRANSACTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.facility.facility import Facility
    from testbed.plan.trace import Trace, TraceRequest
    from testbed.replay.recorder import Recorder


LEAD_S = 0.05  # from the command to start until the night starts, so that the first request is not late


@dataclass(slots=True)
class LoadTracker:
    """A running load generator, and what has become of its requests so far (all times on the journal's `t_s`)."""

    recorder: Recorder
    generator: LoadGenerator
    requests: Mapping[int, DueRequest]
    sent: int = 0
    answered: int = 0
    failed: int = 0
    in_flight_at: Counter[str] = field(default_factory=Counter)  # by caller
    sent_s: dict[int, float] = field(default_factory=dict)
    answered_s: dict[int, float] = field(default_factory=dict)  # by request, of those that were answered
    last_sent_s: float = 0.0
    last_response_s: float = 0.0
    slowest_answer_s: float = 0.0
    started_s: float = 0.0
    failures: Failures = field(init=False)

    def __post_init__(self) -> None:
        asked = (due.request for due in self.requests.values())
        self.failures = Failures(frozenset(request.caller for request in asked if _needs_facility(request)))

    @property
    def in_flight(self) -> int:
        """Requests that were sent and have not come back."""
        return self.sent - self.answered - self.failed

    @property
    def all_sent(self) -> bool:
        """Whether there is nothing left to send."""
        return self.sent == len(self.requests)

    @property
    def answers(self) -> tuple[AnsweredRequest, ...]:
        """Every request that was answered, in the order in which they were."""
        return tuple(AnsweredRequest(self.requests[id_].request, answered_s) for id_, answered_s in self.answered_s.items())

    def start(self) -> float:
        """Start the night; return its start in seconds on the event loop's clock."""
        start_s = asyncio.get_running_loop().time() + LEAD_S
        self.started_s = start_s - self.recorder.origin_s
        self.generator.start(start_s)
        return start_s

    def hold(self, at_night_s: float | None = None) -> None:
        """Keep the night at its pace of now, or of a time to come, for the passengers, too, until `release`."""
        self.recorder.running.hold(self.recorder.after_start_s(), at_night_s)
        self.generator.change_rates(self.recorder.running.rates)

    def release(self) -> None:
        """Return to the planned pace; see `RunningClock`."""
        self.recorder.running.release(self.recorder.after_start_s())
        self.generator.change_rates(self.recorder.running.rates)

    def change_factor(self, factor: float) -> None:
        """Let the night go by so many times as fast as planned from now on, for the passengers, too; 0: it stands still."""
        self.recorder.running.change_factor(self.recorder.after_start_s(), factor)
        self.generator.change_rates(self.recorder.running.rates)

    async def follow(self) -> None:
        """Record the generator's events until cancelled; raises ServiceError when the generator ends by itself."""
        async for event in self.generator.events():
            if isinstance(event, load_generator.RequestSent):
                self._write_sent(event)
            else:
                self._write_ended(event)
        raise ServiceError("the load generator ended before the night was over; see its log")

    def _write_sent(self, event: load_generator.RequestSent) -> None:
        due = self.requests[event.id]
        sent_s = self.started_s + event.sent_s
        self.last_sent_s = max(self.last_sent_s, sent_s)  # a request that cannot connect is told later than others
        self.sent += 1
        self.sent_s[event.id] = sent_s
        self.in_flight_at[due.request.caller] += 1
        self.recorder.add(
            Request(
                t_s=sent_s,
                night_s=self.recorder.night_at(sent_s),
                id=event.id,
                caller=due.request.caller,
                transaction=due.request.transaction,
                due_s=self.started_s + self.recorder.running.due_s(due.due_s),
                sent_s=sent_s,
                begun_s=self.started_s + event.begun_s,
            )
        )

    def _write_ended(self, event: load_generator.RequestEnded) -> None:
        answered = event.status is not None and event.status < FIRST_ERROR_STATUS
        answered_s = self.last_response_s = self.started_s + event.answered_s
        took_s = answered_s - self.sent_s.pop(event.id)
        self.answered += answered
        self.failed += not answered
        request = self.requests[event.id].request
        self.in_flight_at[request.caller] -= 1
        if _needs_facility(request):
            self.failures.take(request.caller, answered_s, answered=answered)
        if answered:
            self.answered_s[event.id] = answered_s
            self.slowest_answer_s = max(self.slowest_answer_s, took_s)
        self.recorder.add(
            Response(
                t_s=answered_s,
                night_s=self.recorder.night_at(answered_s),
                id=event.id,
                answered_s=answered_s,
                ended="answered" if answered else "failed",
                status=event.status,
                error=event.error,
            )
        )

    def stop(self) -> None:
        """Stop the generator; requests in flight stay unanswered."""
        self.generator.stop()


def _needs_facility(request: TraceRequest) -> bool:
    """Whether a caller needs the facility for what a passenger asks; for what is not known it does."""
    return TRANSACTIONS.get(request.caller, {}).get(request.transaction, True)


async def connect(trace: Trace, recorder: Recorder, facility: Facility) -> LoadTracker:
    """Send the trace to the facility's load generator and return when it is ready to send; raises ServiceError when it is not."""
    requests = {request.id: DueRequest(recorder.clock.real_s(request.due_night_s), request) for request in trace.requests}
    return LoadTracker(recorder, await facility.load_generator(tuple(requests.values())), requests)
