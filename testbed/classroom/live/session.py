"""The session of a class: who takes part, what they order, and what they are replied."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.classroom import log_lines
from testbed.classroom.board import Board
from testbed.classroom.inquiry.questions import PREVENTION
from testbed.classroom.live import orders, welcome
from testbed.classroom.live.night import LiveNight
from testbed.classroom.live.people import People
from testbed.classroom.live.roles import ORDERS, Role, may
from testbed.classroom.saying import RefusalError, bounded, bug, say
from testbed.classroom.web.hub import Hub
from testbed.errors import TestbedError, UsageError, visible
from testbed.plan.topology import BALANCERS

if TYPE_CHECKING:
    from testbed.classroom.board import Json
    from testbed.classroom.inquiry.questions import Value
    from testbed.classroom.lessons.lesson import Lesson
    from testbed.classroom.live.desk import Desk
    from testbed.classroom.live.orders import Order
    from testbed.classroom.live.pace import Pace
    from testbed.classroom.live.people import Person
    from testbed.classroom.live.reckoning import Reckoning
    from testbed.classroom.saying import Said, Told
    from testbed.classroom.scene import Scene
    from testbed.classroom.web.hub import Listener


@dataclass(slots=True)
class Session:
    """Answers the browsers of one class.

    `has_balancers`: whether the facility does; `reckoning`: what the answers come to; `class_address`: what the trainer's page shows to the
    class.
    """

    lesson: Lesson
    has_balancers: bool
    reckoning: Reckoning
    board: Board
    scene: Scene
    night: LiveNight
    class_address: str = ""
    hub: Hub = field(init=False)
    people: People = field(init=False)

    def __post_init__(self) -> None:
        self.hub, self.people = Hub(self.board), People(self.board)

    def come(self, secret: str, *, is_trainer: bool) -> Person:
        """Return who a browser belongs to; raises UsageError when too many have come."""
        return self.people.come(secret, is_trainer=is_trainer)

    def go(self, person: Person) -> None:
        """Note that a browser has gone."""
        self.people.go(person)

    def listen(self, person: Person) -> Listener:
        """Return a listener for a browser of somebody."""
        balancers = BALANCERS if self.has_balancers else ()
        told = welcome.of(self.lesson, self.scene, person, balancers)
        if person.is_trainer:
            told |= welcome.of_trainer(self.lesson, self.class_address)
        return self.hub.listen(told)

    async def answer(self, person: Person, text: str) -> tuple[bool, dict[str, Json] | None]:
        """Carry out an order; return whether it was one, and the reply (None: it has no number to reply to)."""
        try:
            order = orders.read(text)
        except UsageError as error:
            number = orders.number_of(text)
            return False, None if number is None else _reply(number, say("no_order", why=str(error)), ok=False)
        try:
            if not may(order.order, person.all_roles):
                raise RefusalError(_not_allowed(order.order, person))
            done, data = await self._carry_out(person, order)
        except RefusalError as refused:
            return True, _reply(order.n, refused.said, ok=False)
        except TestbedError as error:
            return True, _reply(order.n, say("failed", why=str(error)), ok=False)
        except Exception as error:  # noqa: BLE001 - the border of an order: a bug in one must not end the class
            traceback.print_exc()  # whoever holds the class sees where it is
            return True, _reply(order.n, bug(error), ok=False)
        return True, _reply(order.n, done, ok=True, data=data)

    async def _carry_out(self, person: Person, order: Order) -> tuple[Told, Json]:
        """Return how it is told what was done, and what was asked for."""
        match order:
            case orders.Plain():
                return await self._plain(order.order)
            case orders.Restart():
                return await self._desk().restart(order.service, evidence=order.evidence), None
            case orders.OfService():
                return await self._of_service(order)
            case orders.Code():
                return "", self._desk().read_code(order.file, everything=self.scene.revealed or person.is_trainer)
            case orders.Prevent():
                return self._prevent(person, order.variant), None
            case _:
                self._write(person, order)
                return "", None

    def _write(self, person: Person, order: orders.Join | orders.Speed | orders.Decide | orders.WriteNote | orders.GiveAnswer) -> None:
        """Carry out an order that is done as soon as it is written down."""
        match order:
            case orders.Join():
                if not (name := visible(order.name).strip()):
                    raise RefusalError(say("no_name"))
                self.people.join(person, name, frozenset[Role](order.roles))
            case orders.Speed():
                self._set_speed(order.factor)
            case orders.Decide():
                self._decide(person, order.choice)
            case orders.WriteNote():
                self._desk().write(person.name, person.role_for(ORDERS["note"]), "note", visible(order.text))
            case orders.GiveAnswer():
                self._give_answer(person, order.question, order.value)

    async def _of_service(self, order: orders.OfService) -> tuple[Told, Json]:
        if order.order == "dump":
            return await self._desk().dump(order.service), None
        return "", await self._desk().look_at(order.order, order.service)

    async def _plain(self, word: str) -> tuple[Told, Json]:
        """Carry out an order that is a word alone."""
        if word in ("begin", "end", "reveal", "pause", "go_on", "step"):
            await self._of_trainer(word)
            return "", None
        desk = self._desk()
        done = {"switchover": desk.switch_over, "collect": desk.collect}
        asked = {"sessions": desk.sessions, "locks": desk.locks}
        if word == "next_step":
            return desk.next_step(), None
        return ("", await asked[word]()) if word in asked else (await done[word](), None)

    async def _of_trainer(self, word: str) -> None:
        if word == "reveal":
            await self._reveal()
        elif word == "end":
            self.night.end.set()
        elif word == "begin":
            self._pace()
            self.night.begin.set()
        else:
            pace = self._pace()
            {"pause": pace.pause, "go_on": pace.go_on, "step": pace.step}[word]()

    def _set_speed(self, factor: float) -> None:
        """Set how fast the night goes by; a lesson may have bounds for it, in which alone it shows what it shall."""
        bounds, pace = self.lesson.speed, self._pace()
        if bounds is not None and not bounds.slowest <= factor <= bounds.fastest:
            raise RefusalError(say("speed_bounded", slowest=f"{bounds.slowest:g}", fastest=f"{bounds.fastest:g}", why=bounds.why))
        pace.order(factor)

    def _desk(self) -> Desk:
        """Return the desk; raises RefusalError where there is no facility to do anything to, or nobody may any more."""
        if self.night.desk is None:
            raise RefusalError(self._why_no_orders())
        return self.night.desk

    def _pace(self) -> Pace:
        if self.night.pace is None:
            raise RefusalError(self._why_no_orders())
        return self.night.pace

    def _why_no_orders(self) -> Said:
        """Return why no order is carried out: an order may have been given before its page was told, as by somebody who sends many.

        From the trainer's `end` to the end of the night the facility is up, the page still shows a night, and what was begun is brought
        to its end; only nothing more is begun. A night that dies or is interrupted is shown until its facility has been taken down.
        """
        is_ended = self.night.end.is_set() and self.board.values.get("phase") != "gone"
        return say("night_ended") if is_ended else say("not_up")

    def _decide(self, person: Person, choice: str) -> None:
        """Note what was decided, once: to restore service at once, or to look first (O9)."""
        shown = self.board.values.get("choice")
        if not isinstance(shown, dict):
            raise RefusalError(say("nothing_to_decide"))
        if shown["chosen"] is not None:
            raise RefusalError(say("decided_already", choice=shown["chosen"]))
        desk = self._desk()
        desk.write(person.name, person.role_for(ORDERS["decide"]), "decision", log_lines.DECISIONS[choice])
        self.board.set("choice", {**shown, "open": False, "chosen": choice, "chosen_at_s": desk.replay.recorder.now()[1]})

    def _give_answer(self, person: Person, question: str, value: Value) -> None:
        """Keep an answer, the last one to each question, and write it into the journal while the night goes on."""
        value = self.reckoning.answer(question, value)
        night_s = self.scene.header.night.to_s
        if self.night.desk is not None:
            given = value if isinstance(value, str) else ", ".join(value)
            self.night.desk.write(person.name, person.role_for(ORDERS["answer"]), "answer", f"{question}: {given}")
            night_s = self.night.desk.replay.recorder.now()[1]
        self.board.set(f"answers.{question}", {"value": value, "by": person.name, "night_s": night_s})

    def _prevent(self, person: Person, variant: str) -> Told:
        """Answer with a variant, if answers still count, and have the night replayed over it."""
        told = self.reckoning.choose(variant)
        if self.scene.revealed:
            return say("no_points", what=told)
        self._give_answer(person, PREVENTION, variant)
        return told

    async def _reveal(self) -> None:
        """Show what was done in secret and what runs; of a night that is over, also what the evidence tells of each question."""
        self.scene.reveal()
        self.night.evidence.show()
        await self.reckoning.count()


def _reply(number: int, told: Told, *, ok: bool, data: Json = None) -> dict[str, Json]:
    return {"n": number, "ok": ok, "text": bounded(told), "data": data}


def _not_allowed(order: str, person: Person) -> Said:
    allowed, own = list(ORDERS[order]), sorted(person.all_roles)
    return say("not_allowed", allowed=allowed, roles=own) if own else say("no_role_yet", allowed=allowed)
