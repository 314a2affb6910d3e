from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.errors import TestbedError
from testbed.interactive import protocol
from testbed.journal.events import PoolSample, Step, ThreadGroup, Threads

if TYPE_CHECKING:
    from testbed.interactive.protocol import Command, Reply

POOL = PoolSample(size=40, in_=1, out=39, waiting=3, leaked=38)
LOAD = protocol.LoadStatus(100, 90, 60, 20, 10)


@pytest.mark.parametrize(
    "order",
    [
        protocol.StatusCommand(),
        protocol.SwitchoverCommand(),
        protocol.DumpThreadsCommand("cf-1"),
        protocol.RestartCommand("kiosk"),
        protocol.LoadCommand(5.0, 10.0, 1),
        protocol.DownCommand(),
    ],
)
def test_every_order_comes_out_of_its_line_as_it_went_in(order: Command) -> None:
    """Who carries out an order has what was ordered, of every kind that there is."""
    line = protocol.encode_command(order)
    assert line.count(b"\n") == 1
    assert protocol.decode_command(line) == order


@pytest.mark.parametrize(
    "answer",
    [
        protocol.FacilityStatus(
            "original", "processes", "db-1", "a.jsonl", (protocol.ServiceStatus("cf-1", "url", True, True, 40, 1, 0, False, POOL),), LOAD
        ),
        LOAD,
        protocol.StepReply(Step(t_s=1.0, night_s=2.0, operation="switchover", id=1, number=1, step="stop", state="end", duration_s=0.5)),
        protocol.ThreadsReply(
            Threads(
                t_s=1.0,
                night_s=2.0,
                service="cf-1",
                request_threads=40,
                file="f",
                groups=(ThreadGroup(40, "idle", "", ("a",)),),
            ),
            "/f",
        ),
        protocol.Done("ünd"),
        protocol.Refused("no\nservice", 2),
    ],
)
def test_every_answer_comes_out_of_its_line_as_it_went_in(answer: Reply) -> None:
    """Who ordered reads what was answered, of every kind that there is, in one line each."""
    line = protocol.encode_reply(answer)
    assert line.count(b"\n") == 1
    assert protocol.decode_reply(line) == answer


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"", "this is no order"),
        (b"no json\n", "this is no order: line"),
        (b'{"order": "dance"}\n', "dance"),
        (b'{"order": "load", "rate_per_s": 0, "seconds": 1, "seed": 1}\n', "rate_per_s.*greater than 0"),
    ],
)
def test_what_is_no_order_is_refused_with_what_is_wrong(line: bytes, says: str) -> None:
    """A line of anybody's is never carried out half: it is an order, or an error that quotes it."""
    with pytest.raises(TestbedError, match=says):
        protocol.decode_command(line)
