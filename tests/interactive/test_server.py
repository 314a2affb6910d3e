"""`testbed up` over fakes in a thread of its own, the clients in this one, and a real control socket between them."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbed.errors import FacilityError, TestbedError, UsageError
from testbed.fakes import service
from testbed.fakes.backend import FakeBackend
from testbed.fakes.builder import FakeBuilder
from testbed.interactive import client, control_socket, night, protocol, server
from testbed.interactive.executor import Executor
from testbed.journal import reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.interactive.protocol import Reply

WITHIN_S = 10.0


class Terminal(server.SilentFacilityDisplay):
    """A display that keeps its lines, and events for the first line and for ready."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.begun = threading.Event()
        self.is_ready = threading.Event()

    def line(self, text: str) -> None:
        """Keep the line."""
        self.lines.append(text)
        self.begun.set()

    def ready(self, status: protocol.FacilityStatus) -> None:
        """Set the event."""
        assert status.services
        self.is_ready.set()


class Home:
    """A user's temporary directory: the control socket, runs, and the fake backend."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.backend = FakeBackend()

    def run(self, terminal: Terminal) -> None:
        """Run `testbed up` until it ends."""
        runs = str(self.path / f"runs-{len(self.backend.builders)}")
        asyncio.run(server.up(night.night("original", 2), self.backend, runs, terminal))

    @contextmanager
    def up(self, *, ready: bool = True) -> Iterator[Terminal]:
        """Run `testbed up` in another thread, and take the facility down at the end; raise what it raises."""
        terminal = Terminal()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(self.run, terminal)
            assert (terminal.is_ready if ready else terminal.begun).wait(WITHIN_S), terminal.lines
            try:
                yield terminal
            finally:
                if not running.done():
                    _take_down()
            running.result(WITHIN_S)


def _take_down() -> None:
    try:
        list(client.send_command(protocol.DownCommand()))
    except FacilityError:
        return  # it has ended by itself


def send(command: protocol.Command) -> list[Reply]:
    """Send a command as another terminal does; return all its replies."""
    return list(client.send_command(command))


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """Return a temporary directory whose path is short enough for a socket, with services that are soon ready."""
    monkeypatch.setattr(service, "START_S", 0.01)
    with tempfile.TemporaryDirectory(prefix="up-") as made:
        monkeypatch.setattr("tempfile.tempdir", made)
        yield Home(Path(made))


def test_commands_are_carried_out_and_down_removes_everything(home: Home) -> None:
    """Each command ends in one reply that it was done; after `down` there is no socket, and the journal is complete."""
    with home.up() as terminal:
        assert isinstance(send(protocol.StatusCommand())[0], protocol.FacilityStatus)
        assert send(protocol.SwitchoverCommand())[-1] == protocol.DoneReply("the database runs on db-2")
        assert send(protocol.DownCommand()) == [protocol.DoneReply("everything was taken down")]
    assert terminal.lines == ["the facility is being built", "switchover: the database runs on db-2", "the facility is being taken down"]
    assert home.backend.builders[0].calls[-1] == "tear_down"
    assert not control_socket.path().exists()
    end = reader.read(next(home.path.glob("runs-0/*/original.jsonl"))).end
    assert end is not None
    assert end.reason == "complete"


def test_a_second_up_is_refused_and_builds_nothing(home: Home) -> None:
    """Of one name there is one facility: the second is refused before anything is built, and the first still answers."""
    with home.up():
        with pytest.raises(FacilityError, match=r"a facility is already running as facility; `testbed status` shows it"):
            home.run(Terminal())
        assert len(home.backend.builders) == 1
        assert isinstance(send(protocol.StatusCommand())[0], protocol.FacilityStatus)


@pytest.mark.parametrize("kind", [protocol.SwitchoverCommand, protocol.DownCommand])
def test_a_command_of_another_checkout_is_refused_until_it_is_forced(home: Home, kind: type[protocol.SwitchoverCommand]) -> None:
    """The facility stays as it is: nobody takes down what they have not built, unless they mean it."""
    with home.up():
        with pytest.raises(
            FacilityError, match=r"^facility facility was built by .*, and this command comes from /elsewhere; give --force"
        ):
            send(kind(checkout="/elsewhere"))
        assert send(protocol.StatusCommand())
        assert send(kind(checkout="/elsewhere", force=True))


@pytest.mark.parametrize("command", [protocol.DumpThreadsCommand("cf-9"), protocol.RestartCommand("cf-9")])
def test_a_command_for_an_unknown_service_is_wrong_usage_for_its_client(home: Home, command: protocol.Command) -> None:
    """The client raises the error with what is allowed; the facility keeps running."""
    with home.up():
        with pytest.raises(UsageError, match=r"^no service 'cf-9', did you mean cf-2\?; there are cf-1, cf-2, kiosk, ivr, partner$"):
            send(command)
        assert isinstance(send(protocol.StatusCommand())[0], protocol.FacilityStatus)


@pytest.mark.parametrize(
    "command",
    [
        protocol.StatusCommand(),
        protocol.SwitchoverCommand(),
        protocol.RestartCommand("cf-1"),
        protocol.LoadCommand(1.0, 1.0, 1),
        protocol.DownCommand(),
    ],
)
def test_a_command_without_a_facility_says_how_to_start_one(home: Home, command: protocol.Command) -> None:
    """Every command fails with the same error."""
    assert home.backend.builders == []
    with pytest.raises(FacilityError, match=r"^no facility is running; start one with `testbed up`$"):
        send(command)


def test_while_it_is_built_commands_are_refused_and_down_breaks_the_building_off(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """An early command is refused; `down` does not wait for the rest of the facility, and removes what was built of it."""
    monkeypatch.setattr(service, "START_S", 60.0)
    with home.up(ready=False) as terminal:
        with pytest.raises(TestbedError, match=r"the facility is starting or being taken down; its terminal says when it is ready"):
            send(protocol.StatusCommand())
        assert send(protocol.DownCommand()) == [protocol.DoneReply("everything was taken down")]
    assert not terminal.is_ready.is_set()
    assert home.backend.builders[0].calls[-1] == "tear_down"
    assert not control_socket.path().exists()
    end = reader.read(next(home.path.glob("runs-0/*/original.jsonl"))).end
    assert end is not None
    assert end.reason == "interrupted"


def test_two_downs_at_once_do_not_break_the_taking_down_off(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second `down` waits for what the first has begun: everything is taken down, and both get the reply."""
    second: list[threading.Thread] = []
    replies: list[Reply] = []
    ended: list[str] = []

    async def slow(self: FakeBuilder) -> None:
        second.append(threading.Thread(target=lambda: replies.extend(send(protocol.DownCommand()))))
        second[0].start()
        await asyncio.sleep(0.3)
        ended.append(self.calls[-1])

    monkeypatch.setattr(FakeBuilder, "tear_down", slow)
    with home.up():
        assert send(protocol.DownCommand()) == [protocol.DoneReply("everything was taken down")]
        second[0].join(WITHIN_S)
    assert replies == [protocol.DoneReply("everything was taken down")]
    assert ended == ["build"]


