"""Starts the fault proxy: `python -m testbed.faultproxy --host H --port P`; for people it is `testbed faultproxy`.

Every option that Toxiproxy's own server has is also accepted with one hyphen: a command line for the one starts the other.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from testbed.faultproxy.connection import KEEPALIVE_S
from testbed.faultproxy.server import serve

KEEPALIVE = "FAULT_PROXY_KEEPALIVE_S"
TOKEN_FILE = "FAULT_PROXY_TOKEN_FILE"  # noqa: S105 - the name of a setting
KEEPALIVES_S = range(1, 32_768)  # what Linux accepts


def main() -> int:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(prog="python -m testbed.faultproxy")
    parser.add_argument("--host", "-host", default="127.0.0.1")
    parser.add_argument("--port", "-port", type=int, default=8474)
    parser.add_argument("--config", "-config", type=Path, default=None, help="a JSON file of proxies to create at start")
    parser.add_argument("--fd", type=int, default=None, help="a listening socket to serve on, in place of host and port")
    parser.add_argument(
        "--keepalive",
        type=_seconds,
        default=os.environ.get(KEEPALIVE, str(KEEPALIVE_S)),
        help=f"seconds a connection is idle before the kernel probes it (TCP keep-alive); default: {KEEPALIVE}, or {KEEPALIVE_S}",
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        default=os.environ.get(TOKEN_FILE) or None,
        help=f"a file with a token; only requests that bring it as `Authorization: Bearer TOKEN` are answered; default: {TOKEN_FILE}",
    )
    options = parser.parse_args()
    return serve(options.host, options.port, options.fd, options.config, options.keepalive, token_file=options.token_file)


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) not in KEEPALIVES_S:
        raise argparse.ArgumentTypeError(f"found {text!r}; allowed: {KEEPALIVES_S.start} to {KEEPALIVES_S.stop - 1}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
