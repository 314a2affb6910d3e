"""The welcome: what a browser is told first, and what does not change while it looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.classroom import facility_map, log_lines
from testbed.classroom.inquiry import questions
from testbed.classroom.inquiry.questions import PREVENTION
from testbed.classroom.live.roles import CLASS_ROLES, orders_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.classroom.board import Json
    from testbed.classroom.lessons.lesson import Lesson
    from testbed.classroom.live.people import Person
    from testbed.classroom.scene import Scene


def of(lesson: Lesson, scene: Scene, person: Person, balancers: Sequence[str]) -> dict[str, Json]:
    """Return what everybody is told: who they are, the lesson, the night, the map, and what may be answered."""
    night, names = scene.header.night, scene.header.facility
    return {
        "is": "welcome",
        "mode": "live",
        "you": person.known(),
        "lesson": {"title": lesson.title, "introduction": lesson.introduction, "minutes": lesson.minutes},
        "night": {"from_s": night.from_s, "to_s": night.to_s, "date": night.date},
        "map": facility_map.of(names, balancers),
        "roles": [{"id": role, "orders": orders_of(role)} for role in CLASS_ROLES],
        **asked(lesson.prevention_texts),
        "switchover_steps": log_lines.switchover_steps(scene.active_host),
    }


def asked(preventions: Mapping[str, str]) -> dict[str, Json]:
    """Return what a class may answer, and choose to prevent it all: `preventions` are the texts by their variants."""
    named = (question for question in questions.questions(tuple(preventions)) if question.id != PREVENTION)  # answered by `prevent`
    return {
        "questions": [question.data() for question in named],
        "preventions": [{"value": name, "text": preventions[name]} for name in questions.mixed(PREVENTION, tuple(preventions))],
    }


def of_trainer(lesson: Lesson, class_address: str) -> dict[str, Json]:
    """Return what the trainer alone is told beside that."""
    told: dict[str, Json] = {
        "trainer": lesson.trainer,
        "notes": [{"night_s": note.at_night_s, "when": note.when or "", "text": note.text} for note in lesson.notes],
        "class_address": class_address,
    }
    if lesson.speed is not None:
        told["speed"] = {"slowest": lesson.speed.slowest, "fastest": lesson.speed.fastest, "why": lesson.speed.why}
    return told
