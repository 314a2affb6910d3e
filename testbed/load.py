"""The testbed's side of the load generator: hands it the trace, and writes into the journal what it tells."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from testbed import workload
from testbed.errors import ServiceError
from testbed.events import Request, Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from testbed.act import Recorder
    from testbed.facility import Facility
    from testbed.runtime import Address
    from testbed.trace import Trace, TraceRequest

READY_WITHIN_S = 15.0
LEAD_S = 0.05  # the night starts so much after the word to start, so that the first request is not late


@dataclass(frozen=True, slots=True)
class DueRequest:
    """A request of the trace, due `due_s` real seconds after the night's start."""

    due_s: float
    request: TraceRequest


@dataclass(frozen=True, slots=True)
class Answer:
    """A request that was answered, and when (on the journal's `t_s`): whoever sent it believes that it was done."""

    request: TraceRequest
    answered_s: float


class Generator(Protocol):
    """A load generator that is ready to send."""

    def start(self, start_s: float) -> None:
        """Let the night begin at `start_s` on the event loop's clock."""

    def tell(self) -> AsyncIterator[workload.Sent | workload.Ended]:
        """Give what is sent and what has ended as it happens, in seconds after the start; it ends when the generator does."""

    def stop(self) -> None:
        """End it; what it still waits for stays unanswered."""


class Connect(Protocol):
    """How the load generator gets its requests. `connect_over_tcp` hands them to a process; `testbed.fakes` has one in the event loop."""

    async def __call__(self, requests: Sequence[DueRequest], generator: Address, callers: Mapping[str, Address]) -> Generator:
        """Hand over the requests, and return when it is ready to send; raises ServiceError when it is not."""


@dataclass(slots=True)
class Load:
    """A running load generator, and what has become of its requests so far (all times on the journal's `t_s`)."""

    recorder: Recorder
    generator: Generator
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

    @property
    def in_flight(self) -> int:
        """Requests that were sent and have not come back."""
        return self.sent - self.answered - self.failed

    @property
    def all_sent(self) -> bool:
        """Whether there is nothing left to send."""
        return self.sent == len(self.requests)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Every request that was answered, in the order in which they were."""
        return tuple(Answer(self.requests[id_].request, answered_s) for id_, answered_s in self.answered_s.items())

    def start(self) -> float:
        """Let the night begin; gives its start on the event loop's clock, in seconds."""
        start_s = asyncio.get_running_loop().time() + LEAD_S
        self.started_s = start_s - self.recorder.origin_s
        self.generator.start(start_s)
        return start_s

    async def follow(self) -> None:
        """Write into the journal what the generator tells; raises ServiceError when it ends, which it must not before it is stopped."""
        async for event in self.generator.tell():
            if isinstance(event, workload.Sent):
                self._write_sent(event)
            else:
                self._write_ended(event)
        raise ServiceError("the load generator ended in the middle of the night")

    def _write_sent(self, event: workload.Sent) -> None:
        due = self.requests[event.id]
        sent_s = self.last_sent_s = self.started_s + event.sent_s
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
                due_s=self.started_s + due.due_s,
                sent_s=sent_s,
            )
        )

    def _write_ended(self, event: workload.Ended) -> None:
        answered = event.status is not None and event.status < 400  # noqa: PLR2004 - HTTP's first error
        answered_s = self.last_response_s = self.started_s + event.answered_s
        took_s = answered_s - self.sent_s.pop(event.id)
        self.answered += answered
        self.failed += not answered
        self.in_flight_at[self.requests[event.id].request.caller] -= 1
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
        """End the generator; what it still waits for stays unanswered."""
        self.generator.stop()


async def connect(trace: Trace, recorder: Recorder, facility: Facility) -> Load:
    """Hand the trace to the facility's load generator and return when it is ready to send; raises ServiceError when it is not."""
    requests = {request.id: DueRequest(recorder.clock.real_s(request.due_night_s), request) for request in trace.requests}
    return Load(recorder, await facility.load_generator(tuple(requests.values())), requests)


@dataclass(frozen=True, slots=True)
class TcpGenerator:
    """The load generator's own process (workload.py), at the other end of a connection."""

    lines: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def start(self, start_s: float) -> None:
        """Tell the start on the clock that both processes have: the system's monotonic one, whatever the event loop goes by."""
        system_start_s = time.monotonic() + start_s - asyncio.get_running_loop().time()
        self.writer.write(f"{system_start_s!r}\n".encode())

    async def tell(self) -> AsyncIterator[workload.Sent | workload.Ended]:
        """Give what the process writes, until it ends: by an end of the connection, in the middle of a line or not, or by a reset."""
        try:
            while (line := await self.lines.readline()).endswith(b"\n"):
                yield workload.decode(line)
        except ConnectionError:
            return

    def stop(self) -> None:
        """End the connection, and by that the process."""
        self.writer.close()


async def connect_over_tcp(requests: Sequence[DueRequest], generator: Address, callers: Mapping[str, Address]) -> Generator:
    """Hand the requests to the process that listens at `generator`; see `Connect`."""
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            lines, writer = await asyncio.open_connection(generator.host, generator.port, limit=workload.LINE_LIMIT)
            try:
                writer.write(workload.encode([_planned(due, callers[due.request.caller]) for due in requests]))
                said = await lines.readline()
                if said != b"ready\n":
                    raise ServiceError(f"the load generator at {generator} said {said!r}, not ready")
            except BaseException:
                writer.close()
                raise
    except TimeoutError as error:
        raise ServiceError(f"the load generator at {generator} was not ready within {READY_WITHIN_S:.0f} s") from error
    except OSError as error:
        raise ServiceError(f"the load generator at {generator} cannot be reached: {error.strerror or error!r}; see its log") from error
    return TcpGenerator(lines, writer)


def _planned(due: DueRequest, caller: Address) -> workload.PlannedRequest:
    request = due.request
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
    return workload.PlannedRequest(request.id, due.due_s, f"{caller.url}/transactions/{request.transaction}", body)
