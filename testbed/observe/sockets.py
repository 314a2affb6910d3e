"""Sockets of a process's network namespace, read from Linux's /proc/PID/net, and who has them (proc(5))."""

from __future__ import annotations

import ipaddress
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.observe.proc import PROC

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LISTEN = "LISTEN"
# In the kernel's order, from 1 (include/net/tcp_states.h).
STATES = (
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    LISTEN,
    "CLOSING",
)
WORD_BYTES = 4  # an address stands there in words of this machine's byte order
OWNERS_WITHIN_S = 2.0  # for a look at the descriptors of every process


@dataclass(frozen=True, slots=True)
class Socket:
    """A socket: TCP, with its addresses, state and queued bytes (of a listener: queued connections), or Unix, with its path as `local`."""

    kind: str
    inode: int
    local: str
    peer: str = ""
    state: str = ""
    queued: int = 0


class SocketTable:
    """The TCP and Unix sockets of the network namespace that a process is in, read when they are first asked for."""

    def __init__(self, pid: int, proc: Path = PROC) -> None:
        self._directory = proc / str(pid) / "net"
        self.unread: list[str] = []  # which tables could not be read, and why

    @cached_property
    def sockets(self) -> tuple[Socket, ...]:
        """All of them."""
        found: list[Socket] = []
        for name, parse in (("tcp", _tcp), ("tcp6", _tcp), ("unix", _unix)):
            path = self._directory / name
            try:
                lines = path.read_text(errors="replace").splitlines()[1:]
            except OSError as error:
                self.unread.append(f"{path}: {error.strerror}")
            else:
                found += parse(lines)
        return tuple(found)

    def of(self, inode: int) -> Socket | None:
        """Return the socket with an inode."""
        return self._by_inode.get(inode)

    def other_end(self, socket: Socket) -> Socket | None:
        """Return the other end of a TCP connection, where it is in this namespace; its inode is 0 until it is accepted."""
        return self._by_ends.get((socket.peer, socket.local)) if socket.peer else None

    def listener_at(self, address: str) -> Socket | None:
        """Return the socket that listens at an address, or at its port on all addresses."""
        port = address.rpartition(":")[2]
        places = (address, f"0.0.0.0:{port}", f"[::]:{port}")
        return next((found for place in places for found in self.sockets if found.state == LISTEN and found.local == place), None)

    @cached_property
    def _by_inode(self) -> dict[int, Socket]:
        return {socket.inode: socket for socket in self.sockets}

    @cached_property
    def _by_ends(self) -> dict[tuple[str, str], Socket]:
        return {(socket.local, socket.peer): socket for socket in self.sockets if socket.peer}


def owners(inodes: Iterable[int], proc: Path = PROC) -> dict[int, tuple[int, ...]]:
    """Return the processes that have each of these sockets, as far as this user may look, and 2 s allow."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes if inode}
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
    return int(target[8:-1]) if target.startswith("socket:[") else None


def _tcp(lines: Iterable[str]) -> Iterator[Socket]:
    for line in lines:
        with suppress(ValueError, IndexError):
            words = line.split()
            state = STATES[int(words[3], 16) - 1]
            peer = "" if state == LISTEN else address(words[2])
            yield Socket("tcp", int(words[9]), address(words[1]), peer, state, int(words[4].partition(":")[2], 16))


def _unix(lines: Iterable[str]) -> Iterator[Socket]:
    for line in lines:
        with suppress(ValueError, IndexError):
            words = line.split(maxsplit=7)
            listens = int(words[3], 16) & 0x10000  # __SO_ACCEPTCON
            yield Socket("unix", int(words[6]), words[7] if len(words) > 7 else "", "", LISTEN if listens else "")  # noqa: PLR2004 - the path


def address(text: str) -> str:
    """Return an address of /proc/net/tcp or tcp6 as people write it; an IPv4 address that is mapped to IPv6 is shown as IPv4."""
    host, _, port = text.partition(":")
    raw = bytes.fromhex(host)
    if sys.byteorder == "little":
        raw = b"".join(raw[start : start + WORD_BYTES][::-1] for start in range(0, len(raw), WORD_BYTES))
    if len(raw) == WORD_BYTES:
        return f"{ipaddress.IPv4Address(raw)}:{int(port, 16)}"
    found = ipaddress.IPv6Address(raw)
    return f"{found.ipv4_mapped}:{int(port, 16)}" if found.ipv4_mapped else f"[{found}]:{int(port, 16)}"
