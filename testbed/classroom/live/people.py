"""People: who takes part in a class, told apart by a secret that only their browser knows."""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.classroom.live.roles import TRAINER
from testbed.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.classroom.board import Board, Json
    from testbed.classroom.live.roles import Role

MOST_PEOPLE = 200


@dataclass(eq=False, slots=True)
class Person:
    """Somebody: a number that all may see, a secret by which a browser comes back, and the connections that it has now."""

    number: int
    is_trainer: bool
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    name: str = ""
    roles: frozenset[Role] = frozenset()
    connections: int = 0

    @property
    def all_roles(self) -> frozenset[Role]:
        """The roles that count: the trainer has one that nobody can choose."""
        return self.roles | {TRAINER} if self.is_trainer else self.roles

    def role_for(self, allowed: tuple[Role, ...]) -> Role:
        """Return in which of their roles somebody does what these roles may."""
        return next((role for role in allowed if role in self.roles), TRAINER)

    def known(self) -> Json:
        """Return what a browser is told of itself."""
        return {"trainer": self.is_trainer, "id": self.secret, "name": self.name, "roles": sorted(self.roles), "number": self.number}


@dataclass(slots=True)
class People:
    """Everybody who came, on the board by their numbers as soon as they have a name."""

    board: Board
    _known: dict[str, Person] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def come(self, secret: str, *, is_trainer: bool) -> Person:
        """Return who a browser's secret belongs to, or somebody new; raises UsageError when too many have come."""
        person = self._known.get(secret)
        if person is None or person.is_trainer != is_trainer:
            self._make_room(is_trainer=is_trainer)
            person = Person(next(self._numbers), is_trainer)
            self._known[person.secret] = person
        person.connections += 1
        self._show(person)
        return person

    def go(self, person: Person) -> None:
        """Note that a browser of somebody has gone."""
        person.connections -= 1
        self._show(person)

    def join(self, person: Person, name: str, roles: frozenset[Role]) -> None:
        """Give somebody a name and roles."""
        person.name, person.roles = name, roles
        self._show(person)

    def _make_room(self, *, is_trainer: bool) -> None:
        """Forget who has gone when many have come: first who never gave a name, and then who came first. The trainer needs no room."""
        gone = {secret: person for secret, person in self._known.items() if not person.connections and not person.is_trainer}
        for secret, person in sorted(gone.items(), key=lambda each: (each[1].name != "", each[1].number)):
            if len(self._known) < MOST_PEOPLE:
                break
            del self._known[secret]
            self.board.set(f"people.{person.number}", None)
        if len(self._known) >= MOST_PEOPLE and not is_trainer:
            raise UsageError(f"{MOST_PEOPLE} people take part already; allowed: so many")

    def _show(self, person: Person) -> None:
        if person.name:
            value: Json = {"name": person.name, "roles": sorted(person.roles), "here": person.connections > 0}
            self.board.set(f"people.{person.number}", value)
