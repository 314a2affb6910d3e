"""The fast path: without a toxic, the bytes of a link go from one socket to the other in callbacks of the event loop.

Small data is received and sent in one callback, with no task and no buffer between. Full reads are bulk, which Linux moves from socket to
socket through a pipe (splice(2)): it does not enter Python. Where there is no splice, bulk goes as small data does.

A FastPath is always in one of three states, and in each it waits for one thing:

    reading   it holds nothing, and waits until the source is readable; then it reads and sends
    writing   it holds bytes, in `_rest` or in the pipe, and waits until the target is writable; it reads nothing meanwhile
    stopped   it waits for nothing; `run` returns the reason

It never holds bytes both in `_rest` and in the pipe, so there is no order to keep between them. It splices only into an empty pipe, so
that "would block" can only mean that there is nothing to read, never that the pipe is full.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import select
import sys
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from testbed.faultproxy.activity import Activity, Traffic

READ_BYTES = 64 * 1024  # a read that is as large as this is bulk
READS = 4  # number of reads in one callback, of up to a pipe each, before other connections have their turn
PIPE_BYTES = 1024 * 1024  # the most that an unprivileged process may ask for (fs.pipe-max-size)
NO_SPLICE = (errno.EINVAL, errno.ENOSYS, errno.EPERM)  # of a sandbox's kernel
CAN_SPLICE = sys.platform == "linux" and hasattr(os, "splice")


class StopReason(Enum):
    """Why a FastPath stopped passing bytes on."""

    ENDED = auto()  # the sender has ended its stream
    SENDER_GONE = auto()  # the sender has reset the connection
    RECEIVER_GONE = auto()
    ASIDE = auto()  # it was asked to step aside, and holds nothing


class Pipe:
    """A pipe between two sockets; raises OSError when there is none to be had, or only one that is too small to be useful."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        with suppress(OSError):  # a user with many pipes gets no more large ones (fs.pipe-user-pages-soft) ...
            fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        if fcntl.fcntl(self.writer, fcntl.F_GETPIPE_SZ) < READ_BYTES:  # ... and in the end tiny ones
            self.close()
            raise OSError(f"the pipe is too small: less than {READ_BYTES} bytes")

    def close(self) -> None:
        """Close both ends, and drop what is in the pipe."""
        os.close(self.reader)
        os.close(self.writer)


