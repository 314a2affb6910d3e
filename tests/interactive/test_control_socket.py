from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from testbed.errors import FacilityError, UsageError
from testbed.interactive import client, control_socket, protocol
from testbed.interactive.control_socket import DEFAULT
from testbed.interactive.identity import Identity, checkout
from testbed.runtime import run_directory, user_home

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set a temporary directory for each test, at a path that is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="socket-") as made:
        monkeypatch.setattr("tempfile.tempdir", made)
        yield


def test_connecting_without_a_facility_says_how_to_start_one() -> None:
    """The error of every command without a running facility names the command that starts one."""
    with pytest.raises(FacilityError, match=r"^no facility is running; start one with `testbed up`$"):
        control_socket.connect(DEFAULT)


def test_a_second_claim_is_refused_and_the_first_stays_open() -> None:
    """Of two facilities of one user the second is refused with what to do, and the first can still be reached."""
    with control_socket.claim():
        with (
            pytest.raises(FacilityError, match="is already running as facility; `testbed status` shows it, `testbed down` takes it down"),
            control_socket.claim(),
        ):
            pass
        control_socket.connect(DEFAULT).close()


def test_the_socket_of_a_killed_facility_is_replaced() -> None:
    """A socket that `kill -9` left counts as no facility, and the next facility takes its path."""
    control_socket.path().parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(control_socket.path()))
        dead.listen()
    assert control_socket.path().exists()
    with control_socket.claim():
        control_socket.connect(DEFAULT).close()
    assert not control_socket.path().exists()


def test_a_facility_that_closes_late_leaves_the_socket_of_the_next() -> None:
    """A facility that no longer listens, and ends when the next has its path, does not remove that one's socket."""
    with control_socket.claim() as first:
        first.close()
        second = control_socket.claim()
        second.__enter__()
    control_socket.connect(DEFAULT).close()
    second.__exit__(None, None, None)
    assert not control_socket.path().exists()


def test_only_its_user_may_open_the_socket() -> None:
    """The socket's mode is 0600."""
    with control_socket.claim():
        assert stat.S_IMODE(control_socket.path().stat().st_mode) == 0o600


def test_a_socket_that_cannot_be_created_is_named_by_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the path, and says how to choose another directory."""
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    with pytest.raises(FacilityError, match=r"cannot create a socket at /nowhere/at/all/.*set TMPDIR"), control_socket.claim():
        pass


def test_the_socket_is_in_the_home_of_run_directories_whatever_the_environment_calls_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's home is named by the user's number: $LOGNAME moves nothing."""
    monkeypatch.setenv("TMPDIR", tempfile.gettempdir())
    monkeypatch.setenv("LOGNAME", "somebody-else")
    assert control_socket.path().parent == run_directory.home()


def test_the_socket_and_a_run_directory_share_a_home_and_the_last_to_end_removes_it() -> None:
    """Neither takes it away from under the other."""
    home = control_socket.path().parent
    with control_socket.claim():
        control_socket.connect(DEFAULT).close()
        user_home.make(home)
        with pytest.raises(OSError, match="not empty"):
            home.rmdir()
    assert not home.exists()
    (home / "run-1").mkdir(parents=True)
    with control_socket.claim():
        pass
    assert [path.name for path in home.iterdir()] == ["run-1"]


def dead(name: str) -> None:
    """Leave the socket of a facility that was killed."""
    control_socket.home().mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(control_socket.path(name)))
        killed.listen()


def test_the_socket_of_a_killed_facility_is_swept_by_the_next_command() -> None:
    """Whichever it is; the directory goes with the last."""
    dead("facility")
    dead("other")
    with pytest.raises(FacilityError, match=r"^no facility is running; start one with `testbed up`$"):
        control_socket.connect(DEFAULT)
    assert not control_socket.home().exists()


