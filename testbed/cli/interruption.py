"""Interruption: Ctrl-C, SIGTERM and a closed terminal (SIGHUP) end a command in order."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

INTERRUPTED = 128
Result = TypeVar("Result")


def interruptible(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine and return its result. A signal cancels it; after its cleanup the process exits with 128 + the signal's number."""
    caught: list[int] = []

    async def guarded() -> Result:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()

        def stop(number: int) -> None:
            caught.append(number)
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # ignored by nohup
                loop.add_signal_handler(number, stop, number)
        return await work

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        with suppress(OSError):  # the terminal may be what is gone
            sys.stderr.write("testbed: interrupted; everything was taken down; the journal has all events up to here\n")
        sys.exit(INTERRUPTED + caught[0] if caught else 3)