class FastPath:
    """Passes bytes from `source` to `target`, two non-blocking sockets, until the sender ends or it is asked to step aside."""

    def __init__(self, source: socket.socket, target: socket.socket, activity: Activity, traffic: Traffic) -> None:
        self._source = source
        self._target = target
        self._activity = activity
        self._traffic = traffic
        self._errors = select.poll()
        self._rest = b""
        self._in_pipe_bytes = 0
        self._pipe: Pipe | None = None
        self._may_splice = CAN_SPLICE
        self._is_bulk = False
        self._is_writing = False
        self._asked_aside = False
        self._stopped: asyncio.Future[StopReason] | None = None

    async def run(self) -> StopReason:
        """Pass bytes on; return why it stopped. Everything received has been sent by then, unless the receiver is gone."""
        self._loop = asyncio.get_running_loop()
        self._stopped = self._loop.create_future()
        self._asked_aside = False
        self._errors.register(self._source, 0)  # poll reports errors and hang-ups whatever the mask
        self._loop.add_reader(self._source, self._readable)
        try:
            return await self._stopped
        finally:
            self._wait_for_nothing()  # it may have been cancelled
            self._stopped = None
            self._close_pipe()

    def step_aside(self) -> None:
        """Read nothing more; `run` returns as soon as what is held is sent."""
        self._asked_aside = True
        if not self._is_writing:
            self._stop(StopReason.ASIDE)

    def _readable(self) -> None:
        """Read and send, until nothing more is there or the target accepts no more.

        uvloop calls back once for a socket that has been reset, and never again, however much is still to be read before the reset. So a
        read that is not bulk ends the callback only when the source has no error either.
        """
        for _ in range(READS):
            if not self._pass_some() or not (self._is_bulk or self._errors.poll(0)):
                self._activity.busy_poll.record_message()
                return
        self._loop.remove_reader(self._source)  # other connections have their turn; added again, it calls back again
        self._loop.add_reader(self._source, self._readable)

    def _pass_some(self) -> bool:
        """Read once, and send that; return False when there is nothing to read, or reading is over."""
        if self._activity.watched:
            self._stop(StopReason.ASIDE)
            return False
        try:
            size = self._read()
        except BlockingIOError:
            return False
        except OSError:
            self._stop(StopReason.SENDER_GONE)
            return False
        if size == 0:
            self._stop(StopReason.ENDED)
            return False
        self._is_bulk = size >= READ_BYTES
        self._activity.last_s = self._loop.time()
        self._traffic.received_bytes += size
        return self._send()

    def _writable(self) -> None:
        """Send what is held, and read again when all of it is out."""
        if self._send():
            self._wait_for_source()

    def _send(self) -> bool:
        """Send as much of what is held as the target accepts now; return whether that was all and reading goes on."""
        try:
            self._traffic.sent_bytes += self._splice_out() if self._in_pipe_bytes else self._send_rest()
        except BlockingIOError:
            pass
        except OSError:
            self._stop(StopReason.RECEIVER_GONE)
            return False
        if self._rest or self._in_pipe_bytes:
            self._wait_for_target()
            return False
        if self._asked_aside:
            self._stop(StopReason.ASIDE)
            return False
        return True

    def _read(self) -> int:
        """Read once, bulk into the pipe; without one from the first time on that the kernel refuses that."""
        if self._is_bulk and self._has_pipe():
            try:
                return self._splice_in()
            except OSError as error:
                if error.errno not in NO_SPLICE:
                    raise
                self._may_splice = False
                self._close_pipe()
        return self._receive()

    def _receive(self) -> int:
        self._rest = self._source.recv(READ_BYTES)
        return len(self._rest)

    def _send_rest(self) -> int:
        sent = self._target.send(self._rest)
        self._rest = self._rest[sent:]
        return sent

    def _splice_in(self) -> int:
        assert self._pipe is not None
        self._in_pipe_bytes = os.splice(self._source.fileno(), self._pipe.writer, PIPE_BYTES, flags=os.SPLICE_F_NONBLOCK)
        return self._in_pipe_bytes

    def _splice_out(self) -> int:
        assert self._pipe is not None
        sent = os.splice(self._pipe.reader, self._target.fileno(), self._in_pipe_bytes, flags=os.SPLICE_F_NONBLOCK)
        self._in_pipe_bytes -= sent
        return sent

    def _has_pipe(self) -> bool:
        """Open the pipe with the first bulk; return False where there can be none, such as when file descriptors have run out."""
        if self._pipe is None and self._may_splice:
            try:
                self._pipe = Pipe()
            except OSError:
                self._may_splice = False
        return self._pipe is not None

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def _wait_for_target(self) -> None:
        if not self._is_writing:
            self._loop.remove_reader(self._source)
            self._loop.add_writer(self._target, self._writable)
            self._is_writing = True

    def _wait_for_source(self) -> None:
        if self._is_writing:
            self._loop.remove_writer(self._target)
            self._loop.add_reader(self._source, self._readable)
            self._is_writing = False

    def _wait_for_nothing(self) -> None:
        if self._is_writing:
            self._loop.remove_writer(self._target)
        else:
            self._loop.remove_reader(self._source)
        self._is_writing = False

    def _stop(self, reason: StopReason) -> None:
        """Stop; the callbacks are removed at once, because a loop may call them once more before `run` has its turn."""
        if self._stopped is not None and not self._stopped.done():
            self._wait_for_nothing()
            self._stopped.set_result(reason)
