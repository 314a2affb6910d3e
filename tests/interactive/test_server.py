"""`testbed up` over fakes in a thread of its own, and the other terminals in this one, with a real door between them."""

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
from testbed.journal import reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.interactive.protocol import Reply

WITHIN_S = 10.0


class Terminal(server.SilentFacilityDisplay):
    """A terminal that notes its lines, and when the facility began to come up and was ready."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.begun = threading.Event()
        self.is_ready = threading.Event()

    def line(self, text: str) -> None:
        """Note it."""
        self.lines.append(text)
        self.begun.set()

    def ready(self, status: protocol.FacilityStatus) -> None:
        """Note it."""
        assert status.services
        self.is_ready.set()


class Home:
    """A user's home: a door, runs, and the fake backend of what is held up there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.backend = FakeBackend()

    def hold(self, terminal: Terminal) -> None:
        """Hold a facility up, as `testbed up` does."""
        runs = str(self.path / f"runs-{len(self.backend.builders)}")
        asyncio.run(server.up(night.night("original", 2), self.backend, runs, terminal))

    @contextmanager
    def up(self, *, ready: bool = True) -> Iterator[Terminal]:
        """Hold one up beside this thread, and take it down where that was not done; what it raises is raised here."""
        terminal = Terminal()
        with ThreadPoolExecutor(1) as pool:
            holding = pool.submit(self.hold, terminal)
            assert (terminal.is_ready if ready else terminal.begun).wait(WITHIN_S), terminal.lines
            try:
                yield terminal
            finally:
                if not holding.done():
                    _let_down()
            holding.result(WITHIN_S)


def _let_down() -> None:
    try:
        list(client.send_command(protocol.DownCommand()))
    except FacilityError:
        return  # it went by itself meanwhile


def ask(order: protocol.Command) -> list[Reply]:
    """Order as another terminal does, and wait for the last answer."""
    return list(client.send_command(order))


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """Give a home whose path is short enough for a socket, and services that are soon ready."""
    monkeypatch.setattr(service, "START_S", 0.01)
    with tempfile.TemporaryDirectory(prefix="held-") as made:
        monkeypatch.setattr("tempfile.tempdir", made)
        yield Home(Path(made))


def test_orders_are_carried_out_and_down_takes_everything_away(home: Home) -> None:
    """Each order ends in one answer that it was done; after the last nothing is at the door, and the journal is whole."""
    with home.up() as terminal:
        assert isinstance(ask(protocol.StatusCommand())[0], protocol.FacilityStatus)
        assert ask(protocol.SwitchoverCommand())[-1] == protocol.Done("the database runs on db-2")
        assert ask(protocol.DownCommand()) == [protocol.Done("everything was taken down")]
    assert terminal.lines == ["the facility comes up", "switchover: the database runs on db-2", "the facility is taken down"]
    assert home.backend.builders[0].calls[-1] == "tear_down"
    assert not control_socket.path().exists()
    end = reader.read(next(home.path.glob("runs-0/*/original.jsonl"))).end
    assert end is not None
    assert end.reason == "complete"


def test_a_second_up_is_refused_and_builds_nothing(home: Home) -> None:
    """One user has one facility up: the second is told what to do, before anything of it was built, and the first does not notice."""
    with home.up():
        with pytest.raises(FacilityError, match=r"a facility is up already; `testbed status` shows it"):
            home.hold(Terminal())
        assert len(home.backend.builders) == 1
        assert isinstance(ask(protocol.StatusCommand())[0], protocol.FacilityStatus)


@pytest.mark.parametrize("order", [protocol.DumpThreadsCommand("cf-9"), protocol.RestartCommand("cf-9")])
def test_an_order_to_a_service_that_is_not_there_is_wrong_usage_for_who_ordered(home: Home, order: protocol.Command) -> None:
    """The error arrives on the other side as what it was, with what is allowed; the facility stays up."""
    with home.up():
        with pytest.raises(UsageError, match=r"^no service 'cf-9'; there are cf-1, cf-2, kiosk, ivr, partner$"):
            ask(order)
        assert isinstance(ask(protocol.StatusCommand())[0], protocol.FacilityStatus)


@pytest.mark.parametrize(
    "order",
    [
        protocol.StatusCommand(),
        protocol.SwitchoverCommand(),
        protocol.RestartCommand("cf-1"),
        protocol.LoadCommand(1.0, 1.0, 1),
        protocol.DownCommand(),
    ],
)
def test_an_order_with_no_facility_up_says_how_to_start_one(home: Home, order: protocol.Command) -> None:
    """Whatever is ordered, the one thing that is wrong is told."""
    assert home.backend.builders == []
    with pytest.raises(FacilityError, match=r"^no facility is up; start one with `testbed up`$"):
        ask(order)


