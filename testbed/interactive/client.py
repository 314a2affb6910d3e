"""The side of whoever orders: sends one order to the facility that is up, and hands on its answers."""

from __future__ import annotations

import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from testbed.errors import FacilityError, UsageError
from testbed.interactive import control_socket, protocol
from testbed.interactive.protocol import Done, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from testbed.interactive.protocol import Command, Reply


def send_command(order: Command) -> Iterator[Reply]:
    """Give the answers to an order as they come, until it was done.

    Raises FacilityError when no facility is up or it goes away meanwhile, and what it answers when it refuses: UsageError for what does
    not exist, FacilityError for what could not be done. Ctrl-C ends a load in order, and its last answers still come.
    """
    with control_socket.connect() as connection, _ctrl_c_ends_load(connection, order):
        try:
            connection.sendall(protocol.encode_command(order))
            with connection.makefile("rb") as lines:
                for line in lines:
                    answer = protocol.decode_reply(line)
                    if isinstance(answer, Refused):
                        raise (UsageError if answer.exit_code == UsageError.exit_code else FacilityError)(answer.text)
                    yield answer
                    if isinstance(answer, Done):
                        return
        except ConnectionError as error:
            raise FacilityError(f"the facility went away: {error.strerror}; see the terminal of `testbed up`") from error
    raise FacilityError("the facility went away before this was done; see the terminal of `testbed up`")


@contextmanager
def _ctrl_c_ends_load(connection: socket.socket, order: Command) -> Iterator[None]:
    """Let the first Ctrl-C end our side of the connection, where that ends a load, and the second this command."""
    if order.order != "load":
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
