from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from testbed.errors import DumpError, FacilityError
from testbed.journal.events import GroupWait
from testbed.journal.evidence import Listener
from testbed.journal.thread_states import SOCKET
from testbed.runtime.containers.inspector import ContainerInspector
from testbed.runtime.containers.programs import inspect_service
from testbed.runtime.containers.runtime import Containers
from tests.observe.programs import CROSSED, running

if TYPE_CHECKING:
    from subprocess import Popen

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux' /proc says what threads wait for")


@dataclass
class OneContainer:
    """A project whose program inside the container prints `printed`, or fails with these words; it knows one address."""

    printed: str = ""
    failure: str = ""

    async def run_in(self, name: str, *command: str, within_s: float) -> str:
        """Return what is printed."""
        assert within_s > 0
        if self.failure:
            raise FacilityError(f"{name}: {' '.join(command)} ended with exit code 1: {self.failure}")
        return self.printed

    def names_by_host(self) -> dict[str, str]:
        """Return the name of the balancer."""
        return {"10.0.0.7": "lb-1"}


def inspector(**said: str) -> ContainerInspector:
    """Return an inspector of one container."""
    return ContainerInspector(cast("Containers", OneContainer(**said)))


@pytest.mark.parametrize(
    ("words", "blamed"), [("Permission Denied: Try running again with elevated permissions", True), ("No such file or directory", False)]
)
async def test_a_failed_dump_is_blamed_on_a_missing_capability_only_where_permission_was_denied(
    tmp_path: Path, words: str, *, blamed: bool
) -> None:
    """Other failures keep their own words."""
    with pytest.raises(DumpError, match=words) as failure:
        await inspector(failure=words).dump("cf-1", 1, tmp_path / "cf-1.json")
    assert ("SYS_PTRACE" in str(failure.value)) == blamed


async def test_the_other_end_of_a_thread_s_connection_has_the_name_by_which_services_know_it(tmp_path: Path) -> None:
    """Evidence and settings name it so; an address that no container has stays as it is."""
    frames = [
        {"name": "readinto", "filename": "/usr/lib/socket.py", "line": 1},
        {"name": "run", "filename": "/anyio/_backends/_asyncio.py", "line": 2},
    ]
    stacks = [{"thread_name": "worker", "thread_id": n, "os_thread_id": n, "frames": frames} for n in (8, 9)]
    ends = {8: "10.0.0.7:8080", 9: "10.9.9.9:80"}
    waits = {n: {"kind": "socket", "call": "recvfrom", "descriptors": [{"number": 3, "what": "tcp", "peer": ends[n]}]} for n in ends}
    file = tmp_path / "kiosk.json"
    (group,) = await inspector(printed=json.dumps({"dump": json.dumps(stacks), "waits": waits})).dump("kiosk", 1, file)
    assert (group.count, group.state) == (2, SOCKET)
    assert set(group.waits) == {GroupWait(1, "socket", "recvfrom", peer, "") for peer in ("lb-1:8080", "10.9.9.9:80")}
    assert json.loads(file.read_text()) == stacks


async def test_what_is_no_answer_of_the_program_is_an_error_that_shows_it() -> None:
    """An image of other code, say."""
    with pytest.raises(FacilityError, match="inspects cf-1 printed something else: 'Usage"):
        await inspector(printed="Usage: none").listeners("cf-1")


async def test_a_service_of_which_no_listener_is_seen_says_so() -> None:
    """It is not left out in silence."""
    with pytest.raises(FacilityError, match="none is seen"):
        await inspector(printed='{"service": "cf-1", "sockets": [], "is_stopped": false}').listeners("cf-1")


