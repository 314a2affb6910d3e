"""Hand-written journals for the tests of what judges: nights of a few lines, such as `hung_night()` and `contained_night()`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed.journal.events import (
    Counts,
    End,
    Event,
    FacilityNames,
    Header,
    Healed,
    NightSpan,
    Observed,
    OperationEvent,
    PoolSample,
    Pressure,
    Request,
    Response,
    Sample,
    Service,
    Step,
    ThreadGroup,
    Threads,
    TraceSource,
)
from testbed.journal.reader import Journal
from testbed.journal.thread_states import CHECKOUT, SOCKET

SERVERS = ("cf-1", "cf-2")
CALLERS = ("kiosk", "ivr", "partner")
WORK = {"kiosk": "check_in", "ivr": "flight_status", "partner": "search"}
EVENING_S = 79_200.0  # 22:00, at t_s 0; the night goes by at 100 of its seconds in a real one
SPEED = 100.0


def header(**changes: Any) -> Header:
    """Return the header of a small night; 4 request threads and 4 connections each."""
    fields: dict[str, Any] = {
        "scenario": "a_night",
        "title": "A night",
        "variant": "original",
        "runtime": "processes",
        "seed": 1,
        "repetition": 1,
        "started_at": "2026-01-01T00:00:00.000+00:00",
        "facts": ("O1",),
        "night": NightSpan("2013-10-07", EVENING_S, EVENING_S + 10_000),
        "facility": FacilityNames(SERVERS, CALLERS, 4, 4),
        "transactions": {caller: {WORK[caller]: True, "local": False} for caller in CALLERS},
        "expect": {"outcome": ["grounded"]},
        "settings": {},
        "trace": TraceSource("", 0, ""),
        "versions": {},
        "machine": {},
    }
    return Header(**{**fields, **changes})


@dataclass
class NightBuilder:
    """Writes a journal line by line; times are seconds after the start."""

    events: list[Event] = field(default_factory=list)
    requests: int = 0

    def at(self, t_s: float) -> dict[str, float]:
        """Return the stamps of a time."""
        return {"t_s": t_s, "night_s": EVENING_S + t_s * SPEED}

    def sample(
        self, t_s: float, service: str, *, busy: int | None = 0, done: int = 0, failed: int = 0, leaked: int = 0, health: bool = True
    ) -> None:
        """Add a sample; one without numbers where `busy` is None."""
        if busy is None:
            self.events.append(Sample(**self.at(t_s), service=service, health=False, health_s=2.0))
            return
        pool = PoolSample(4, 4 - leaked, leaked, busy if leaked == 4 else 0, leaked) if service in SERVERS else None
        name = "lookup_by_city" if service in SERVERS else WORK[service]
        results = self._results(service, t_s) if service in CALLERS and not (done or failed) else {name: Counts(done, failed)}
        self.events.append(
            Sample(
                **self.at(t_s),
                service=service,
                health=health,
                health_s=0.001,
                request_threads=4,
                busy=busy,
                waiting=0,
                pool=pool,
                results=results,
            )
        )

    def pressure(self, until_s: float, share: float) -> None:
        """Add how busy the machine was from the start until a time: the share of it in which something waited for a processor."""
        looks = [number / 5 for number in range(round(until_s * 5) + 1)]
        self.events.extend(Pressure(**self.at(t_s), cpu_stalled_s=1000.0 + t_s * share) for t_s in looks)

    def _results(self, caller: str, t_s: float) -> dict[str, Counts]:
        """Return how many of a caller's requests had been answered and had failed at a time, by transaction."""
        asked = {event.id: event.transaction for event in self.events if isinstance(event, Request) and event.caller == caller}
        results = {WORK[caller]: Counts(0, 0)}
        for event in self.events:
            if isinstance(event, Response) and event.id in asked and event.answered_s <= t_s:
                before, answered = results.get(asked[event.id], Counts(0, 0)), event.ended == "answered"
                results[asked[event.id]] = Counts(before.answered + answered, before.failed + (not answered))
        return results

    def samples(self, t_s: float, **fields: Any) -> None:
        """Add a sample of every service."""
        for service in (*SERVERS, *CALLERS):
            self.sample(t_s, service, **fields)

    def look(self, t_s: float, *, done: int = 0, failed: int = 0, **fields: Any) -> None:
        """Add a sample of every service, as it would be: `done` and `failed` are of each server, callers count what came back from them."""
        for server in SERVERS:
            self.sample(t_s, server, done=done, failed=failed, **fields)
        for caller in CALLERS:
            self.sample(t_s, caller, **fields)

    def request(
        self, due_s: float, caller: str, ended: str | None, *, took_s: float = 0.01, transaction: str | None = None, late_s: float = 0.0
    ) -> None:
        """Add a request, and its response where it has one."""
        self.requests += 1
        sent_s = due_s + late_s
        name = transaction or WORK[caller]
        self.events.append(Request(**self.at(sent_s), id=self.requests, caller=caller, transaction=name, due_s=due_s, sent_s=sent_s))
        if ended is not None:
            status = 200 if ended == "answered" else 502
            self.events.append(
                Response(**self.at(sent_s + took_s), id=self.requests, answered_s=sent_s + took_s, ended=ended, status=status)
            )  # type: ignore[arg-type]

    def switchover(
        self, t_s: float, *, steps: int = 5, state: str = "end", id_: int = 1, hosts: tuple[str, str] = ("db-1", "db-2")
    ) -> None:
        """Add a switchover from one host to the other in which `steps` steps ended."""
        old, new = hosts
        texts = (f"stop the server on {old}", f"unmount on {old}", f"mount on {new}", f"start the server on {new}", f"give it to {new}")
        self.events.append(OperationEvent(**self.at(t_s), operation="switchover", id=id_, state="begin"))
        for number, text in enumerate(texts[:steps], start=1):
            for progress in ("begin", "end"):
                self.events.append(
                    Step(**self.at(t_s), operation="switchover", id=id_, number=number, step=text, state=progress, duration_s=0.01)  # type: ignore[arg-type]
                )
        detail = f"the database runs on {new}"
        self.events.append(
            OperationEvent(**self.at(t_s + 0.1), operation="switchover", id=id_, state=state, detail=detail, duration_s=0.1)  # type: ignore[arg-type]
        )

    def restart(self, t_s: float, *, after_s: float = 0.0) -> None:
        """Add a restart by hand of both application servers, the first of which is killed after so long."""
        self.events.append(OperationEvent(**self.at(t_s), operation="restart", id=2, state="begin"))
        killed_s = t_s + after_s
        for number, server in enumerate(SERVERS, start=1):
            for state in ("begin", "end"):
                self.events.append(
                    Step(
                        **self.at(killed_s), operation="restart", id=2, number=number, step=f"restart {server}", state=state, duration_s=0.1
                    )  # type: ignore[arg-type]
                )
        self.events.append(OperationEvent(**self.at(killed_s + 0.2), operation="restart", id=2, state="end", duration_s=after_s + 0.2))

    def service(self, t_s: float, service: str, state: str) -> None:
        """Add a change of a service's state."""
        self.events.append(Service(**self.at(t_s), service=service, state=state, pid=None))  # type: ignore[arg-type]

    def dump(
        self,
        t_s: float,
        service: str,
        state: str,
        within: str = "lookup_by_city",
        *,
        count: int = 4,
        error: str | None = None,
        took_s: float | None = 0.1,
    ) -> None:
        """Add a dump in which all request threads are in one state."""
        groups = () if error else (ThreadGroup(count, state, within, ("main.py:1 main", f"a.py:2 {within}")),)
        self.events.append(
            Threads(
                **self.at(t_s),
                service=service,
                file=f"{service}.json",
                request_threads=4,
                groups=groups,
                error=error,
                took_s=took_s,
            )
        )

    def end(self, t_s: float, reason: str = "complete") -> None:
        """Add the closing window, the healing and the end."""
        self.events.append(Observed(**self.at(t_s), phase="settle", since_s=t_s - 0.4, until_s=t_s))
        self.events.append(Healed(**self.at(t_s)))
        self.events.append(End(**self.at(t_s), reason=reason))  # type: ignore[arg-type]

    def journal(self, **changes: Any) -> Journal:
        """Return the journal, in which every service was ready at the start."""
        made = header(**{"trace": TraceSource("", self.requests, ""), **changes})
        names = (*made.facility.application_servers, *made.facility.callers)
        ready = [Service(**self.at(0.0), service=name, state="ready", pid=None) for name in names]
        return Journal(Path("a_night.jsonl"), made, (*ready, *self.events))


