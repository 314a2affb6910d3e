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
    """Set a temporary directory for each test, at a path that is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="socket-") as made:
        monkeypatch.setattr("tempfile.tempdir", made)
        yield


def test_connecting_without_a_facility_says_how_to_start_one() -> None:
    """The error of every command without a running facility names the command that starts one."""
    with pytest.raises(FacilityError, match=r"^no facility is running; start one with `testbed up`$"):
        control_socket.connect()


def test_a_second_claim_is_refused_and_the_first_stays_open() -> None:
    """Of two facilities of one user the second is refused with what to do, and the first can still be reached."""
    with control_socket.claim():
        with (
            pytest.raises(FacilityError, match="is already running; `testbed status` shows it, and `testbed down` takes it down"),
            control_socket.claim(),
        ):
            pass
        control_socket.connect().close()


def test_the_socket_of_a_killed_facility_is_replaced() -> None:
    """A socket that `kill -9` left counts as no facility, and the next facility takes its path."""
    control_socket.path().parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(control_socket.path()))
        dead.listen()
    assert control_socket.path().exists()
    with pytest.raises(FacilityError, match="no facility is running"):
        control_socket.connect()
    with control_socket.claim():
        control_socket.connect().close()
    assert not control_socket.path().exists()


def test_a_facility_that_closes_late_leaves_the_socket_of_the_next() -> None:
    """A facility that no longer listens, and ends when the next has its path, does not remove that one's socket."""
    with control_socket.claim() as first:
        first.close()
        second = control_socket.claim()
        second.__enter__()
    control_socket.connect().close()
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
        control_socket.connect().close()
        user_home.make(home)
        with pytest.raises(OSError, match="not empty"):
            home.rmdir()
    assert not home.exists()
    (home / "run-1").mkdir(parents=True)
    with control_socket.claim():
        pass
    assert [path.name for path in home.iterdir()] == ["run-1"]