def test_the_run_directory_of_a_killed_facility_is_swept_by_the_next_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its array takes memory, and what comes next may be no replay; that of a living run stays."""
    monkeypatch.setenv("TMPDIR", tempfile.gettempdir())
    dead("facility")
    living = run_directory.create_run_directory()
    killed = living.path.with_name("run-killed")
    killed.mkdir()
    for file in (run_directory.LOCK, "array"):
        (killed / file).touch()
    assert control_socket.running() == ()
    assert [path.name for path in control_socket.home().iterdir()] == [living.path.name]
    living.remove()


def test_facilities_are_told_apart_by_their_names() -> None:
    """Each has its own socket; a name that does not run is told with those that do."""
    dead("killed")
    with control_socket.claim("morning"), control_socket.claim("night"):
        assert control_socket.running() == ("morning", "night")
        control_socket.connect("morning").close()
        with pytest.raises(FacilityError, match=r"^no facility is running as noon; there are morning, night$"):
            control_socket.connect("noon")
        with pytest.raises(UsageError, match=r"^2 facilities are running: morning, night; say which with --name$"):
            client.the_one(None)
        assert client.the_one("night") == "night"
    assert control_socket.running() == ()
    assert client.the_one(None) == DEFAULT


def test_the_only_one_that_runs_is_meant_where_no_name_is_given() -> None:
    """Whatever it is called."""
    with control_socket.claim("night"):
        assert client.the_one(None) == "night"


@pytest.mark.parametrize("name", ["", "..", "a/b", "Night", "1", "a" * 21, "a\n"])
def test_what_is_no_name_is_refused(name: str) -> None:
    """It becomes a path."""
    with pytest.raises(UsageError, match=r"^--name: found "):
        control_socket.path(name)


def test_a_facility_whose_process_is_stopped_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel makes the connection, and nobody reads the command: the message has the process, and what to do."""
    monkeypatch.setattr(control_socket, "ANSWERS_WITHIN_S", 0.2)
    program = f"""
import os, signal, tempfile
from testbed.interactive import control_socket
tempfile.tempdir = {tempfile.gettempdir()!r}
with control_socket.claim("night"):
    print("ready", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as stopped:
        assert stopped.stdout is not None
        assert stopped.stdout.readline() == "ready\n"
        try:
            holder = f"process {stopped.pid}, which holds it" if sys.platform == "linux" else "the process that holds it"
            for command in (protocol.StatusCommand(), protocol.DownCommand(), protocol.LoadCommand(1, 1, 1)):
                with pytest.raises(FacilityError, match=rf"^the facility night does not answer: {holder}, .*continue"):
                    list(client.send_command(command, "night"))
        finally:
            stopped.kill()


def test_a_facility_that_takes_no_more_connections_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """It still counts as running, and no other takes its name."""
    monkeypatch.setattr(control_socket, "ANSWERS_WITHIN_S", 0.2)
    monkeypatch.setattr(control_socket, "BACKLOG", 2)
    with control_socket.claim("night"), ExitStack() as stack:
        for _ in range(control_socket.BACKLOG + 1):  # that is how Linux counts
            stack.enter_context(control_socket.connect("night"))
        with pytest.raises(FacilityError, match=r"^the facility night does not answer: 2 connections wait at .*continue it"):
            control_socket.connect("night")
        assert control_socket.running() == ("night",)
        with pytest.raises(FacilityError, match="is already running as night"), control_socket.claim("night"):
            pass


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")


@needs_root
def test_nothing_is_sent_where_the_home_is_another_user_s() -> None:
    """They could listen there, and be sent a `down`, or whatever comes."""
    control_socket.home().mkdir()
    os.chown(control_socket.home(), 65534, 65534)
    with pytest.raises(FacilityError, match="belongs to another user; nothing was sent"):
        control_socket.connect(DEFAULT)
    assert control_socket.running() == ()


@needs_root
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who listens")
def test_nothing_is_sent_to_another_user_who_listens_in_our_home() -> None:
    """However they came there: the kernel says whose socket it is."""
    control_socket.home().mkdir()
    control_socket.home().chmod(0o777)
    program = """
import os, socket, sys
os.setuid(65534)
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
os.chmod(sys.argv[1], 0o777)
print("ready", flush=True)
connection, _ = listener.accept()
print(connection.recv(100), flush=True)
"""
    command = [sys.executable, "-c", program, str(control_socket.path())]
    control_socket.home().parent.chmod(0o755)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        with pytest.raises(FacilityError, match=r"another user, number 65534, listens at .*; nothing was sent"):
            control_socket.connect(DEFAULT)
        assert other.stdout.readline() == "b''\n"


def test_a_command_of_another_checkout_is_refused_unless_forced() -> None:
    """The message names both."""
    identity = Identity(checkout="/here")
    identity.require("/here", force=False)
    identity.require("/there", force=True)
    with pytest.raises(FacilityError, match=r"^facility facility was built by /here, and this command comes from /there; give --force if"):
        identity.require("/there", force=False)
    assert protocol.DownCommand().checkout == checkout()