def test_while_it_comes_up_orders_are_refused_and_down_breaks_the_building_off(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is too early is told so; `down` does not wait for what is still building, and takes away what is there of it."""
    monkeypatch.setattr(service, "START_S", 60.0)
    with home.up(ready=False) as terminal:
        with pytest.raises(TestbedError, match=r"the facility is coming up or going down; its terminal tells when it is ready"):
            ask(protocol.StatusCommand())
        assert ask(protocol.DownCommand()) == [protocol.Done("everything was taken down")]
    assert not terminal.is_ready.is_set()
    assert home.backend.builders[0].calls[-1] == "tear_down"
    assert not control_socket.path().exists()
    end = reader.read(next(home.path.glob("runs-0/*/original.jsonl"))).end
    assert end is not None
    assert end.reason == "interrupted"


def test_two_who_take_it_down_at_once_do_not_break_the_taking_down_off(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second `down` waits for what the first has begun: everything is taken down to the end, and both are told."""
    second: list[threading.Thread] = []
    told: list[Reply] = []
    ended: list[str] = []

    async def slow(self: FakeBuilder) -> None:
        second.append(threading.Thread(target=lambda: told.extend(ask(protocol.DownCommand()))))
        second[0].start()
        await asyncio.sleep(0.3)
        ended.append(self.calls[-1])

    monkeypatch.setattr(FakeBuilder, "tear_down", slow)
    with home.up():
        assert ask(protocol.DownCommand()) == [protocol.Done("everything was taken down")]
        second[0].join(WITHIN_S)
    assert told == [protocol.Done("everything was taken down")]
    assert ended == ["build"]


def test_ctrl_c_ends_a_load_and_nothing_else(home: Home) -> None:
    """The load tells what became of it and is over; the facility stays up, with nobody waiting, and takes another."""
    before = signal.getsignal(signal.SIGINT)
    with home.up():
        answers: list[Reply] = []
        for answer in client.send_command(protocol.LoadCommand(20.0, 60.0, 1)):
            if not answers:
                signal.raise_signal(signal.SIGINT)
            answers.append(answer)
        assert answers[-1] == protocol.Done("ended by whoever sent it; those who waited gave up")
        last = answers[-2]
        assert isinstance(last, protocol.LoadStatus)
        assert 0 < last.sent < last.of
        [status] = ask(protocol.StatusCommand())[:1]
        assert isinstance(status, protocol.FacilityStatus)
        assert status.load is not None
        assert status.load.sent == last.sent
        assert ask(protocol.LoadCommand(50.0, 0.1, 2))[-1] == protocol.Done("5 sent: 5 answered, 0 failed, 0 still waiting (unanswered)")
    assert signal.getsignal(signal.SIGINT) is before


def test_two_orders_at_once_are_both_carried_out(home: Home) -> None:
    """A load, and a look at it meanwhile, from two terminals."""
    with home.up():
        load = client.send_command(protocol.LoadCommand(20.0, 1.5, 1))
        first = next(load)
        assert isinstance(first, protocol.LoadStatus)
        status = ask(protocol.StatusCommand())[0]
        assert isinstance(status, protocol.FacilityStatus)
        assert status.load is not None
        assert status.load.of == 30
        assert list(load)[-1] == protocol.Done("30 sent: 30 answered, 0 failed, 0 still waiting (unanswered)")


def test_a_load_is_told_when_the_facility_is_taken_down_under_it(home: Home) -> None:
    """Who waits for an order that can no longer be carried out is told so, and does not wait for ever."""
    with home.up():
        load = client.send_command(protocol.LoadCommand(20.0, 60.0, 1))
        next(load)
        assert ask(protocol.DownCommand()) == [protocol.Done("everything was taken down")]
        with pytest.raises(FacilityError, match=r"the facility was taken down before this was done"):
            list(load)


def test_a_facility_that_cannot_be_built_leaves_an_open_way_for_the_next(home: Home) -> None:
    """Its error is passed on, its journal says that it failed, and the next one comes up at the same door."""
    home.backend.failures = [FacilityError("cf-1 was not ready")]
    with pytest.raises(FacilityError, match=r"^cf-1 was not ready$"):
        home.hold(Terminal())
    end = reader.read(next(home.path.glob("runs-0/*/original.jsonl"))).end
    assert end is not None
    assert end.reason == "failed"
    with home.up():
        assert isinstance(ask(protocol.StatusCommand())[0], protocol.FacilityStatus)
