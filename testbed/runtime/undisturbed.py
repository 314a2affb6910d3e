"""Work that is carried to its end whatever is cancelled meanwhile: taking down, and what a thread does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

Result = TypeVar("Result")


async def undisturbed(work: Coroutine[Any, Any, Result]) -> Result:
    """Do the work to its end and give its result; a cancellation that came meanwhile is raised afterwards.

    Ctrl-C twice must not leave half of a facility behind; and a thread goes on when who waits for it is cancelled, so that what it
    still makes would be made after everything was removed.
    """
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    result = task.result()  # a failure of its own comes first
    if cancelled is not None:
        raise cancelled
    return result
