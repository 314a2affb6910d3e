"""The scene: what the events of a journal show of a facility, as values of the board, whether they come live or from a file.

What was done to the facility in secret, which is what the class has to find, is not shown before `reveal`: faults, and connections that
leaked, which nobody saw in the case either.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed import operations
from testbed.classroom import log_lines
from testbed.classroom.board import Board
from testbed.classroom.facility_map import VIRTUAL_IP
from testbed.classroom.passengers import Passengers
from testbed.classroom.saying import say
from testbed.journal.events import (
    Balancer,
    ClockFactor,
    EvidenceTaken,
    FaultOver,
    Healed,
    Note,
    OperationEvent,
    Part,
    Request,
    Response,
    Sample,
    Service,
    Step,
    Threads,
)
from testbed.plan.topology import HOSTS
from testbed.replay import switchover
from testbed.replay.state import FacilityState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.classroom.board import Json
    from testbed.classroom.saying import Told
    from testbed.journal.events import Event, Header, PoolSample, ThreadGroup

HEAL = "heal"  # an operation that names the fault which it undoes
OPEN = frozenset({switchover.WORD, *operations.names()}) - {HEAL}  # what is done in the open: everybody sees it being done
MOST_LINES, MOST_DUMPS = 1_000, 50  # on the board, which every page holds as a whole; the oldest go, and the journal has them all
GONE = {"busy": None, "waiting": None, "health": False, "runs": False, "stuck": False, "seen": False, "pool": None}


@dataclass(slots=True)
class Scene:
    """Takes the events of one journal in the order in which they come, and keeps the board.

    `began`: whether the night has begun; what starts before is no news. `_secret`: what the log will have when all is revealed.
    """

    board: Board
    header: Header
    revealed: bool = False
    began: bool = False
    passengers: Passengers = field(init=False)
    state: FacilityState = field(init=False)
    _lines: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _dumps: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _secret: dict[str, Json] = field(default_factory=dict)
    _done: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.passengers = Passengers(self.header.transactions, self.header.night.from_s)
        self.state = FacilityState(self.header.facility.application_servers, self.header.facility.callers)
        for host in HOSTS:
            self._set_host(host, "active" if host == HOSTS[0] else "standby")
        self.board.set(VIRTUAL_IP, HOSTS[0])

    @property
    def active_host(self) -> str:
        """The host to which the virtual IP leads."""
        return str(self.board.values[VIRTUAL_IP])

    @property
    def dumps(self) -> list[Json]:
        """The dumps that are on the board."""
        return [value for key, value in self.board.values.items() if key.startswith("dumps.")]

    @property
    def stacks(self) -> set[str]:
        """The lines of all stacks of these dumps."""
        return {line for dump in self.dumps for group in dump["groups"] for line in group["stack"]}

    def take(self, event: Event) -> None:
        """Show an event."""
        match event:
            case Request() | Response():
                self.passengers.take(event)
            case Sample():
                self.state.take(event)
                if self.state.is_stuck(event.service):
                    self.passengers.lose_all_of(event.service)
                self._show(event)
            case OperationEvent():
                self._operation(event)
            case Step():
                self._step(event)
            case Threads():
                self._threads(event)
            case Balancer():
                servers = [{"server": each.server, "status": each.status, "sessions": each.sessions} for each in event.servers]
                self.board.set(f"balancers.{event.balancer}", {"servers": servers})
            case Service() | Part():
                self._life(event)
            case _:
                self._news(event)

    def _news(self, event: Event) -> None:
        """Show an event that is a line in the log and nothing else."""
        match event:
            case EvidenceTaken():
                told = say("not_collected", why=event.error) if event.error else say("collected_in", took=f"{event.took_s:.1f}")
                self.log(event.night_s, "", "evidence", told)
            case Note():
                self.log(event.night_s, event.who or say("role", role=event.role), event.kind, log_lines.note(event))
            case ClockFactor():
                self.log(event.night_s, "", "clock", log_lines.clock(event))
            case FaultOver():
                over = log_lines.with_detail(say("fault_over", fault=event.fault), event.detail)
                self.log(event.night_s, "", "fault", over, secret=True)
            case Healed(faults=faults) if faults:
                self.log(event.night_s, "", "fault", say("healed", faults=list(faults)), secret=True)

    def log(self, night_s: float, who: Told, kind: str, text: Told, *, secret: bool = False) -> None:
        """Write a line into the log; a secret one has its place in it, and is shown when all is revealed, unless it is too old by then."""
        number = next(self._lines)
        key, line = f"log.{number}", {"night_s": night_s, "who": who, "kind": kind, "text": text}
        oldest = f"log.{number - MOST_LINES}"
        self.board.set(oldest, None)
        self._secret.pop(oldest, None)
        if secret and not self.revealed:
            self._secret[key] = line
        else:
            self.board.set(key, line)

    def look(self, t_s: float, night_s: float) -> None:
        """Show what changes with time: the passengers, and what the outage costs."""
        self.board.update(self.passengers.state())
        self.board.set("cost", self.passengers.cost(t_s, night_s))

    def reveal(self) -> None:
        """Show also what was done in secret, from the begin, and from now on."""
        self.revealed = True
        self.board.update(self._secret)
        self._secret.clear()
        for sample in list(self.state.last.values()):
            self._show(sample)

    def _show(self, sample: Sample) -> None:
        self.board.set(
            f"services.{sample.service}",
            {
                "threads": sample.request_threads,
                "busy": sample.busy,
                "waiting": sample.waiting,
                "health": sample.health,
                "runs": True,
                "stuck": self.state.is_stuck(sample.service),
                "seen": sample.busy is not None,
                "pool": None if sample.pool is None else self._pool(sample.pool),
                "results": {word: {"answered": each.answered, "failed": each.failed} for word, each in sample.results.items()},
            },
        )

    def _pool(self, pool: PoolSample) -> Json:
        return {"size": pool.size, "out": pool.out, "waiting": pool.waiting, "leaked": pool.leaked if self.revealed else None}

    def _life(self, event: Service | Part) -> None:
        """Show what starts and what dies: a service, or a part that is none."""
        if isinstance(event, Part):
            told = say("part", part=event.part, state=event.state)
            self.log(event.night_s, "", "service", log_lines.with_detail(told, event.detail))
            for host in HOSTS:
                if host in event.part:
                    self._set_host(host, "stopped")
            return
        if event.state in ("died", "stopped"):
            self.state.forget(event.service)
            shown = self.board.values.get(f"services.{event.service}")
            if shown is not None:
                self.board.set(f"services.{event.service}", {**shown, **GONE})
        if self.began:
            self.log(event.night_s, "", "service", say("service", service=event.service, state=event.state))

    def _operation(self, event: OperationEvent) -> None:
        text = log_lines.operation(event)
        if event.operation not in OPEN:
            self.log(event.night_s, "", "fault", text, secret=True)
            return
        self.log(event.night_s, say("role", role=event.by), "operation", text)
        if event.operation == switchover.WORD and event.state != "begin":
            self._done.clear()
            self.board.set("switchover", None)

    def _step(self, event: Step) -> None:
        text = log_lines.step(event)
        if event.operation not in OPEN:
            self.log(event.night_s, "", "fault", log_lines.with_detail(say("operation", operation=event.operation), text), secret=True)
            return
        if event.state != "begin":
            self.log(event.night_s, "", "step", text)
        if event.operation == switchover.WORD:
            self._switch(event)

    def _switch(self, event: Step) -> None:
        """Show where the database runs, as the steps of a switchover say; each of them ends with the name of a host."""
        if event.state == "end":
            self._done.append(event.step)
            host = event.step.rpartition(" ")[2]
            if event.number == switchover.STOP:
                self._set_host(host, "stopped")
            elif event.number == switchover.START:
                for each in HOSTS:
                    self._set_host(each, "active" if each == host else "standby")
            elif event.number == switchover.POINT:
                self.board.set(VIRTUAL_IP, host)
        running = event.state == "begin"
        self.show_switchover(event.number if running else event.number + 1, event.step if running else "", running=running)

    def show_switchover(self, number: int, text: str, *, running: bool) -> None:
        """Show how far a switchover is: the step of a number runs, or is the next."""
        if number in switchover.STEPS:
            done, of = [log_lines.step_text(step) for step in self._done], len(switchover.STEPS)
            following = log_lines.step_text(text)
            self.board.set(switchover.WORD, {"step": number, "of": of, "done": done, "next": following, "running": running})

    def _set_host(self, host: str, state: str) -> None:
        self.board.set(f"hosts.{host}", {"state": state})

    def _threads(self, event: Threads) -> None:
        self.log(event.night_s, "", "dump", log_lines.threads(event))
        number = next(self._dumps)
        self.board.set(f"dumps.{number - MOST_DUMPS}", None)
        self.board.set(
            f"dumps.{number}",
            {"service": event.service, "night_s": event.night_s, "error": event.error, "groups": [_group(group) for group in event.groups]},
        )


def _group(group: ThreadGroup) -> Json:
    waits = [{"count": wait.count, "kind": wait.kind, "call": wait.call, "peer": wait.peer, "detail": wait.detail} for wait in group.waits]
    return {"count": group.count, "state": group.state, "within": group.within, "stack": list(group.stack), "waits": waits}