def printed_of(started: Popen[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return what the program prints of a process as if it were a container's own."""
    monkeypatch.setattr(inspect_service, "PID", started.pid)
    assert inspect_service.main(words) == 0
    return capsys.readouterr().out


@linux
async def test_the_program_tells_where_a_service_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With queue and backlog."""
    port = tmp_path / "port"
    text = f"""
import socket
server = socket.create_server(("127.0.0.1", 0), backlog=3)
open({str(port)!r}, "w").write(str(server.getsockname()[1]))
"""
    with running(tmp_path, text) as started:
        printed = printed_of(started, monkeypatch, capsys, "listeners", "cf-1")
    found = await inspector(printed=printed).listeners("cf-1")
    assert found.sockets == (Listener(f"127.0.0.1:{port.read_text()}", 0, 3),)
    assert not found.is_stopped


@linux
def test_the_program_tells_of_a_deadlock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Both threads, each with the other as the holder of what it waits for."""
    with running(tmp_path, CROSSED.replace("LOCK", "threading.Lock")) as started:
        printed = json.loads(printed_of(started, monkeypatch, capsys, "locks", "cf-1", "[]"))
    assert {wait["name"]: wait["holder_name"] for wait in printed["lock_waits"]} == {"there": "back", "back": "there"}
    assert len(printed["deadlocks"]) == 1


@linux
def test_the_program_tells_threads_and_what_each_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the same numbers."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    with running(tmp_path, 'start(time.sleep, 600, name="asleep")') as started:
        printed = json.loads(printed_of(started, monkeypatch, capsys, "dump"))
    numbers = {stack["thread_name"]: str(stack["os_thread_id"]) for stack in json.loads(printed["dump"])}
    assert printed["waits"][numbers["asleep"]]["kind"] == "sleep"


@linux
def test_the_program_says_what_cannot_be_had(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, and with an exit code: there is no such process."""
    monkeypatch.setattr(inspect_service, "PID", 1 << 22)
    assert inspect_service.main(("locks", "cf-1", "[]")) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "the threads of cf-1" in captured.err


def test_a_container_s_name_is_its_alias_in_a_network_where_it_has_one(tmp_path: Path) -> None:
    """The machine of a balancer has the balancer's name, on the side of the callers."""
    containers = Containers("a-project", tmp_path, {}, SimpleNamespace())  # type: ignore[arg-type]
    networks = {
        "callers": {"IPAddress": "10.0.0.7", "Aliases": ["lb-1-machine", "a-project-lb-1-machine-1", "0123456789ab", "lb-1"]},
        "servers": {"IPAddress": "10.0.1.7", "Aliases": ["lb-1-machine", "0123456789ab"]},
        "none": {"IPAddress": "", "Aliases": None},
    }
    machine = SimpleNamespace(id="0123456789abcdef", name="a-project-lb-1-machine-1", attrs={"NetworkSettings": {"Networks": networks}})
    containers._containers["lb-1-machine"] = machine  # type: ignore[assignment] # noqa: SLF001 - what the engine listed
    assert containers.names_by_host() == {"10.0.0.7": "lb-1", "10.0.1.7": "lb-1-machine"}


def test_a_database_host_has_its_own_name_in_both_of_its_networks(tmp_path: Path) -> None:
    """An alias that tells them apart begins with it, and is no other name."""
    containers = Containers("a-project", tmp_path, {}, SimpleNamespace())  # type: ignore[arg-type]
    networks = {
        "database": {"IPAddress": "10.0.2.7", "Aliases": ["a-project-db-1-1", "db-1", "db-1-database", "0123456789ab"]},
        "heartbeats": {"IPAddress": "10.0.3.7", "Aliases": ["db-1-heartbeats", "db-1", "0123456789ab"]},
    }
    host = SimpleNamespace(id="0123456789abcdef", name="a-project-db-1-1", attrs={"NetworkSettings": {"Networks": networks}})
    containers._containers["db-1"] = host  # type: ignore[assignment] # noqa: SLF001 - what the engine listed
    assert containers.names_by_host() == {"10.0.2.7": "db-1", "10.0.3.7": "db-1"}
