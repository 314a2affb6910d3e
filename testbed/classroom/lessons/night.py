"""The night of a lesson: the scenario's, going by so slowly that it takes the lesson's minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan import sections
from testbed.plan.clock import MINUTE_S, clock_text
from testbed.plan.night import NightPlan, PacePlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.classroom.lessons.plan import PartPlan

ROUNDING_MINUTES = 1e-6


def taking(night: NightPlan, minutes: float, parts: Sequence[PartPlan], mistakes: list[str]) -> NightPlan | None:
    """Return the night with a clock on which it takes so many real minutes; None, with every mistake added, when it cannot.

    The parts take their own minutes, and the rest of the night takes those that are left. Without parts, the scenario's paces keep their
    proportions.
    """
    if not parts:
        times = minutes * MINUTE_S / night.clock().real_s(night.to_s)
        paces = tuple(pace.model_copy(update={"speed": pace.speed / times}) for pace in night.pace)
        return night.model_copy(update={"speed": night.speed / times, "pace": paces})
    spans = _spans(night, parts, mistakes)
    if len(spans) < len(parts):
        return None
    rest_s = night.to_s - night.from_s - sum(to_s - from_s for from_s, to_s in spans)
    rest_minutes = minutes - sum(part.minutes for part in parts)
    if rest_s and rest_minutes < ROUNDING_MINUTES:
        mistakes.append(f"night.pace: found {minutes - rest_minutes:g} minutes; allowed: less than the {minutes:g} of `minutes`")
        return None
    if not rest_s and abs(rest_minutes) > ROUNDING_MINUTES:
        mistakes.append(
            f"night.pace: found {minutes - rest_minutes:g} minutes over the whole night; allowed: the {minutes:g} of `minutes`, or a night "
            "that is left over"
        )
        return None
    spread = tuple(
        PacePlan.model_validate({"from": part.from_, "to": part.to, "speed": (to_s - from_s) / (part.minutes * MINUTE_S)})
        for part, (from_s, to_s) in zip(parts, spans, strict=True)
    )
    speed = rest_s / (rest_minutes * MINUTE_S) if rest_s else spread[-1].speed
    return night.model_copy(update={"speed": speed, "pace": spread})


def _spans(night: NightPlan, parts: Sequence[PartPlan], mistakes: list[str]) -> list[tuple[float, float]]:
    """Return each part from when to when, in the order of the file; fewer, with every mistake added, where they do not fit the night."""
    found: list[tuple[float, float]] = []
    for number, part in enumerate(parts):
        key = f"night.pace.{number}"
        from_s, to_s = (sections.time_s(night, time, key, mistakes) for time in (part.from_, part.to))
        if from_s is None or to_s is None:
            continue
        overlaps = any(from_s < before_to_s and before_from_s < to_s for before_from_s, before_to_s in found)
        if overlaps or not night.from_s <= from_s < to_s <= night.to_s:
            mistakes.append(
                f"{key}: found {clock_text(from_s)} to {clock_text(to_s)}; "
                f"allowed: a span inside the night ({night.from_} to {night.to}) that overlaps no other"
            )
            continue
        found.append((from_s, to_s))
    return found
