"""Many orders over one WebSocket to a class over fakes; `tests/benchmarks/class_orders.py` sends ten thousand to a real one."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from testbed.classroom.scene import MOST_LINES
from testbed.classroom.web import server
from testbed.classroom.web.door import Allowance
from testbed.journal import reader
from testbed.journal.events import Note
from tests.classroom.conftest import held
from tests.classroom.player import EVERYTHING, player

if TYPE_CHECKING:
    from pathlib import Path

ORDERS = 1_000
A_SECOND = 400  # where a class takes ten
WITHIN_S = 120.0
LOOKS = 10
MOST_MIB = 48  # more than before, of a process that holds the class and all its browsers
EACH: tuple[tuple[str, dict[str, Any], bool], ...] = (  # in turn, and whether it is carried out
    ("note", {"text": "x" * 500}, True),
    ("sessions", {}, True),
    ("join", {"name": "Ann", "roles": list(EVERYTHING)}, True),
    ("answer", {"question": "cause", "value": "lost"}, True),
    ("speed", {"factor": 2.0}, False),
    ("no order", {}, False),
    ("next_step", {}, False),
    ("health", {"service": "cf-1"}, True),
)


async def test_each_of_a_thousand_orders_at_once_is_answered_and_costs_the_others_nothing(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bounded memory, with the same board for all at the end; and whoever sent them is not taken for dead before the last."""
    monkeypatch.setattr(server, "Allowance", lambda *bounds: Allowance(*bounds) if bounds else Allowance(A_SECOND))
    monkeypatch.setattr(server, "PING_S", 0.2)  # pongs stand behind a thousand orders
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer, player(a_class.at.of_class) as ann:
        await trainer.until(lambda state: state["phase"] == "ready")
        await ann.order("join", name="Ann", roles=list(EVERYTHING))
        before, rss_bytes = len(trainer.came_s), psutil.Process().memory_info().rss
        numbers = {
            await ann.send(order, **fields): carried_out for (order, fields, carried_out) in itertools.islice(itertools.cycle(EACH), ORDERS)
        }
        assert len(ann.replies) < ORDERS / 2  # most of them wait
        await trainer.order("health", service="cf-1")
        await ann.reply(max(numbers), WITHIN_S)
        await ann.until(lambda _: numbers.keys() <= ann.replies.keys())
        assert {number: ann.replies[number]["ok"] for number in numbers} == numbers
        assert len(trainer.came_s) > before + LOOKS
        assert psutil.Process().memory_info().rss - rss_bytes < MOST_MIB * 2**20
        async with player(a_class.at.of_class) as late:
            states = [{key: value for key, value in one.state.items() if key != "clock"} for one in (ann, trainer, late)]
            assert states[0] == states[1] == states[2]
        assert sum(key.startswith("log.") for key in ann.state) <= MOST_LINES
        assert ann.state["answers.cause"]["value"] == "lost"
        await trainer.order("end")
        await trainer.until(lambda state: state["phase"] == "over")
    (path,) = a_class.runs.rglob("*.jsonl")
    assert sum(note.kind == "note" for note in reader.read(path).of(Note)) == ORDERS // len(EACH)
