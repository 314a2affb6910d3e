"""An event loop in a thread of its own, for callers that have none, or another one."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, TypeVar

from testbed.concurrency import shield

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

Result = TypeVar("Result")


class LoopThread:
    """A thread that runs an event loop until `close`. What it spawns dies with it, so it lives as long as the pair does."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="testbed-pair", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    def run(self, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Run the work there and wait for its result; Ctrl-C cancels it, and waits until it has cleaned up."""
        ended = threading.Event()
        future = asyncio.run_coroutine_threadsafe(_told(work, ended), self._loop)
        try:
            return future.result()
        except (KeyboardInterrupt, CancelledError):
            future.cancel()
            ended.wait()
            raise

    async def run_async(self, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Run the work there and return its result on the caller's own loop; a cancellation of the caller cancels it."""
        ended = threading.Event()
        future = asyncio.run_coroutine_threadsafe(_told(work, ended), self._loop)
        try:
            return await asyncio.wrap_future(future)
        finally:
            if not ended.is_set():
                await shield(asyncio.to_thread(ended.wait))

    def close(self) -> None:
        """End the loop and the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


async def _told(work: Callable[[], Coroutine[Any, Any, Result]], ended: threading.Event) -> Result:
    """Do the work, and tell who waits when it has ended: a future that was cancelled is done before that."""
    try:
        return await work()
    finally:
        ended.set()
