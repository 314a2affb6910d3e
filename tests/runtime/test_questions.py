from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any, cast

import pytest

from testbed.errors import DumpError
from testbed.facility.address import Address
from testbed.facility.cluster import NoCluster
from testbed.facility.runtime import NoRuntime
from testbed.journal.events import GroupWait, ThreadGroup, Threads
from testbed.journal.evidence import Listener, Listeners
from testbed.journal.thread_states import CHECKOUT, IDLE, LOCK, RUNNING, SOCKET
from testbed.runtime.inspector import LocalInspector
from testbed.runtime.questions import FacilityQuestions

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.facility.facility import Facility
    from testbed.facility.observers import Question


class Running(NoRuntime):
    """A runtime whose services are all this process."""

    async def pid(self, name: str) -> int | None:
        """Return the number of this process; `gone` does not run."""
        return None if name == "gone" else os.getpid()


class OneServer:
    """As much of a facility as is asked about: one application server."""

    def __init__(self) -> None:
        self.runtime = Running()
        self.application_servers = ("cf-1",)
        self.services = ("cf-1",)
        self.cluster = NoCluster()


def questions() -> FacilityQuestions:
    """Return the questions about one server."""
    server = OneServer()
    return FacilityQuestions(cast("Facility", server), LocalInspector(server.runtime), {}, {}, lambda name: Address(name, 1))


def dump(*groups: ThreadGroup, service: str = "cf-1", error: str | None = None) -> Threads:
    """Return a dump of a service."""
    return Threads(t_s=1.0, night_s=1.0, service=service, file="", request_threads=4, groups=groups, error=error)


def group(state: str, kind: str = "", detail: str = "") -> ThreadGroup:
    """Return a group, and what the kernel sees it wait for."""
    return ThreadGroup(4, state, "book", ("a.py:1 f",), (GroupWait(4, kind, "futex", "", detail),) if kind else ())


def named(found: Any, word: str) -> Question:
    """Return the question that is about something."""
    (question,) = (question for question in found if question.what == word)
    return cast("Question", question)


@pytest.mark.parametrize(
    ("seen", "asked"),
    [
        (group(RUNNING, "lock"), True),  # `with lock:` is no call of its own
        (group(LOCK, "lock"), True),
        (group(LOCK, "lock", "to be notified"), False),
        (group(RUNNING, "running"), False),
        (group(SOCKET, "socket"), False),
        (group(CHECKOUT), False),
        (group(IDLE), False),
        (group(LOCK), True),  # where nobody asked the kernel, both may be
        (group(RUNNING), True),
    ],
)
def test_locks_are_looked_at_where_a_dump_has_threads_that_may_wait_for_one(tmp_path: Path, seen: ThreadGroup, *, asked: bool) -> None:
    """A look pauses the process once more, so the night of the case, whose threads wait for pool and sockets, has none."""
    found = questions().of_dump(dump(group(IDLE), seen), tmp_path / "cf-1.json")
    assert ("locks of cf-1" in [question.what for question in found]) is asked


def test_a_service_that_could_not_be_dumped_is_not_looked_into_again(tmp_path: Path) -> None:
    """The dump's own error says why."""
    assert questions().of_dump(dump(error="it is stopped"), tmp_path / "cf-1.json") == ()


async def test_the_event_loop_is_told_only_where_the_listen_queue_is_full(tmp_path: Path) -> None:
    """With the innermost calls of the dump."""
    file = tmp_path / "cf-1.json"
    frames = '[{"name": "f", "filename": "/a/b.py", "line": 1}]'
    file.write_text(f'[{{"thread_name": "MainThread", "thread_id": 1, "os_thread_id": 1, "frames": {frames}}}]')
    ask = named(questions().of_dump(dump(), file), "event loop of cf-1").ask
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        here = Listener(f"127.0.0.1:{server.getsockname()[1]}", 0, 0)
        listeners = await named(questions().all(), "listeners of cf-1").ask()
        assert isinstance(listeners, Listeners)
        assert here in listeners.sockets
        assert await ask() is None
        with socket.create_connection(server.getsockname()):
            loop = await ask()
    assert getattr(loop, "stack", None) == ("a/b.py:1 f",)


async def test_of_a_service_that_does_not_run_that_is_said(tmp_path: Path) -> None:
    """So that it is among what is missing, and not left out in silence."""
    with pytest.raises(DumpError, match="gone does not run"):
        await named(questions().of_dump(dump(group(LOCK), service="gone"), tmp_path / "gone.json"), "locks of gone").ask()
