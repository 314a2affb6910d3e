from __future__ import annotations

import socket
import stat
import tempfile
from typing import TYPE_CHECKING

import pytest

from testbed.errors import FacilityError
from testbed.interactive import control_socket
from testbed.runtime import run_directory, user_home

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give every test a door of its own, at a path that is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="door-") as made:
        monkeypatch.setattr("tempfile.tempdir", made)
        yield


def test_who_knocks_where_none_is_up_is_told_how_to_start_one() -> None:
    """The message of every order without a facility names the command that starts one."""
    with pytest.raises(FacilityError, match=r"^no facility is up; start one with `testbed up`$"):
        control_socket.connect()


def test_a_second_claim_is_refused_and_the_first_stays_open() -> None:
    """Of two facilities of one user the second is told about the first, which can still be reached."""
    with control_socket.claim():
        with (
            pytest.raises(FacilityError, match="is up already; `testbed status` shows it, and `testbed down` takes it down"),
            control_socket.claim(),
        ):
            pass
        control_socket.connect().close()


def test_the_socket_of_a_killed_facility_is_nobody_and_is_taken_over() -> None:
    """What `kill -9` leaves at the door answers as none at all, and does not stand in the way of the next facility."""
    control_socket.path().parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(control_socket.path()))
        dead.listen()
    assert control_socket.path().exists()
    with pytest.raises(FacilityError, match="no facility is up"):
        control_socket.connect()
    with control_socket.claim():
        control_socket.connect().close()
    assert not control_socket.path().exists()


def test_who_closes_late_leaves_the_door_of_the_next() -> None:
    """A facility that no longer listens, and goes while the next has its place, does not take away what is no longer its own."""
    with control_socket.claim() as first:
        first.close()
        second = control_socket.claim()
        second.__enter__()
    control_socket.connect().close()
    second.__exit__(None, None, None)
    assert not control_socket.path().exists()


def test_nobody_else_may_use_the_door() -> None:
    """The socket is for its user alone."""
    with control_socket.claim():
        assert stat.S_IMODE(control_socket.path().stat().st_mode) == 0o600


def test_where_there_can_be_no_socket_the_place_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that cannot take a socket is told by its name, with what to do about it."""
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    with pytest.raises(FacilityError, match=r"no socket can be made at /nowhere/at/all/.*set TMPDIR"), control_socket.claim():
        pass


def test_the_door_is_in_the_home_of_run_directories_whatever_the_environment_calls_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's home is named by the user's number: $LOGNAME moves nothing."""
    monkeypatch.setenv("TMPDIR", tempfile.gettempdir())
    monkeypatch.setenv("LOGNAME", "somebody-else")
    assert control_socket.path().parent == run_directory.home()


def test_the_door_and_a_run_directory_share_a_home_and_the_last_to_end_removes_it() -> None:
    """Neither takes it away from under the other."""
    home = control_socket.path().parent
    with control_socket.claim():
        control_socket.connect().close()
        user_home.make(home)
        with pytest.raises(OSError, match="not empty"):
            home.rmdir()
    assert not home.exists()
    (home / "run-1").mkdir(parents=True)
    with control_socket.claim():
        pass
    assert [path.name for path in home.iterdir()] == ["run-1"]
