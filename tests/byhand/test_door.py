from __future__ import annotations

import socket
import stat
import tempfile
from typing import TYPE_CHECKING

import pytest

from testbed.byhand import door
from testbed.errors import FacilityError
from testbed.runtime import rundir, user_home

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
        door.connect()


def test_a_second_claim_is_refused_and_the_first_stays_open() -> None:
    """Of two facilities of one user the second is told about the first, which can still be reached."""
    with door.claim():
        with pytest.raises(FacilityError, match="is up already; `testbed status` shows it, and `testbed down` takes it down"), door.claim():
            pass
        door.connect().close()


def test_the_socket_of_a_killed_facility_is_nobody_and_is_taken_over() -> None:
    """What `kill -9` leaves at the door answers as none at all, and does not stand in the way of the next facility."""
    door.path().parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(door.path()))
        dead.listen()
    assert door.path().exists()
    with pytest.raises(FacilityError, match="no facility is up"):
        door.connect()
    with door.claim():
        door.connect().close()
    assert not door.path().exists()


def test_who_closes_late_leaves_the_door_of_the_next() -> None:
    """A facility that no longer listens, and goes while the next has its place, does not take away what is no longer its own."""
    with door.claim() as first:
        first.close()
        second = door.claim()
        second.__enter__()
    door.connect().close()
    second.__exit__(None, None, None)
    assert not door.path().exists()


def test_nobody_else_may_use_the_door() -> None:
    """The socket is for its user alone."""
    with door.claim():
        assert stat.S_IMODE(door.path().stat().st_mode) == 0o600


def test_where_there_can_be_no_socket_the_place_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that cannot take a socket is told by its name, with what to do about it."""
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    with pytest.raises(FacilityError, match=r"no socket can be made at /nowhere/at/all/.*set TMPDIR"), door.claim():
        pass


def test_the_door_is_in_the_home_of_run_directories_whatever_the_environment_calls_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's home is named by the user's number: $LOGNAME moves nothing."""
    monkeypatch.setenv("TMPDIR", tempfile.gettempdir())
    monkeypatch.setenv("LOGNAME", "somebody-else")
    assert door.path().parent == rundir.home()


def test_the_door_and_a_run_directory_share_a_home_and_the_last_to_end_removes_it() -> None:
    """Neither takes it away from under the other."""
    home = door.path().parent
    with door.claim():
        door.connect().close()
        user_home.make(home)
        with pytest.raises(OSError, match="not empty"):
            home.rmdir()
    assert not home.exists()
    (home / "run-1").mkdir(parents=True)
    with door.claim():
        pass
    assert [path.name for path in home.iterdir()] == ["run-1"]
