"""What only socket diagnostics tell (sock_diag(7)): the backlog of a listener, and the other end of a Unix socket."""

from __future__ import annotations

import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.observe.proc import PROC
from testbed.observe.sockets import descriptors, inode_of

if TYPE_CHECKING:
    from collections.abc import Iterator

NETLINK, SOCK_DIAG, BY_FAMILY = 16, 4, 20  # AF_NETLINK, NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY
REQUEST_DUMP, ERROR, DONE = 0x301, 2, 3
LISTENING = 1 << 10  # TCP_LISTEN among the states
ANY_STATE, SHOW_PEER, PEER = 0xFFFFFFFF, 4, 2  # UDIAG_SHOW_PEER, UNIX_DIAG_PEER
HEADER = struct.Struct("=IHHII")  # nlmsghdr
INET_REQUEST, INET_ANSWER = struct.Struct("=BBBxI48x"), struct.Struct("=BBBB48sIIIII")  # inet_diag_req_v2, inet_diag_msg
PORT, HOST_OFFSET = struct.Struct("!H"), 4  # of inet_diag_sockid, which is in network byte order
UNIX_REQUEST, UNIX_ANSWER = struct.Struct("=BBxxIIIII"), struct.Struct("=BBBxI8x")  # unix_diag_req, unix_diag_msg
ATTRIBUTE = struct.Struct("=HH")
ANSWER_BYTES, WITHIN_S = 1 << 16, 1.0


@dataclass(frozen=True, slots=True)
class ListenQueue:
    """A TCP listener: its address, how many connections wait to be accepted, and how many may."""

    address: str
    queued: int
    backlog: int


def listen_queues(pid: int) -> dict[int, ListenQueue]:
    """Return each TCP listener of this machine, by its inode; nothing where a process is in another network namespace."""
    found: dict[int, ListenQueue] = {}
    for family, size_bytes in ((socket.AF_INET, 4), (socket.AF_INET6, 16)):
        for answer in _answers(pid, INET_REQUEST.pack(family, socket.IPPROTO_TCP, 0, LISTENING)):
            *_, ends, _, queued, backlog, _, inode = INET_ANSWER.unpack_from(answer)
            host = socket.inet_ntop(family, ends[HOST_OFFSET : HOST_OFFSET + size_bytes])
            place = host if family == socket.AF_INET else f"[{host}]"
            found[inode] = ListenQueue(f"{place}:{PORT.unpack_from(ends)[0]}", queued, backlog)
    return found


def own_listen_queues(pid: int) -> tuple[ListenQueue, ...]:
    """Return the TCP listeners of one process; none of one that may not be looked into."""
    mine = {inode for _, target in descriptors(pid) if (inode := inode_of(target)) is not None}
    return tuple(queue for inode, queue in listen_queues(pid).items() if inode in mine)


def backlogs(pid: int) -> dict[int, int]:
    """Return the backlog of each TCP listener, by its inode; nothing of a process in another network namespace."""
    return {inode: queue.backlog for inode, queue in listen_queues(pid).items()}


def unix_peers(pid: int) -> dict[int, int]:
    """Return the inode of the other end of each connected Unix socket, by its inode; nothing where `backlogs` has nothing."""
    found: dict[int, int] = {}
    for answer in _answers(pid, UNIX_REQUEST.pack(socket.AF_UNIX, 0, ANY_STATE, 0, SHOW_PEER, ANY_STATE, ANY_STATE)):
        *_, inode = UNIX_ANSWER.unpack_from(answer)
        rest = answer[UNIX_ANSWER.size :]
        while len(rest) >= ATTRIBUTE.size:
            length, kind = ATTRIBUTE.unpack_from(rest)
            if kind == PEER:
                (found[inode],) = struct.unpack_from("=I", rest, ATTRIBUTE.size)
            rest = rest[max(length + 3 & ~3, ATTRIBUTE.size) :]
    return found


def _answers(pid: int, request: bytes) -> Iterator[bytes]:
    """Yield the answers to a request; the kernel tells of this process's own network namespace only."""
    if sys.platform != "linux":
        return
    with suppress(OSError, struct.error):
        if (PROC / "self/ns/net").readlink() != (PROC / str(pid) / "ns/net").readlink():
            return
        with socket.socket(NETLINK, socket.SOCK_RAW, SOCK_DIAG) as kernel:
            kernel.settimeout(WITHIN_S)
            kernel.send(HEADER.pack(HEADER.size + len(request), BY_FAMILY, REQUEST_DUMP, 0, 0) + request)
            while True:
                part = kernel.recv(ANSWER_BYTES)
                while part:
                    length, kind, *_ = HEADER.unpack_from(part)
                    if kind in (ERROR, DONE):
                        return
                    yield part[HEADER.size : length]
                    part = part[length + 3 & ~3 :]
