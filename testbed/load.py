"""The testbed's side of the load generator: hands it the trace, and writes into the journal what it tells."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed import workload
from testbed.errors import ServiceError
from testbed.events import Request, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.act import Recorder
    from testbed.runtime import Address
    from testbed.trace import Trace, TraceRequest

READY_WITHIN_S = 15.0
LEAD_S = 0.05  # the night starts so much after the word to start, so that the first request is not late


@dataclass(slots=True)
class Load:
    """A running load generator, and what has become of its requests so far (all times on the journal's `t_s`)."""

    recorder: Recorder
    lines: asyncio.StreamReader
    writer: asyncio.StreamWriter
    requests: Mapping[int, tuple[float, TraceRequest]]  # when due after the night's start, and what
    sent: int = 0
    answered: int = 0
    failed: int = 0
    last_response_s: float = 0.0
    started_s: float = 0.0

    @property
    def in_flight(self) -> int:
        """Requests that were sent and have not come back."""
        return self.sent - self.answered - self.failed

    @property
    def all_sent(self) -> bool:
        """Whether there is nothing left to send."""
        return self.sent == len(self.requests)

    def start(self) -> float:
        """Let the night begin; gives its start on the system's monotonic clock, in seconds."""
        start_s = time.monotonic() + LEAD_S
        self.started_s = start_s - self.recorder.origin_s
        self.writer.write(f"{start_s!r}\n".encode())
        return start_s

    async def follow(self) -> None:
        """Write into the journal what the generator tells, until it ends."""
        while line := await self.lines.readline():
            event = workload.decode(line)
            due_s, request = self.requests[event.id]
            if isinstance(event, workload.Sent):
                self.sent += 1
                sent_s = self.started_s + event.sent_s
                self.recorder.add(
                    Request(
                        t_s=sent_s,
                        night_s=self.recorder.night_at(sent_s),
                        id=event.id,
                        caller=request.caller,
                        transaction=request.transaction,
                        due_s=self.started_s + due_s,
                        sent_s=sent_s,
                    )
                )
                continue
            answered = event.status is not None and event.status < 400  # noqa: PLR2004 - HTTP's first error
            self.answered += answered
            self.failed += not answered
            answered_s = self.last_response_s = self.started_s + event.answered_s
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
        raise ServiceError("the load generator ended in the middle of the night")

    def stop(self) -> None:
        """End the generator; what it still waits for stays unanswered."""
        self.writer.close()


async def connect(trace: Trace, recorder: Recorder, generator: Address, callers: Mapping[str, Address]) -> Load:
    """Hand the trace to a load generator and return when it is ready to send; raises ServiceError when it is not."""
    requests = {request.id: (recorder.clock.real_s(request.due_night_s), request) for request in trace.requests}
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            lines, writer = await asyncio.open_connection(generator.host, generator.port, limit=workload.LINE_LIMIT)
            writer.write(workload.encode([_planned(due_s, request, callers[request.caller]) for due_s, request in requests.values()]))
            said = await lines.readline()
    except OSError as error:  # which a time-out is, too
        raise ServiceError(f"the load generator at {generator} was not ready within {READY_WITHIN_S:.0f} s: {error!r}") from error
    if said != b"ready\n":
        raise ServiceError(f"the load generator at {generator} said {said!r}, not ready")
    return Load(recorder, lines, writer, requests)


def _planned(due_s: float, request: TraceRequest, caller: Address) -> workload.PlannedRequest:
    body = json.dumps(
        {
            "passenger": request.passenger,
            "date": request.date,
            "carrier": request.carrier,
            "flight": request.flight,
            "origin": request.origin,
            "destination": request.destination,
        }
    )
    return workload.PlannedRequest(request.id, due_s, f"{caller.url}/transactions/{request.transaction}", body)
