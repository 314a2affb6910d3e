"""Doing things at once, ending them, and waiting: what `asyncio` lacks.

Nothing here uses `asyncio.wait_for`: that of Python 3.11 loses a cancellation that comes at the same moment as the result.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from testbed.errors import InterruptionError, WaitError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable

Result = TypeVar("Result")
Work = TypeVar("Work")
Done = TypeVar("Done")
POLL_S = 0.05
INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def run_interruptible(work: Coroutine[Any, Any, Result]) -> Result:
    """Run work in an event loop of its own; Ctrl-C, SIGQUIT, SIGTERM and a closed terminal end it in order.

    Raises InterruptionError when all is cleaned up; then the handlers are again those that were there before. Signals come to the main
    thread only: in another one, nothing interrupts the work.
    """
    caught: list[int] = []
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in INTERRUPTIONS if in_main_thread}

    async def guarded() -> Result:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()

        def stop(number: int) -> None:
            caught.append(number)
            task.cancel()

        for number, handler in before.items():
            if handler is not signal.SIG_IGN:  # as nohup wants it
                loop.add_signal_handler(number, stop, number)
        return await work

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError as error:
        raise InterruptionError(caught[0] if caught else None) from error
    finally:
        for number, handler in before.items():
            if handler is not None:  # None: not one of Python's
                signal.signal(number, handler)  # the loop has put back the default, whatever was there before


async def run_all(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all works at once. The first failure cancels the others and is raised as itself: no caller expects a group of errors."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from failures


async def map_limited(
    work: Iterable[Work], jobs: int, do: Callable[[Work], Awaitable[Done]], report: Callable[[Done], None] = lambda _: None
) -> list[Done]:
    """Return the result of `do` for each piece of work, in the order of `work`, with at most `jobs` at a time.

    `report` is called with each result as it comes. The first failure cancels the others and is raised as itself.
    """
    waiting = deque(enumerate(work))
    done: dict[int, Done] = {}

    async def worker() -> None:
        while waiting:
            number, piece = waiting.popleft()
            done[number] = await do(piece)
            report(done[number])

    await run_all(worker() for _ in range(jobs))
    return [done[number] for number in sorted(done)]


async def shield(work: Coroutine[Any, Any, Result]) -> Result:
    """Run the work to its end and return its result; a cancellation that came meanwhile is raised afterwards.

    For tearing down, and for work in a thread. A second Ctrl-C must not leave half of a facility behind; and a thread goes on after the
    task that waits for it is cancelled, so it could still create things after everything was removed. `asyncio.shield` protects the work
    as well, but returns before it has ended.
    """
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    result = task.result()  # raises its own failure first
    if cancelled is not None:
        raise cancelled
    return result


async def cancel_and_wait(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended; their failures are not raised here: they belong to those who await them."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def wait_until(failing: str, look: Callable[[], Awaitable[str | None]], within_s: float, *, every_s: float = POLL_S) -> None:
    """Wait until `look` returns None; any other result says what it saw, and it is called again `every_s` seconds later.

    Raises WaitError after `within_s` seconds: "`failing` within 30 s, last seen: …". An error of `look` ends the wait. A look is never cut
    short, so it has to be bounded itself. The last look ends after the deadline: on a machine that paused for a while, the state after the
    pause counts.
    """
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + within_s
    while (state := await look()) is not None:
        if loop.time() > deadline_s:
            raise WaitError(f"{failing} within {within_s:g} s, last seen: {state}")
        await asyncio.sleep(every_s)
