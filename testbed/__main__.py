"""Where the command line begins: `testbed`, or `python -m testbed`."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line; Ctrl-C also ends it quietly while it is still being imported."""
    try:
        from testbed import cli  # noqa: PLC0415 - see above

        cli.main()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main()
