"""A recorded night: what the page would have shown of a journal, frame by frame, as data that need no server."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from testbed.classroom import facility_map, log_lines, source, waits
from testbed.classroom.board import Board
from testbed.classroom.inquiry import examination, prevention, tally
from testbed.classroom.live import welcome
from testbed.classroom.live.roles import CLASS_ROLES, orders_of
from testbed.classroom.saying import say
from testbed.classroom.scene import OPEN, Scene
from testbed.errors import JournalError
from testbed.journal.events import Balancer, EvidenceTaken, OperationEvent, Response, Sample, Service, Threads
from testbed.plan.topology import BALANCERS, HOSTS
from testbed.verdict import who_waits

if TYPE_CHECKING:
    from testbed.classroom.board import Json
    from testbed.classroom.kept_class import KeptClass
    from testbed.classroom.saying import Said
    from testbed.journal.events import Event
    from testbed.journal.reader import Journal
    from testbed.replay.state import FacilityState

EVERY_S = 0.1
MOST_FRAMES = 3_000  # of a long night each frame then stands for longer
ASSIGNMENT = "window.RECORDING="


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment to jump to."""

    t_s: float
    night_s: float
    text: Said


@dataclass(slots=True)
class Recorder:
    """Makes the frames of one journal."""

    journal: Journal
    kept: KeptClass | None
    board: Board = field(default_factory=Board)
    frames: list[tuple[float, dict[str, Json]]] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    _state: FacilityState = field(init=False)
    _seen: set[str] = field(default_factory=set)  # conditions

    def record(self) -> None:
        """Go through the events in the order of their times, and note what has changed at the end of each frame.

        The page holds back what was done in secret until it is revealed; the last frame has what is blamed.
        """
        scene = Scene(self.board, self.journal.header, revealed=True, began=True)
        self._state = scene.state
        events = sorted(self.journal.events, key=lambda event: event.t_s)
        every_s = max(EVERY_S, (events[-1].t_s if events else 0.0) / MOST_FRAMES)
        self.board.set("phase", "night")
        due_s = every_s
        for number, event in enumerate(events):
            scene.take(event)
            self._note(event)
            if isinstance(event, EvidenceTaken):
                self.board.set("waits", waits.of_evidence(event, self.journal).hidden())
            last = number == len(events) - 1
            if last or events[number + 1].t_s >= due_s:
                self._frame(scene, event.t_s, event.night_s, last=last)
                due_s = event.t_s + every_s if last else max(due_s + every_s, events[number + 1].t_s)
        if not events:  # the journal of a run that has only begun
            self._frame(scene, 0.0, self._night_s, last=True)

    def _frame(self, scene: Scene, t_s: float, night_s: float, *, last: bool) -> None:
        before_s, before_night_s = self.frames[-1][0] if self.frames else 0.0, self._night_s
        scene.look(t_s, night_s)
        passed_s = t_s - before_s
        speed = (night_s - before_night_s) / passed_s if passed_s > 0 else 0.0
        self.board.set("clock", {"night_s": night_s, "t_s": t_s, "speed": speed, "held": ""})
        if last:
            self.board.set("phase", "over")
            self._reveal()
        self.frames.append((t_s, self.board.take_changes()))

    @property
    def _night_s(self) -> float:
        clock = self.board.values.get("clock")
        return float(clock["night_s"]) if isinstance(clock, dict) else self.journal.header.night.from_s

    def _note(self, event: Event) -> None:
        """Note a moment that somebody may want to see again."""
        first = not any(moment.text == FIRST_FAILURE for moment in self.moments)
        match event:
            case OperationEvent(state="begin", operation=word) if word in OPEN:
                self._moment(event, say("operation", operation=word))
            case Response(ended="failed") if first:
                self._moment(event, FIRST_FAILURE)
            case Service(state="died"):
                self._moment(event, say("service", service=event.service, state=event.state))
            case Threads(error=None):
                self._moment(event, say("threads_of", service=event.service))
            case EvidenceTaken():
                self._moment(event, say("evidence"))
            case Sample():
                self._conditions(event)

    def _conditions(self, event: Event) -> None:
        """Note when the pools are empty, when all hangs, and when service is back after that: each for the first time."""
        for condition in ("pool_empty", "hung", "recovered"):
            is_possible = condition != "recovered" or "hung" in self._seen
            if condition not in self._seen and is_possible and self._state.holds(condition):
                self._seen.add(condition)
                self._moment(event, say("condition", condition=condition))

    def _moment(self, event: Event, text: Said) -> None:
        self.moments.append(Moment(event.t_s, event.night_s, text))

    def _reveal(self) -> None:
        """Show what was played, and what is blamed by the evidence that tells most; of the last evidence, all that it tells."""
        looks = who_waits.of_journal(self.journal)
        worst = who_waits.worst_of(looks)
        root = worst.who_waits.root if worst is not None and worst.who_waits.knows_root else None
        header = self.journal.header
        self.board.set(
            "revealed",
            {"title": header.title, "variant": header.variant, "root": None if root is None else str(root), "certain": root is not None},
        )
        taken = self.journal.of(EvidenceTaken)
        if taken:
            self.board.set("waits", waits.of_evidence(taken[-1], self.journal).whole())
        if self.kept is not None:
            self._count(self.kept)

    def _count(self, kept: KeptClass) -> None:
        """Show what the class answered and chose, and what that comes to."""
        self.board.set("revealed", {**self.board.values["revealed"], "explanation": kept.explanation})
        self.board.update({f"answers.{question}": answer.model_dump() for question, answer in kept.answers.items()})
        replays = kept.replayed
        self.board.update({f"replays.{name}": replayed.data() for name, replayed in replays.items()})
        try:
            examined = examination.of_journal(self.journal)
        except JournalError:
            examined = None
        held = prevention.held(kept.preventions, replays, kept.measured)
        self.board.update(tally.of(self.journal.path, examined, kept.values, replays, held))


