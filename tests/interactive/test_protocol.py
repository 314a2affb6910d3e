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
    "command",
    [
        protocol.StatusCommand(),
        protocol.SwitchoverCommand(),
        protocol.DumpThreadsCommand("cf-1"),
        protocol.RestartCommand("kiosk"),
        protocol.LoadCommand(5.0, 10.0, 1),
        protocol.DownCommand(),
    ],
)
def test_every_command_comes_out_of_its_line_as_it_went_in(command: Command) -> None:
    """The server decodes what the client encoded, for every kind of command, in one line each."""
    line = protocol.encode_command(command)
    assert line.count(b"\n") == 1
    assert protocol.decode_command(line) == command


@pytest.mark.parametrize(
    "reply",
    [
        protocol.FacilityStatus(
            *("night", "somebody", "/here", "2013-10-07T22:00:00+00:00", 12.5),
            *("original", "processes", "db-1", "a.jsonl"),
            (protocol.ServiceStatus("cf-1", "url", True, True, 40, 1, 0, False, POOL),),
            LOAD,
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
        protocol.WorkingReply(),
        protocol.DoneReply("ünd"),
        protocol.RefusedReply("no\nservice", 2),
    ],
)
def test_every_reply_comes_out_of_its_line_as_it_went_in(reply: Reply) -> None:
    """The client decodes what the server encoded, for every kind of reply, in one line each."""
    line = protocol.encode_reply(reply)
    assert line.count(b"\n") == 1
    assert protocol.decode_reply(line) == reply


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"", "not a command"),
        (b"no json\n", "not a command: line"),
        (b'{"command": "dance"}\n', "dance"),
        (b'{"command": "load", "rate_per_s": 0, "seconds": 1, "seed": 1}\n', "rate_per_s.*greater than 0"),
    ],
)
def test_a_line_that_is_no_command_is_refused_with_what_is_wrong(line: bytes, says: str) -> None:
    """A line is either a command or an error that quotes it."""
    with pytest.raises(TestbedError, match=says):
        protocol.decode_command(line)
