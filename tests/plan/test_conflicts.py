from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.errors import ScenarioError
from tests.nights import scenario

if TYPE_CHECKING:
    from pathlib import Path

AT = {"latency": "latency_ms = 20"}


def step(due: str, word: str, *more: str) -> str:
    """Return a step of a timeline: at a time, or when a condition is seen."""
    time = f'at = "{due}"' if ":" in due else f'when = "{due}"'
    kind = "operation" if word == "heal" else "fault"
    return "\n".join(["[[timeline]]", time, f'{kind} = "{word}"', AT.get(word, ""), *more, ""])


def mistakes(directory: Path, *steps: str) -> tuple[str, ...]:
    """Return the mistakes of a scenario with this timeline."""
    try:
        scenario(directory, "".join(steps))
    except ScenarioError as error:
        return error.mistakes
    return ()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (step("23:00", "latency"), step("23:10", "latency")),
        (step("23:00", "silence"), step("23:00", "refuse")),
        (step("23:00", "latency"), step("23:00", "refuse")),  # at one time nobody knows which is first
        (step("23:00", "refuse"), step("23:10", "latency")),
        (step("23:00", "unreachable"), step("23:10", "refuse")),
        (step("23:00", "silence"), step("23:10", "trickle")),
        (step("23:00", "reset"), step("23:10", "idle_drop")),
        (step("23:00", "disconnect", 'moment = "connect"'), step("23:10", "silence")),
        (step("23:00", "cable_pulled"), step("23:10", "latency")),
        (step("23:00", "flapping"), step("23:10", "cable_pulled")),
        (step("23:00", "refuse_first"), step("23:10", "silence")),
        (step("23:00", "slow_accept"), step("23:10", "slow_accept")),
        (step("23:10", "latency"), step("23:00", "silence")),  # by their times, and not by their places
    ],
)
def test_two_faults_that_a_link_cannot_carry_at_one_time_are_refused(tmp_path: Path, first: str, second: str) -> None:
    """In one message that names both steps and the link."""
    (mistake,) = mistakes(tmp_path, first, second)
    assert all(words in mistake for words in ("timeline.0", "timeline.1", "the link to database", "is active", "allowed: after `heal`"))


HEAL = step("23:05", "heal")


@pytest.mark.parametrize(
    "steps",
    [
        (step("23:00", "latency"), HEAL, step("23:10", "latency")),
        (step("23:00", "latency"), step("23:05", "heal", 'of = "latency"'), step("23:10", "latency")),
        (step("23:00", "latency"), step("23:10", "silence"), step("23:20", "heal", 'of = "silence"'), step("23:30", "heal")),
        (step("23:00", "latency"), step("23:10", "cable_pulled"), step("23:20", "heal", 'of = "cable_pulled"')),
        (step("23:00", "slow_accept"), step("23:10", "refuse_first"), step("23:20", "sessions_ended")),
        (step("23:00", "latency"), step("23:10", "refuse")),  # healed when the night is over, the newest first
        (step("23:00", "latency"), step("23:10", "trickle"), step("23:20", "idle_drop")),
        (step("23:00", "reset", 'moment = "idle"'), step("23:10", "reset", 'moment = "idle"'), step("23:20", "silence")),
        (step("23:00", "silence"), step("recovered", "heal"), step("23:10", "silence")),  # it may be healed by then
        (step("23:00", "silence"), step("hung", "silence")),  # nobody knows when
    ],
)
def test_what_a_link_can_carry_is_accepted(tmp_path: Path, steps: tuple[str, ...]) -> None:
    """One after the other, one under which answers come, and whatever may have been healed."""
    assert mistakes(tmp_path, *steps) == ()


def test_a_heal_that_waits_until_after_the_second_fault_frees_nothing(tmp_path: Path) -> None:
    """It waits for the step before it, which is due later."""
    (mistake,) = mistakes(tmp_path, step("23:00", "silence"), step("23:10", "silence"), step("hung", "heal"))
    assert mistake.startswith(
        "timeline.1: found silence at 23:10:00 on the link to database, where silence of 23:00:00 (timeline.0) is active"
    )


def test_a_fault_is_not_healed_under_one_that_lets_no_answer_through(tmp_path: Path) -> None:
    """The answer that shows the healing would not come."""
    early = step("23:20", "heal", 'of = "latency"')
    (mistake,) = mistakes(tmp_path, step("23:00", "latency"), step("23:10", "silence"), early, step("23:30", "heal"))
    assert mistake.startswith(
        "timeline.2: found `heal` of latency of 23:00:00 (timeline.0) at 23:20:00 on the link to database, where silence"
    )


def test_faults_on_two_links_are_no_conflict(tmp_path: Path) -> None:
    """Each link has a proxy of its own."""
    two = mistakes(tmp_path, step("23:00", "silence"), step("23:00", "silence", 'link = "cf-1"'))
    assert [mistake for mistake in two if not mistake.startswith("needs:")] == []
