"""Addresses `host:port`: read, resolved, written, listened at and connected to. Errors have Toxiproxy's wording."""

from __future__ import annotations

import asyncio
import os
import socket

BACKLOG = 1024
LONGEST_QUEUE = 65_535  # more than kernels give; `listen` takes no number that C's `int` has not
ANY_PORT = "127.0.0.1:0"
LAST_PORT = 65_535


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of a `host:port`; raises OSError when it is not one, as listening there would."""
    host, _, port = address.rpartition(":")
    if not (port.isascii() and port.isdecimal()):
        raise OSError(f"address {address}: missing port in address")
    if int(port[: len(str(LAST_PORT)) + 1]) > LAST_PORT:
        raise OSError(f"address {port[:20]}: invalid port")
    return host.strip("[]"), int(port)


def format_address(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """Return a numeric address as `host:port`."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def resolve(address: str) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """Return family and numeric address of a `host:port` to listen at, IPv4 first; without a host: every address.

    Raises OSError when there is no such host or port.
    """
    try:
        host, port = split_address(address)
    except OSError as error:
        raise OSError(f"listen tcp: {error}") from error
    if not host:
        return (socket.AF_INET6, ("::", port)) if socket.has_dualstack_ipv6() else (socket.AF_INET, ("0.0.0.0", port))  # noqa: S104
    try:
        entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OSError(f"listen tcp: lookup {host[:80]}: no such host") from error
    family, _, _, _, (numeric, *_) = min(entries, key=lambda entry: entry[0] != socket.AF_INET)
    return family, (str(numeric), port)


async def listen_at(address: str) -> socket.socket:
    """Return a non-blocking socket that listens at `host:port`; raises OSError."""
    family, numeric = await resolve(address)
    everywhere = numeric[0] == "::" and socket.has_dualstack_ipv6()
    try:
        listener = socket.create_server(numeric, family=family, backlog=BACKLOG, dualstack_ipv6=everywhere)
    except OSError as error:
        raise OSError(f"listen tcp {format_address(numeric)}: bind: {os.strerror(error.errno or 0).lower()}") from error
    listener.setblocking(False)
    return listener


async def connect(address: str) -> socket.socket:
    """Return a non-blocking socket connected to the first numeric address of `host:port` that answers; raises OSError when none does.

    The kernel says how long that may take, as with Toxiproxy: about two minutes where nothing answers.
    """
    host, port = split_address(address)
    loop = asyncio.get_running_loop()
    error = OSError(f"lookup {host[:80]}: no such host")
    for family, kind, protocol, _, numeric in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        upstream = socket.socket(family, kind, protocol)
        try:
            upstream.setblocking(False)
            await loop.sock_connect(upstream, numeric)
        except OSError as raised:
            upstream.close()
            error = raised
        except BaseException:
            upstream.close()
            raise
        else:
            return upstream
    raise error
