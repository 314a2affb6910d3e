"""Work that can be interrupted: Ctrl-C, SIGTERM and a closed terminal end it in order."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from testbed.concurrency import run_interruptible
from testbed.errors import InterruptionError

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

INTERRUPTED = 128
Result = TypeVar("Result")


def interruptible(work: Coroutine[Any, Any, Result]) -> Result:
    """Run until done; a signal ends it with everything cleaned up, and the process with 128 and the signal's number."""
    try:
        return run_interruptible(work)
    except InterruptionError as error:
        with suppress(OSError):  # the terminal may be what is gone
            sys.stderr.write(f"testbed: {error}\n")
        sys.exit(error.exit_code if error.signal_number is None else INTERRUPTED + error.signal_number)