def test_ctrl_c_ends_a_load_and_nothing_else(home: Home) -> None:
    """The load reports its progress and is over; the facility keeps running, with nobody waiting, and takes another load."""
    before = signal.getsignal(signal.SIGINT)
    with home.up():
        replies: list[Reply] = []
        for reply in client.send_command(protocol.LoadCommand(20.0, 60.0, 1)):
            if not replies:
                signal.raise_signal(signal.SIGINT)
            replies.append(reply)
        assert replies[-1] == protocol.DoneReply("ended by its sender; passengers who still waited gave up")
        last = replies[-2]
        assert isinstance(last, protocol.LoadStatus)
        assert 0 < last.sent < last.of
        [status] = send(protocol.StatusCommand())[:1]
        assert isinstance(status, protocol.FacilityStatus)
        assert status.load is not None
        assert status.load.sent == last.sent
        assert send(protocol.LoadCommand(50.0, 0.1, 2))[-1] == protocol.DoneReply(
            "5 sent: 5 answered, 0 failed, 0 still waiting (unanswered)"
        )
    assert signal.getsignal(signal.SIGINT) is before


def test_two_commands_at_once_are_both_carried_out(home: Home) -> None:
    """A load, and a status of it meanwhile, from two clients."""
    with home.up():
        load = client.send_command(protocol.LoadCommand(20.0, 1.5, 1))
        first = next(load)
        assert isinstance(first, protocol.LoadStatus)
        status = send(protocol.StatusCommand())[0]
        assert isinstance(status, protocol.FacilityStatus)
        assert status.load is not None
        assert status.load.of == 30
        assert list(load)[-1] == protocol.DoneReply("30 sent: 30 answered, 0 failed, 0 still waiting (unanswered)")