def hung_night(*, dumps: bool = True) -> NightBuilder:
    """Return the night of the case: a switchover at 1 s, four failed lookups a server, and from 5 s on everything hangs."""
    night = NightBuilder()
    night.look(0.0)
    for caller in CALLERS:
        night.request(0.5, caller, "answered")
    night.look(0.6, done=1)
    night.switchover(1.0)
    for number in range(8):
        night.request(2.0 + number / 10, CALLERS[number % 3], "failed")
    for t_s in (3.0, 4.0):
        night.look(t_s, done=1, failed=4, leaked=4)
    for number in range(12):
        night.request(4.5 + number / 100, CALLERS[number % 3], None)
    for t_s in (5.0, 5.1, 5.2, 5.3, 5.4, 5.5):
        night.look(t_s, busy=4, done=1, failed=4, leaked=4)
    if dumps:
        for server in SERVERS:
            night.dump(5.4, server, CHECKOUT)
        for caller in CALLERS:
            night.dump(5.4, caller, SOCKET)
    night.end(5.5)
    return night


def contained_night() -> NightBuilder:
    """Return the night over the fixed lookup: a switchover at 1 s, four failed lookups a server, then all is well."""
    night = NightBuilder()
    night.look(0.0)
    night.request(0.5, "kiosk", "answered")
    night.look(0.6, done=1)
    night.switchover(1.0)
    for number in range(8):
        night.request(2.0 + number / 10, CALLERS[number % 3], "failed")
    night.look(3.0, done=1, failed=4)
    for number in range(9):
        night.request(4.0 + number / 10, CALLERS[number % 3], "answered")
    night.look(5.0, done=10, failed=4)
    night.end(5.5)
    return night
