"""Interruption: Ctrl-C, SIGQUIT, SIGTERM and a closed terminal (SIGHUP) end a command in order."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from testbed.concurrency import run_interruptible
from testbed.errors import INTERRUPTED, InterruptionError

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

Result = TypeVar("Result")


def interruptible(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine and return its result. A signal cancels it; after its cleanup the process exits with 128 + the signal's number."""
    try:
        return run_interruptible(work)
    except InterruptionError as error:
        with suppress(OSError):  # the terminal may be what is gone
            sys.stderr.write(f"testbed: {error}\n")
        sys.exit(error.exit_code if error.signal_number is None else INTERRUPTED + error.signal_number)