def test_a_command_may_take_longer_than_silence_is_waited_for(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the facility is at work it says so, and nothing of that is shown."""
    monkeypatch.setattr(control_socket, "ANSWERS_WITHIN_S", 0.5)
    monkeypatch.setattr(server, "WORKING_EVERY_S", 0.05)

    async def carry_out(*_: object) -> str:
        await asyncio.sleep(1.5)
        return "done at last"

    with home.up():
        monkeypatch.setattr(Executor, "carry_out", carry_out)
        assert list(client.send_command(protocol.SwitchoverCommand())) == [protocol.DoneReply("done at last")]


def test_a_line_that_is_longer_than_any_command_is_refused(home: Home) -> None:
    """The reply says so, and the facility keeps running."""
    with home.up():
        with control_socket.connect(control_socket.DEFAULT) as connection, connection.makefile("rb") as lines:
            connection.sendall(b"x" * 100_000)
            assert protocol.decode_reply(lines.readline()) == protocol.RefusedReply("not a command: the line is too long", 3)
        assert isinstance(send(protocol.StatusCommand())[0], protocol.FacilityStatus)


def test_an_error_of_the_testbed_itself_is_not_taken_for_a_wrong_command(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is sent to the terminal that shows it; the facility keeps running."""

    async def broken(*_: object) -> str:
        raise ValueError("a mistake of ours")

    with home.up():
        with monkeypatch.context() as patched:
            patched.setattr(Executor, "carry_out", broken)
            with pytest.raises(FacilityError, match=r"^the facility went away before this was done; see the terminal of `testbed up`$"):
                send(protocol.StatusCommand())
        assert isinstance(send(protocol.StatusCommand())[0], protocol.FacilityStatus)


def test_a_load_fails_when_the_facility_is_taken_down_under_it(home: Home) -> None:
    """A client whose command can no longer be carried out gets an error, and does not wait for ever."""
    with home.up():
        load = client.send_command(protocol.LoadCommand(20.0, 60.0, 1))
        next(load)
        assert send(protocol.DownCommand()) == [protocol.DoneReply("everything was taken down")]
        with pytest.raises(FacilityError, match=r"the facility was taken down before this was done"):
            list(load)


def test_a_facility_that_cannot_be_built_does_not_stop_the_next(home: Home) -> None:
    """Its error is passed on, its journal says that it failed, and the next one uses the same socket."""
    home.backend.failures = [FacilityError("cf-1 was not ready")]
    with pytest.raises(FacilityError, match=r"^cf-1 was not ready$"):
        home.run(Terminal())
    end = reader.read(next(home.path.glob("runs-0/*/original.jsonl"))).end
    assert end is not None
    assert end.reason == "failed"
    with home.up():
        assert isinstance(send(protocol.StatusCommand())[0], protocol.FacilityStatus)
