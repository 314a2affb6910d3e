"""The commands by name, and the border at which errors become one line and an exit code (`EXIT_CODES`)."""

from __future__ import annotations

import errno
import os
import signal
import sys
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from importlib import import_module
from io import StringIO
from typing import TYPE_CHECKING, TypeGuard

import click

from testbed.cli import crash_report, standard_streams
from testbed.cli.standard_streams import forget_output
from testbed.errors import INTERRUPTED, TestbedError, UsageError, shortened, told, visible
from testbed.journal.shortages import shortage_in

if TYPE_CHECKING:
    from collections.abc import Iterator

# What the operating system may refuse anywhere, and the next step. Any other OSError is a bug of the testbed.
FULL = "cannot write {what}: {why}; free space there, or write elsewhere"
CLOSED = "no access to {what}: {why}; change its permissions, or give another path"
GONE = "cannot read or write {what}: {why}; see whether its disk or terminal is still there"
TOO_MANY = "cannot open {what}: {why}; raise the limit (ulimit -n), or do less at a time"
NO_PROCESS = "cannot start a process or a thread: {why}; raise the limit (ulimit -u), or do less at a time"
NO_MEMORY = "no memory for {what}: {why}; end other programs, or do less at a time"
CUT_OFF = "a connection failed: {why}; see whether what it leads to still runs"
ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), FULL),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), CLOSED),
    errno.EIO: GONE,
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), TOO_MANY),
    errno.ENOMEM: NO_MEMORY,
    errno.EAGAIN: NO_PROCESS,
    **dict.fromkeys((errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.ETIMEDOUT), CUT_OFF),
    **dict.fromkeys((errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL), CUT_OFF),
}
OF_THE_MACHINE = {code for code, advice in ADVICE.items() if advice is not CLOSED}  # whichever path is given
# And what Python itself says in other exceptions: MemoryError, a thread that cannot start, a library that cannot be loaded.
LACKING = {"memory": NO_MEMORY, "processes": NO_PROCESS, "descriptors": TOO_MANY, "space": FULL}
# The commands, as the help groups them: name to module, attribute and what the help says of it. A module is imported when its command
# is run, and not for the help, so that nobody waits for the imports that only building a facility needs.
SECTIONS = {
    "Replay a night": {
        "list": ("scenarios", "list_", "List the scenarios, the facts they show, and what they expect."),
        "plan": ("scenarios", "plan", "Check a scenario and show what it will do; starts nothing."),
        "replay": ("replay", "replay", "Replay a scenario over its variants, and judge each."),
        "try": ("trial", "try_", "Try your own service: one command, one request, one fault."),
        "judge": ("replay", "judge_", "Judge old journals again, by today's rules."),
        "postmortem": ("postmortem", "postmortem", "Show who waited for whom, and what could have warned."),
        "report": ("report", "report", "Write a report of old journals, judged by today's rules."),
        "trace": ("scenarios", "trace_", "Write the passengers of a scenario to a file."),
        "facts": ("facts", "facts_", "List the facts of the case, and how often each is shown."),
    },
    "Replay many": {
        "matrix": ("matrix", "matrix", "Replay every scenario over every variant."),
        "scan": ("scan", "scan", "Break each link with each fault in turn, and list what stops."),
    },
    "Look at your own code": {
        "lint": ("lint", "lint", "Find clean-ups that an exception skips, in Python source."),
    },
    "Keep a facility running": {
        "up": ("interactive", "up", "Build a facility and keep it running until `testbed down`."),
        "status": ("interactive", "status", "Show the running facility, or all of them."),
        "load": ("interactive", "load", "Send the running facility transactions at a fixed rate."),
        "switchover": ("interactive", "switchover", "Move the database to the other host, step by step."),
        "threads": ("interactive", "threads", "Dump the threads of a service, and show them in groups."),
        "restart": ("interactive", "restart", "Kill a service and start it again, after a dump of all threads."),
        "down": ("interactive", "down", "Take the running facility down."),
    },
    "Hold a class": {
        "class": ("classroom", "class_", "Hold a class: it plays a lesson's night in the browser."),
    },
    "Set up": {
        "doctor": ("set_up", "doctor_", "Check what the containers runtime needs, and what is missing."),
        "image": ("set_up", "image_group", "Build the image of the containers runtime."),
        "faultproxy": ("set_up", "faultproxy", "Run the bundled fault proxy, with Toxiproxy's HTTP API."),
    },
}
COMMANDS = {name: about for commands in SECTIONS.values() for name, about in commands.items()}
OURS_TO_WRITE = 0o022  # whatever the umask permits: journals, dumps and reports of this user's are for nobody else to change
DELETE = "\x7f"
FOUND_CHARS = 60
EXIT_CODES = """\b
Exit codes:
  0      every expectation held
  1      an expectation was broken
  2      wrong usage, or a wrong file
  3      the verdict is unknown, or the facility could not be built
  4      a bug of the testbed
  128+N  interrupted by signal N"""


