"""Sockets of a process's network namespace, read from Linux's /proc/PID/net, and who has them (proc(5))."""

from __future__ import annotations

import ipaddress
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from testbed.observe.proc import PROC

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LISTEN = "LISTEN"
LISTENING = "0A"
# By their numbers in the tables (include/net/tcp_states.h).
STATES = {
    "01": "ESTABLISHED",
    "02": "SYN_SENT",
    "03": "SYN_RECV",
    "04": "FIN_WAIT1",
    "05": "FIN_WAIT2",
    "06": "TIME_WAIT",
    "07": "CLOSE",
    "08": "CLOSE_WAIT",
    "09": "LAST_ACK",
    LISTENING: LISTEN,
    "0B": "CLOSING",
    "0C": "SYN_RECV",
}
LOCAL, PEER, STATE, QUEUES, INODE = 1, 2, 3, 4, 9  # columns of /proc/net/tcp
UNIX_FLAGS, UNIX_INODE, UNIX_PATH = 3, 6, 7  # and of /proc/net/unix
ACCEPTS = 0x10000  # __SO_ACCEPTCON: it listens
MAPPED = "0000000000000000FFFF0000" if sys.byteorder == "little" else "00000000000000000000FFFF"  # ::ffff:0:0/96
WORD_BYTES = 4  # an address stands there in words of this machine's byte order
SOCKET = "socket:["
OWNERS_WITHIN_S = 2.0  # for a look at the descriptors of every process


@dataclass(frozen=True, slots=True)
class Socket:
    """A socket: TCP, with its addresses, state and queued bytes (of a listener: queued connections), or Unix, with its path as `local`.

    `ends` are the addresses of TCP as the kernel writes them.
    """

    kind: Literal["tcp", "unix"]
    inode: int
    local: str
    peer: str = ""
    state: str = ""
    queued: int = 0
    ends: tuple[str, str] = ("", "")


class SocketTable:
    """The TCP and Unix sockets of the network namespace that a process is in, read when they are first asked for.

    There may be thousands, of which few are asked for: only those are parsed.
    """

    def __init__(self, pid: int, proc: Path = PROC) -> None:
        self._directory = proc / str(pid) / "net"
        self.unread: list[str] = []  # which tables could not be read, and why

    def of(self, inode: int) -> Socket | None:
        """Return the socket with an inode."""
        row = self._tcp_by_inode.get(inode)
        return self._unix.get(inode) if row is None else _tcp_socket(row)

    def other_end(self, socket: Socket) -> Socket | None:
        """Return the other end of a TCP connection, where it is in this namespace; its inode is 0 until it is accepted."""
        row = self._tcp_by_ends.get(socket.ends[::-1]) if socket.peer else None
        return None if row is None else _tcp_socket(row)

    def listeners(self) -> list[Socket]:
        """Return the sockets that listen."""
        tcp = [_tcp_socket(row) for row in self._tcp if row[STATE] == LISTENING]
        return tcp + [socket for socket in self._unix.values() if socket.state == LISTEN]

    def listener_at(self, address: str) -> Socket | None:
        """Return the socket that listens at an address, or at its port on all addresses."""
        port, listeners = address.rpartition(":")[2], self.listeners()
        places = (address, f"0.0.0.0:{port}", f"[::]:{port}")
        return next((found for place in places for found in listeners if found.local == place), None)

    @cached_property
    def _tcp(self) -> list[list[str]]:
        """The rows of both tables of TCP, as words."""
        return [row for name in ("tcp", "tcp6") for line in self._lines(name) if len(row := line.split()) > INODE]

    @cached_property
    def _tcp_by_inode(self) -> dict[int, list[str]]:
        return {int(row[INODE]): row for row in self._tcp}

    @cached_property
    def _tcp_by_ends(self) -> dict[tuple[str, str], list[str]]:
        return {_ends(row): row for row in self._tcp if row[STATE] != LISTENING}

    @cached_property
    def _unix(self) -> dict[int, Socket]:
        return {socket.inode: socket for socket in _unix_sockets(self._lines("unix"))}

    def _lines(self, name: str) -> list[str]:
        path = self._directory / name
        try:
            return path.read_text(errors="replace").splitlines()[1:]
        except OSError as error:
            self.unread.append(f"{path}: {error.strerror}")
            return []


def owners(inodes: Iterable[int], proc: Path = PROC) -> dict[int, tuple[int, ...]]:
    """Return the processes that have each of these sockets, as far as this user may look, and 2 s allow."""
    wanted = {f"{SOCKET}{inode}]": inode for inode in inodes if inode}
    found: dict[int, set[int]] = {}
    until_s = time.monotonic() + OWNERS_WITHIN_S
    for directory in proc.iterdir() if wanted else ():
        if not directory.name.isdecimal():
            continue
        if time.monotonic() > until_s:
            break
        for _, target in descriptors(int(directory.name), proc):
            if target in wanted:
                found.setdefault(wanted[target], set()).add(int(directory.name))
    return {inode: tuple(sorted(pids)) for inode, pids in found.items()}


def descriptors(pid: int, proc: Path = PROC) -> Iterator[tuple[int, str]]:
    """Yield each descriptor of a process with what it is, such as `socket:[4711]`; none of a process that may not be looked into."""
    with suppress(OSError):
        for link in (proc / str(pid) / "fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                yield int(link.name), str(link.readlink())


def inode_of(target: str) -> int | None:
    """Return the inode of what a descriptor leads to, where it is a socket."""
    return int(target.removeprefix(SOCKET)[:-1]) if target.startswith(SOCKET) else None


def address(text: str) -> str:
    """Return an address of /proc/net/tcp or tcp6 as people write it; an IPv4 address that is mapped to IPv6 is shown as IPv4."""
    host, _, port = text.removeprefix(MAPPED).partition(":")
    raw = bytes.fromhex(host)
    if sys.byteorder == "little":
        raw = b"".join(raw[start : start + WORD_BYTES][::-1] for start in range(0, len(raw), WORD_BYTES))
    is_ipv4 = len(raw) == WORD_BYTES
    return f"{ipaddress.IPv4Address(raw)}:{int(port, 16)}" if is_ipv4 else f"[{ipaddress.IPv6Address(raw)}]:{int(port, 16)}"


def _tcp_socket(row: Sequence[str]) -> Socket:
    state = STATES.get(row[STATE], row[STATE])
    peer = "" if state == LISTEN else address(row[PEER])
    return Socket("tcp", int(row[INODE]), address(row[LOCAL]), peer, state, int(row[QUEUES].partition(":")[2], 16), _ends(row))


def _ends(row: Sequence[str]) -> tuple[str, str]:
    """Return both addresses as the kernel writes them, one that is mapped to IPv6 like any other of IPv4."""
    return row[LOCAL].removeprefix(MAPPED), row[PEER].removeprefix(MAPPED)


def _unix_sockets(lines: Iterable[str]) -> Iterator[Socket]:
    for line in lines:
        with suppress(ValueError, IndexError):
            row = line.split(maxsplit=UNIX_PATH)
            path = row[UNIX_PATH] if len(row) > UNIX_PATH else ""
            yield Socket("unix", int(row[UNIX_INODE]), path, state=LISTEN if int(row[UNIX_FLAGS], 16) & ACCEPTS else "")
