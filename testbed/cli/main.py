"""The command line.

Exit codes: 0 held, 1 broken, 2 wrong usage or scenario, 3 unknown, or the facility could not be built, 4 an error of the testbed
itself, 128 and a signal's number when interrupted.
"""

from __future__ import annotations

import errno
import signal
import sys
from contextlib import suppress
from importlib import import_module

import click

from testbed.cli import crash_report
from testbed.cli.interruption import INTERRUPTED
from testbed.errors import TestbedError
from testbed.report.terminal import forget_output

# What the operating system may refuse anywhere, and the next step. An error that is not in here is one of ours.
FULL = "cannot write {what}: {why}; free space there, or write elsewhere"
CLOSED = "no access to {what}: {why}; change its permissions, or give another path"
GONE = "cannot read or write {what}: {why}; see whether its disk or terminal is still there"
TOO_MANY = "cannot open {what}: {why}; raise the limit (ulimit -n), or do less at a time"
NO_MEMORY = "no memory for {what}: {why}; end other programs, or do less at a time"
CUT_OFF = "a connection failed: {why}; see whether what it leads to still runs"
ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), FULL),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), CLOSED),
    errno.EIO: GONE,
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), TOO_MANY),
    errno.ENOMEM: NO_MEMORY,
    **dict.fromkeys((errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.ETIMEDOUT), CUT_OFF),
    **dict.fromkeys((errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL), CUT_OFF),
}
# A command's module is imported when the command is wanted: whoever asks for the status of a facility builds none, and does not wait for
# the imports of all that it takes to build one. By the command's name, which is its function's where no other is given.
COMMANDS = {
    "replay": ("testbed.cli.replay", "replay"),
    "judge": ("testbed.cli.replay", "judge_"),
    "list": ("testbed.cli.replay", "list_"),
    "plan": ("testbed.cli.replay", "plan"),
    "facts": ("testbed.cli.replay", "facts_"),
    "trace": ("testbed.cli.replay", "trace_"),
    "faultproxy": ("testbed.cli.replay", "faultproxy"),
    "image": ("testbed.cli.replay", "image_group"),
    "doctor": ("testbed.cli.replay", "doctor_"),
    **{name: ("testbed.cli.interactive", name) for name in ("up", "status", "switchover", "threads", "restart", "load", "down")},
    "matrix": ("testbed.cli.matrix", "matrix"),
    "scan": ("testbed.cli.scan", "scan"),
}


class Commands(click.Group):
    """The commands of `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Give the names, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command; None when there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="grounded-testbed")
def main_group() -> None:
    """Replay the night on which an exception grounded an airline, over code that failed and code that holds.

    Exit codes: 0 every expectation held; 1 one was broken; 2 wrong usage or a wrong file; 3 unknown, or the facility could not be
    built; 4 an error of the testbed itself; 128 and a signal's number when interrupted.
    """


def main() -> None:
    """Run a command; the border at which errors become a line and an exit code."""
    try:
        main_group(prog_name="testbed", standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(INTERRUPTED + signal.SIGINT)
    except TestbedError as error:
        sys.stderr.write(f"testbed: {error}\n")
        sys.exit(error.exit_code)
    except BrokenPipeError:  # whoever read our output has read enough
        forget_output()
        sys.exit(INTERRUPTED + signal.SIGPIPE)
    except Exception as error:  # noqa: BLE001 - the border of the command line: exit code 1 means a broken expectation
        if not isinstance(error, OSError) or error.errno not in ADVICE:
            sys.exit(crash_report.report(error))
        forget_output()  # or Python would fail over what a full disk did not take once more while it ends
        with suppress(OSError):
            text = ADVICE[error.errno].format(what=error.filename or "a file", why=error.strerror or error)
            sys.stderr.write(f"testbed: {text}\n")
        sys.exit(TestbedError.exit_code)


if __name__ == "__main__":
    main()
