"""Starts the fault proxy: `python -m testbed.faultproxy --host H --port P`; by hand it is `testbed faultproxy`.

The options are spelt with one hyphen as well, as Toxiproxy's own server has them: a command line for the one starts the other.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from testbed.faultproxy.server import serve


def main() -> int:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(prog="python -m testbed.faultproxy")
    parser.add_argument("--host", "-host", default="127.0.0.1")
    parser.add_argument("--port", "-port", type=int, default=8474)
    parser.add_argument("--config", "-config", type=Path, default=None, help="a JSON file of proxies to make at start")
    parser.add_argument("--fd", type=int, default=None, help="a listening socket to serve on, in place of host and port")
    options = parser.parse_args()
    return serve(options.host, options.port, options.fd, options.config)


if __name__ == "__main__":
    sys.exit(main())
