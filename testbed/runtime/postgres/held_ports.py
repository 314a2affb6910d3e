"""Ports of loopback that stay a database pair's after their servers have ended, so that no stranger listens there in their place.

During a switchover the virtual IP points to the former host's port for a moment more. Who listened there could ask the services for
their password, or pass what they say on to the next server. So a socket is bound to each port and never listens: to connect there is
refused, as at any port where nobody listens.

Linux lets a second socket bind a port when both have SO_REUSEADDR, which PostgreSQL sets, and none listens yet. So ours has it until
the server listens, and loses it then: nobody binds the port from then on. Elsewhere the second is refused in any case, and ports are
not held.
"""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass, field

from testbed.facility.address import Address

HOST = "127.0.0.1"


@dataclass(slots=True)
class HeldPorts:
    """The ports of one pair, until `release`."""

    _held: list[socket.socket] = field(default_factory=list)

    def find(self) -> Address:
        """Return an address with a free port, at which a server can listen; raises OSError when there is none."""
        held = socket.socket()
        try:
            held.bind((HOST, 0))  # without SO_REUSEADDR: nobody else has this port, not even somebody who does not listen yet
            address = Address(HOST, held.getsockname()[1])
            if sys.platform == "linux":
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self._held.append(held)
        finally:
            if held not in self._held:
                held.close()
        return address

    def open(self, address: Address) -> None:
        """Let a server bind this port, which is one of ours, until `keep`: the one whose it is starts again."""
        for held in self._held:
            if held.getsockname() == (address.host, address.port):
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def keep(self) -> None:
        """Let nobody bind the ports from now on, because their servers listen."""
        for held in self._held:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)

    def release(self) -> None:
        """Leave the ports to whoever wants them."""
        while self._held:
            self._held.pop().close()
