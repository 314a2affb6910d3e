"""Starts the fault proxy: `python -m testbed.faultproxy --host H --port P`; by hand it is `testbed faultproxy`.

The options are spelt with one hyphen as well, as Toxiproxy's own server has them: a command line for the one starts the other.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from testbed.faultproxy.proxy import KEEPALIVE_S
from testbed.faultproxy.server import serve

KEEPALIVE = "FAULT_PROXY_KEEPALIVE_S"
KEEPALIVES_S = range(1, 32_768)  # what Linux takes


def main() -> int:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(prog="python -m testbed.faultproxy")
    parser.add_argument("--host", "-host", default="127.0.0.1")
    parser.add_argument("--port", "-port", type=int, default=8474)
    parser.add_argument("--config", "-config", type=Path, default=None, help="a JSON file of proxies to make at start")
    parser.add_argument("--fd", type=int, default=None, help="a listening socket to serve on, in place of host and port")
    parser.add_argument(
        "--keepalive",
        type=_seconds,
        default=os.environ.get(KEEPALIVE, str(KEEPALIVE_S)),
        help=f"a connection that has been quiet for so many seconds is asked whether it is still there; else {KEEPALIVE} says it",
    )
    options = parser.parse_args()
    return serve(options.host, options.port, options.fd, options.config, options.keepalive)


def _seconds(text: str) -> int:
    if not text.isdecimal() or int(text) not in KEEPALIVES_S:
        raise argparse.ArgumentTypeError(f"found {text!r}; allowed: {KEEPALIVES_S.start} to {KEEPALIVES_S.stop - 1}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
