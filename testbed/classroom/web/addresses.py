"""Addresses of a class: a free port, tokens that nobody guesses, and what stands on the screen."""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
from dataclasses import dataclass, field

from testbed.errors import UsageError

PORT = 8040
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is mistaken for something else on a screen at the back of a room
CLASS_LETTERS, TRAINER_LETTERS = 8, 20
BACKLOG = 128
BROADCAST = "255.255.255.255"
OTHERS = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}  # the documentation's (RFC 5737, RFC 3849): no packet leaves


def _token(letters: int) -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(letters))


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a class is: what it listens on, and a token for each of the two addresses."""

    host: str
    port: int
    trainer_token: str = field(default_factory=lambda: _token(TRAINER_LETTERS))
    class_token: str = field(default_factory=lambda: _token(CLASS_LETTERS))

    @property
    def trainer(self) -> str:
        """The trainer's address."""
        return self._of(self.trainer_token)

    @property
    def of_class(self) -> str:
        """The address of the class."""
        return self._of(self.class_token)

    @property
    def tokens(self) -> dict[str, bool]:
        """By token, whether it is the trainer's."""
        return {self.trainer_token: True, self.class_token: False}

    def _of(self, token: str) -> str:
        host = shown(self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/{token}/"


def listen(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens at a host's port; without a port at `PORT`, or any other that is free.

    Raises UsageError for a host that is none of this machine's, and for a port that is in use.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise UsageError(f"--host: found {host[:100]!r}; allowed: a name or address of this machine ({error})") from error
    if _is_of_many(str(address[0])):
        raise UsageError(f"--host: found {host[:100]!r}, to which nobody can connect; allowed: a name or address of this machine")
    for candidate in (PORT, 0) if port is None else (port,):
        try:
            return socket.create_server((host, candidate), family=family, backlog=BACKLOG)
        except OSError as error:
            failure = error
    why = os.strerror(failure.errno) if failure.errno else str(failure)
    raise UsageError(f"cannot listen at {host} port {port or PORT}: {why}; give another --port, or an address of this machine")


def shown(host: str) -> str:
    """Return the host as others reach it: of all addresses of this machine, the one that leads out, and of the kind that is listened at."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]  # `0` is 0.0.0.0, too
    except (OSError, UnicodeError):
        return host
    everywhere = _parsed(str(address[0])).is_unspecified
    return _own_address(family) or socket.gethostname() if everywhere else host


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(address.partition("%")[0])


def _is_of_many(address: str) -> bool:
    """Whether an address is one of a group of machines: the system lets us listen there all the same."""
    return _parsed(address).is_multicast or address == BROADCAST


def _own_address(family: socket.AddressFamily) -> str:
    """Return the address from which this machine would reach others; nothing is sent for it. An empty text where it reaches nobody."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((OTHERS[family], 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])
