"""The fault proxy's process."""

from __future__ import annotations

import resource
import socket
import sys
from contextlib import suppress

import uvicorn

from testbed.faultproxy.api import Api

BACKLOG = 512


def serve(host: str, port: int, fd: int | None = None) -> int:
    """Serve the API until a signal ends the process; gives the exit code: 3 when the port is taken.

    `fd` is a bound and listening socket to serve on in place of `host` and `port`; port 0 takes a free one.
    """
    try:
        listener = socket.socket(fileno=fd) if fd is not None else socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        sys.stderr.write(
            f"the fault proxy cannot listen at {host}:{port}: {error.strerror}; "
            "end what listens there, or give another --port (0 takes a free one)\n"
        )
        return 3
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two sockets for every connection
    config = uvicorn.Config(Api().app(), log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    bound = listener.getsockname()
    sys.stdout.write(f"fault proxy listening at {bound[0]}:{bound[1]}\n")
    sys.stdout.flush()
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run([listener])
    return 0