FIRST_FAILURE = say("first_failure")


def of(journal: Journal, kept: KeptClass | None = None) -> Json:
    """Return the recording of a journal: `welcome`, `frames`, `moments`, and the files that its stacks name, by name.

    `kept`: the class whose night it was. `code` has them without their docstrings and comments, and `code_revealed` as they are.
    """
    recorder = Recorder(journal, kept)
    recorder.record()
    stacks = {line for dump in journal.of(Threads) for group in dump.groups for line in group.stack}
    return {
        "welcome": _welcome(journal, kept),
        "frames": recorder.frames,
        "moments": [asdict(moment) for moment in recorder.moments],
        "code": source.named_in(stacks, revealed=False),
        "code_revealed": source.named_in(stacks, revealed=True),
    }


def _welcome(journal: Journal, kept: KeptClass | None) -> Json:
    header = journal.header
    balancers = tuple(name for name in BALANCERS if any(event.balancer == name for event in journal.of(Balancer)))
    return {
        "is": "welcome",
        "mode": "recorded",
        "you": {"trainer": False, "id": "", "name": "", "roles": []},
        "lesson": {
            "title": header.title if kept is None else kept.title,
            "introduction": "" if kept is None else kept.introduction,
            "minutes": 0,
        },
        "night": {"from_s": header.night.from_s, "to_s": header.night.to_s, "date": header.night.date},
        "map": facility_map.of(header.facility, balancers),
        "roles": [{"id": role, "orders": orders_of(role)} for role in CLASS_ROLES],
        **({"questions": [], "preventions": []} if kept is None else welcome.asked(kept.preventions)),
        "switchover_steps": log_lines.switchover_steps(HOSTS[0]),
    }


def script(journal: Journal, kept: KeptClass | None = None) -> bytes:
    """Return the recording as the script `data.js`, which the page loads; `</script>` within a text ends nothing in a file of its own."""
    return (ASSIGNMENT + json.dumps(of(journal, kept), separators=(",", ":"), ensure_ascii=True) + ";\n").encode()
