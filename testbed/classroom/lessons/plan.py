"""What stands in a lesson's file, section by section, and what each key may be."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from testbed.classroom.live.orders import FASTEST, SLOWEST
from testbed.errors import visible
from testbed.plan.expectation import Expectation
from testbed.plan.night import MOST_PACES, TimeOfDay
from testbed.plan.settings import Settings, StrictRecord

LEAST_MINUTES, MOST_MINUTES = 10, 45  # of a night that a class plays
LEAST_PREVENTIONS = 3
MOST_CHARACTERS = 4_000
CONTAINED = Expectation(outcome=("unharmed", "contained"))  # a prevention holds when it keeps the airline from being grounded


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("allowed: a text that says something")
    return visible(text.strip())


Words = Annotated[str, Field(max_length=MOST_CHARACTERS), AfterValidator(_said)]
Minutes = Annotated[float, Field(ge=LEAST_MINUTES, le=MOST_MINUTES)]


class PartPlan(StrictRecord):
    """A part of the night, and how many real minutes it takes."""

    from_: Annotated[TimeOfDay, Field(alias="from")]
    to: TimeOfDay
    minutes: Annotated[float, Field(gt=0, le=MOST_MINUTES)]


class LessonNight(StrictRecord):
    """How the minutes are spread over the night; without parts, as the scenario's own paces spread its seconds."""

    pace: Annotated[tuple[PartPlan, ...], Field(max_length=MOST_PACES)] = ()


class LessonSpeed(StrictRecord):
    """How many times as fast as the lesson has it the night may go by, at least and at most, and why no other; at first it is 1."""

    slowest: Annotated[float, Field(ge=SLOWEST, le=1)] = SLOWEST
    fastest: Annotated[float, Field(ge=1, le=FASTEST)] = FASTEST
    why: Words


class LessonWorkload(StrictRecord):
    """Other passengers than the scenario's; None: the scenario's."""

    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None
    rate_per_minute: Annotated[float, Field(gt=0, le=10_000)] | None = None


class ChangePlan(StrictRecord):
    """A step of the scenario's timeline that comes at another time, or with other numbers, which stand beside these keys."""

    at: TimeOfDay
    moved_to: TimeOfDay | None = None


class DutyPlan(StrictRecord):
    """A step of the scenario's timeline that the class carries out."""

    at: TimeOfDay
    order: Literal["switchover"]
    role: Literal["operator"] = "operator"
    text: Words


class NotePlan(StrictRecord):
    """What the trainer is told, at a time of the night or when a condition is seen."""

    at: TimeOfDay | None = None
    when: str | None = None
    text: Words


class LessonHead(StrictRecord):
    """The keys at a lesson's head.

    The class is told its title and introduction, and the texts of duties and preventions; and once all is revealed, `explanation`.
    """

    title: Words
    introduction: Words
    trainer: Words
    explanation: Words
    scenario: str
    variant: str
    minutes: Minutes


class LessonPreventions(StrictRecord):
    """The variants that the class may choose from to prevent it all, each with a text."""

    preventions: dict[str, Words]


# The sections of a lesson's file, each with the record of one table of it.
SECTIONS: dict[str, type[BaseModel]] = {
    "preventions": LessonPreventions,
    "holds": Expectation,
    "settings": Settings,
    "night": LessonNight,
    "speed": LessonSpeed,
    "workload": LessonWorkload,
    "change": ChangePlan,
    "duty": DutyPlan,
    "note": NotePlan,
}
