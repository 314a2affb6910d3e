"""The fault proxy's process: a web server for the API, and a socket that it listens at."""

from __future__ import annotations

import json
import logging
import resource
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import uvicorn

from testbed.errors import bounded
from testbed.faultproxy.address import format_address
from testbed.faultproxy.api import Api, ignored_text
from testbed.faultproxy.api_error import ApiError
from testbed.faultproxy.connection import KEEPALIVE_S
from testbed.faultproxy.proxy_fields import ProxyFields
from testbed.faultproxy.token import only_with_token
from testbed.plan import given_file

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

BACKLOG = 512
DRAIN_S = 1  # how long requests in progress may take when the server ends


def server(api: Api, *, token_file: Path | None = None) -> uvicorn.Server:
    """Return the server of an API; it has no socket yet.

    It drops every connection of the API's proxies when it ends, and ends at once when those to start with cannot be made. `token_file`:
    it answers only those who bring its token.
    """
    app: Any = api.app()
    if token_file:
        app = only_with_token(app, token_file)
    running = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="on", timeout_graceful_shutdown=DRAIN_S))
    api.give_up = lambda: setattr(running, "should_exit", True)
    return running


def serve(
    host: str,
    port: int,
    fd: int | None = None,
    config: Path | None = None,
    keepalive_s: int = KEEPALIVE_S,
    *,
    token_file: Path | None = None,
) -> int:
    """Serve the API until a signal ends the process; return the exit code: 2 for a wrong file, 3 when a port is taken, of a proxy too.

    `fd` is a bound and listening socket to serve on in place of `host` and `port`; port 0 takes a free one. `config` is a file of
    proxies to start with, as the API's `/populate` takes them. `keepalive_s`: see `Proxy`. `token_file`: see `server`.
    """
    try:
        proxies, ignored = _read(config) if config else ([], [])
        listener = _inherit(fd) if fd is not None else _listen(host, port)
    except _CannotServe as error:
        sys.stderr.write(f"{bounded(str(error))}\n")
        return error.exit_code
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))  # two sockets for every connection
    whose = f"whoever has the token in {token_file}" if token_file else "any Toxiproxy client that can connect"
    sys.stdout.write(f"fault proxy, open to {whose}, listening at {format_address(listener.getsockname())}\n")
    sys.stdout.flush()
    if ignored:
        logger.warning("%s: ignored: %s", config, ignored_text(ignored))
    api = Api(proxies, keepalive_s)
    serving = server(api, token_file=token_file)
    with suppress(KeyboardInterrupt, SystemExit):  # uvicorn exits when it could not start, and has said why
        serving.run([listener])
    if api.failed:
        sys.stderr.write(f"{bounded(f'the fault proxy cannot make its proxies in {config}: {api.failed}')}\n")
        return 3
    return 0 if serving.started else 3


class _CannotServe(Exception):  # noqa: N818 - the reason, and no failure of this code
    """The process cannot begin; the message says why, and `exit_code` is what it returns."""

    def __init__(self, reason: str, exit_code: int) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


def _read(config: Path) -> tuple[list[ProxyFields], list[str]]:
    """Return the proxies of a file, and the fields of it that mean nothing here."""
    ignored: list[str] = []
    try:
        text = given_file.read(config, given_file.MOST_TEXT_BYTES).decode()
        return ProxyFields.read_all(json.loads(text), ignored), ignored
    except (OSError, ValueError, RecursionError, ApiError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _CannotServe(f"the fault proxy cannot read its proxies in {config}: {reason}", 2) from error


def _inherit(fd: int) -> socket.socket:
    try:
        return socket.socket(fileno=fd)
    except (OSError, OverflowError) as error:
        raise _cannot_listen(f"file descriptor {fd}", error) from error


def _listen(host: str, port: int) -> socket.socket:
    try:
        host.encode("idna")  # or `create_server` leaves a socket open when it cannot
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:  # UnicodeError: a host that nobody can be asked for
        raise _cannot_listen(f"{host}:{port}", error) from error


def _cannot_listen(where: str, error: OSError | OverflowError | UnicodeError) -> _CannotServe:
    known = "no such host" if isinstance(error, UnicodeError) else getattr(error, "strerror", None)
    reason = str(known or error).partition(" (while")[0]
    advice = "end what listens there, or give another --port (0 takes a free one)"
    return _CannotServe(f"the fault proxy cannot listen at {where}: {reason}; {advice}", 3)
