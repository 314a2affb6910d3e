from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from testbed.observe import netlink
from testbed.observe.sockets import SocketTable, address, inode_of, owners
from testbed.observe.system_calls import NUMBERS, call_name
from testbed.observe.thread_waits import RUNNING, thread_waits

if TYPE_CHECKING:
    from pathlib import Path

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")
PID, THREAD = 7, 8


def write_proc(directory: Path, syscall: str | None, wchan: str = "") -> Path:
    """Write the /proc of a process with one thread."""
    task = directory / str(PID) / "task" / str(THREAD)
    task.mkdir(parents=True)
    if syscall is not None:
        (task / "syscall").write_text(syscall)
    (task / "wchan").write_text(wchan)
    return directory


def number(name: str) -> int:
    """Return this machine's number of a system call."""
    return next(found for found in NUMBERS["x86_64"] if call_name(found, "x86_64") == name)


@pytest.mark.parametrize("text", ["running", "-1 0x7ffe 0x7f0", ""])
def test_a_thread_in_no_system_call_is_running(text: str, tmp_path: Path) -> None:
    """As also one that the kernel holds for another reason, such as a page."""
    assert thread_waits(PID, proc=write_proc(tmp_path, text)) == {THREAD: RUNNING}


def test_a_kernel_that_does_not_tell_is_named(tmp_path: Path) -> None:
    """Unknown, with the reason, and never left out."""
    wait = thread_waits(PID, proc=write_proc(tmp_path, None))[THREAD]
    assert (wait.kind, "CONFIG_HAVE_ARCH_TRACEHOOK" in wait.detail) == ("unknown", True)


@pytest.mark.parametrize(("wchan", "kind"), [("futex_wait_queue", "lock"), ("hrtimer_nanosleep", "sleep"), ("strange", "unknown")])
def test_an_interrupted_call_is_told_by_where_the_kernel_sleeps(
    wchan: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on as `restart_syscall`, with the arguments that it had."""
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    text = f"{number('restart_syscall')} 0x1000 0x189 0x0 0x7f00 0x0 0xffffffff 0x7f10 0x7f20"
    assert thread_waits(PID, proc=write_proc(tmp_path, text, wchan))[THREAD].kind == kind


def test_a_futex_is_known_by_its_address_and_whether_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the address threads at one lock are told; the fourth argument is its time-out."""
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    proc = write_proc(tmp_path, f"{number('futex')} 0x1000 0x189 0x0 0x0 0x0 0xffffffff 0x7f10 0x7f20")
    wait = thread_waits(PID, proc=proc)[THREAD]
    assert (wait.kind, wait.lock, wait.timed) == ("lock", 0x1000, False)


def test_a_call_that_is_not_known_is_unknown_by_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As every call of a machine whose numbers are not known."""
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    wait = thread_waits(PID, proc=write_proc(tmp_path, "98 0x1000 0x0 0x0 0x0 0x0 0x0 0x7f10 0x7f20"))[THREAD]
    assert (wait.kind, wait.call) == ("unknown", "system call 98")


def test_a_process_that_is_gone_has_no_threads(tmp_path: Path) -> None:
    """Nothing is known of it."""
    assert thread_waits(PID, proc=tmp_path) == {}


def test_both_machines_know_the_same_calls() -> None:
    """But for those that only the older of them has."""
    older = {"poll", "select", "pause", "epoll_wait"}
    assert set(NUMBERS["x86_64"].values()) - set(NUMBERS["aarch64"].values()) == older
    assert set(NUMBERS["aarch64"].values()) - set(NUMBERS["x86_64"].values()) == set()


@pytest.mark.skipif(sys.byteorder != "little", reason="the samples are of a machine of little endian")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0100007F:1F90", "127.0.0.1:8080"),
        ("00000000:0016", "0.0.0.0:22"),
        ("0000000000000000FFFF00000100007F:1F90", "127.0.0.1:8080"),
        ("00000000000000000000000001000000:1538", "[::1]:5432"),
        ("B80D0120000000000000000001000000:0050", "[2001:db8::1]:80"),
    ],
)
def test_addresses_are_shown_as_people_write_them(text: str, shown: str) -> None:
    """An IPv4 address that is mapped to IPv6 is one of IPv4."""
    assert address(text) == shown


@needs_linux
def test_a_connection_is_found_from_either_end() -> None:
    """Also where one end is IPv6 with a mapped address; and before it is accepted, its listener."""
    with socket.socket(socket.AF_INET6) as listener:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("::", 0))
        listener.listen(3)
        with socket.create_connection(("127.0.0.1", listener.getsockname()[1])) as client:
            mine = SocketTable(os.getpid()).of(os.fstat(client.fileno()).st_ino)
            assert mine is not None
            waiting = SocketTable(os.getpid()).other_end(mine)
            assert waiting is not None
            assert waiting.inode == 0
            found = SocketTable(os.getpid()).listener_at(mine.peer)
            assert found is not None
            assert (found.inode, found.queued) == (os.fstat(listener.fileno()).st_ino, 1)
            assert netlink.backlogs(os.getpid())[found.inode] == 3
            accepted, _ = listener.accept()
            with accepted:
                inode = os.fstat(accepted.fileno()).st_ino
                other = SocketTable(os.getpid()).other_end(mine)
                assert other is not None
                assert (other.inode, other.local, other.peer, other.state) == (inode, mine.peer, mine.local, "ESTABLISHED")
                assert os.getpid() in owners([inode])[inode]


@needs_linux
def test_the_other_end_of_a_unix_socket_is_known() -> None:
    """The kernel's socket diagnostics tell."""
    left, right = socket.socketpair()
    with left, right:
        assert netlink.unix_peers(os.getpid())[os.fstat(left.fileno()).st_ino] == os.fstat(right.fileno()).st_ino


def test_a_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A socket is not found there, and it is said why."""
    table = SocketTable(PID, tmp_path)
    assert table.of(1) is None
    assert len(table.unread) == 3
    assert all("No such file" in reason for reason in table.unread)


def test_only_sockets_have_an_inode() -> None:
    """A pipe is none."""
    assert (inode_of("socket:[4711]"), inode_of("pipe:[4711]")) == (4711, None)