class Commands(click.Group):
    """The commands of `COMMANDS`, each imported when it is wanted."""

    def make_context(self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: object) -> click.Context:
        """Read the arguments; some of them print, as --help does."""
        with _exit_if_reader_left():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        with _exit_if_reader_left():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        command = getattr(import_module(f"testbed.cli.{module}"), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command of the first argument and the other arguments; an unknown name is an error with the nearest one."""
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            close = get_close_matches(args[0], COMMANDS, n=1)
            ctx.fail(f"No such command '{args[0]}'" + (f", did you mean {close[0]}?" if close else "."))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the commands in their sections, all in the same two columns."""
        width = max(map(len, COMMANDS))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, (_, _, text) in commands.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=EXIT_CODES)
@click.version_option(package_name="grounded-testbed")
def main_group() -> None:
    """Replay the night on which an exception grounded an airline, over code that failed and code that holds.

    Start with `testbed replay the_night`. Every command has its own --help.
    """
    _require_plain_tmpdir()


def _require_plain_tmpdir() -> None:
    """Raise UsageError for a directory that PostgreSQL, whose settings are lines of a file, could not have its data in."""
    given = os.environ.get("TMPDIR", "")
    if any(character < " " or character == DELETE for character in given):
        raise UsageError(f"TMPDIR: found {shortened(given, FOUND_CHARS)!r}; allowed: a directory whose path has no control character")


@contextmanager
def _exit_if_reader_left() -> Iterator[None]:
    """Exit as SIGPIPE would when the reader of our output has closed it: click would exit with 1, as for a broken expectation."""
    try:
        yield
    except BrokenPipeError:
        forget_output()
        sys.exit(INTERRUPTED + signal.SIGPIPE)


def main() -> None:
    """Run the command line, and exit with its code; every error becomes one line on standard error."""
    os.umask(os.umask(OURS_TO_WRITE) | OURS_TO_WRITE)
    standard_streams.prepare()
    try:
        main_group(prog_name="testbed", standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        shown = StringIO()
        error.show(shown)
        sys.stderr.write(told(shown.getvalue()))
        sys.exit(2)
    except click.Abort:
        sys.exit(INTERRUPTED + signal.SIGINT)
    except TestbedError as error:
        wrong_input = error.exit_code == UsageError.exit_code  # other errors have lines of a service's log
        sys.stderr.write(f"testbed: {told(str(error)) if wrong_input else visible(str(error))}\n")
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001 - the border of the command line: exit code 1 means a broken expectation
        if _is_of_given_path(error):
            sys.stderr.write(f"testbed: {told(f'{error.filename}: {error.strerror}')}; give another path\n")
            sys.exit(UsageError.exit_code)
        advice = _advice(error)
        if not advice:
            sys.exit(crash_report.report(error))
        forget_output()  # or Python, at its end, would try to write once more what a full disk refused
        with suppress(OSError):
            sys.stderr.write(f"testbed: {told(advice)}\n")
        sys.exit(TestbedError.exit_code)


def _is_of_given_path(error: Exception) -> TypeGuard[OSError]:
    """Return whether the operating system refused a path that stands on the command line, and not for want of space or memory."""
    if not isinstance(error, OSError) or not isinstance(error.filename, str) or error.errno in OF_THE_MACHINE:
        return False
    return any(error.filename in (word, word.partition("=")[2]) for word in sys.argv[1:])


def _advice(error: Exception) -> str:
    """Return in a line what the operating system refused, and the next step; an empty text for a bug of the testbed."""
    if isinstance(error, OSError) and error.errno in ADVICE:
        return ADVICE[error.errno].format(what=error.filename or "a file", why=error.strerror or error)
    resource = shortage_in(f"{type(error).__name__}: {error}")
    return LACKING[resource].format(what="the testbed", why=str(error) or type(error).__name__) if resource else ""


if __name__ == "__main__":
    main()
