"""What is done to the database server: the ways in which a switchover stops it, a crash, and one that is starting up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.errors import ScenarioError
from testbed.journal.events import FaultOver, OperationEvent, Step
from testbed.verdict import judge
from tests.nights import Flight, flown, scenario

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.journal.reader import Journal

STARTING_UP = '[[timeline]]\nat = "23:00"\nfault = "starting_up"\n'
HEAL = '[[timeline]]\nat = "23:30"\noperation = "heal"\n'


def told(night: Journal, word: str) -> list[str]:
    """Return how each step of a word ended."""
    return [
        f"{step.step}: {step.detail}" if step.detail else step.step
        for step in night.of(Step)
        if (step.operation, step.state) == (word, "end")
    ]


@pytest.mark.parametrize(
    ("mode", "stopped"),
    [
        ("", "stop the database server on db-1"),
        ('mode = "smart"\npatience_s = 0.5\n', "stop the database server on db-1: its sessions had not ended after 0.5 s, and were ended"),
        ('mode = "immediate"\n', "stop the database server on db-1"),
    ],
)
def test_a_switchover_of_each_mode_has_its_five_steps(mode: str, stopped: str) -> None:
    """However the server is stopped, its connections are dead afterwards, and the night is the case's."""
    night = flown("original", f'[[timeline]]\nat = "23:00"\nfault = "switchover"\n{mode}')
    assert told(night, "switchover")[0] == stopped
    assert len(told(night, "switchover")) == 5
    assert judge.judge(night).outcome == "grounded"


@pytest.mark.parametrize("given", ['mode = "slow"', "patience_s = 0", "patience_s = 61"])
def test_a_mode_that_postgresql_does_not_have_is_refused(tmp_path: Path, given: str) -> None:
    """With the key, what was found, and what is allowed."""
    with pytest.raises(ScenarioError, match=rf"timeline\.0\.{given.split(maxsplit=1)[0]}: found "):
        scenario(tmp_path, f'[[timeline]]\nat = "23:00"\nfault = "switchover"\n{given}\n')


def test_a_server_that_was_killed_recovers_where_it_was() -> None:
    """Every connection of before is dead, as after a switchover, and it answers again."""
    night = flown("fixed", '[[timeline]]\nat = "23:00"\nfault = "crash"\ndown_s = 0.5\n')
    assert told(night, "crash") == [
        "kill the database server on db-1",
        "leave it down for 0.5 s",
        "start the database server on db-1",
        "verify that the database counts flights",
    ]
    assert judge.judge(night).outcome == "contained"


def test_a_server_that_is_starting_up_lets_nobody_in_until_it_is_healed() -> None:
    """It is seen to refuse, and to be whole afterwards."""
    night = flown("fixed", STARTING_UP + HEAL)
    ended = {event.operation: event.detail for event in night.of(OperationEvent) if event.state == "end"}
    assert ended["starting_up"] == "the database server on db-1 is starting up"
    assert ended["heal"].startswith("starting_up: the database server has started, with ")
    assert judge.judge(night).outcome == "contained"


def test_a_server_that_does_not_refuse_is_a_fault_that_failed(tmp_path: Path) -> None:
    """It is told what was expected, and what was seen."""
    flight = Flight(scenario(tmp_path, STARTING_UP), "fixed", tmp_path)
    flight.builder.database.flights.ineffective = True
    (failed,) = (event for event in flight.fly().of(OperationEvent) if event.state == "failed")
    assert failed.detail == "expected: the database system is starting up; saw: a log-in that was let in"


def test_a_switchover_ends_what_is_starting_up() -> None:
    """The server was stopped, and the other host's serves: nothing is left to be healed."""
    night = flown("fixed", STARTING_UP + '[[timeline]]\nat = "23:10"\nfault = "switchover"\n' + HEAL)
    (over,) = night.of(FaultOver)
    assert over.detail == "the server that was starting up was stopped; db-2 serves"
    assert judge.judge(night).outcome == "contained"
