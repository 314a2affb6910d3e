"""Where the command line begins: `testbed`, or `python -m testbed`."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line. Until a replay takes care of it, Ctrl-C just ends the process.

    An interruption that is raised, as is Python's way, is swallowed or mistaken for something else by much that is imported here.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    from testbed import cli  # noqa: PLC0415 - see above

    cli.main()


if __name__ == "__main__":
    main()
