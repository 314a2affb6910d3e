"""The client: sends one command to the running facility and yields its replies."""

from __future__ import annotations

import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from testbed.errors import FacilityError, UsageError
from testbed.interactive import control_socket, protocol
from testbed.interactive.protocol import DoneReply, RefusedReply, WorkingReply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from testbed.interactive.protocol import Command, Reply


def the_one(name: str | None) -> str:
    """Return the name of the facility that is meant: the one that was given, or the only one that runs.

    Raises FacilityError when none runs, and UsageError when several do and no name was given.
    """
    if name is not None:
        return name
    names = control_socket.running()
    if len(names) > 1:
        raise UsageError(f"{len(names)} facilities are running: {', '.join(names)}; say which with --name")
    return names[0] if names else control_socket.DEFAULT


def send_command(command: Command, name: str = control_socket.DEFAULT) -> Iterator[Reply]:
    """Send a command to the facility of a name and yield its replies as they come; the last is `Done`.

    Raises UsageError when the command names what does not exist, and FacilityError when no facility is running, when it goes away
    before the end or says nothing for `control_socket.ANSWERS_WITHIN_S`, or when the command could not be carried out. Ctrl-C ends a load
    in order; its last replies still come.
    """
    with control_socket.connect(name) as connection, _ctrl_c_ends_load(connection, command):
        try:
            connection.sendall(protocol.encode_command(command))
            with connection.makefile("rb") as lines:
                for line in lines:
                    reply = protocol.decode_reply(line)
                    if isinstance(reply, RefusedReply):
                        raise (UsageError if reply.exit_code == UsageError.exit_code else FacilityError)(reply.text)
                    if isinstance(reply, WorkingReply):
                        continue
                    yield reply
                    if isinstance(reply, DoneReply):
                        return
        except TimeoutError as error:
            raise FacilityError(control_socket.silence(connection, name)) from error
        except ConnectionError as error:
            raise FacilityError(f"the facility went away: {error.strerror}; see the terminal of `testbed up`") from error
    raise FacilityError("the facility went away before this was done; see the terminal of `testbed up`")


@contextmanager
def _ctrl_c_ends_load(connection: socket.socket, command: Command) -> Iterator[None]:
    """Close our side of the connection at the first Ctrl-C if the command is a load; the second Ctrl-C ends this process."""
    if command.command != "load":
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def end(_: int, __: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        connection.shutdown(socket.SHUT_WR)

    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
