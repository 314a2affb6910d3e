"""The entry point of `testbed` and of `python -m testbed`."""

from __future__ import annotations

import signal
import sys

from testbed.cli import crash_report


def main() -> None:
    """Run the command line. Until a replay handles SIGINT, Ctrl-C ends the process at once.

    Python's KeyboardInterrupt would be raised in the middle of imports, some of which swallow it or take it for another error.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    try:
        from testbed.cli import main as main_module  # noqa: PLC0415 - see above
    except Exception as error:  # noqa: BLE001 - the border of the command line: exit code 1 means a broken expectation
        sys.exit(crash_report.report(error))
    main_module.main()


if __name__ == "__main__":
    main()
