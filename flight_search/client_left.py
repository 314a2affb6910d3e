"""Cancels the work on a request when its client goes away, as Starlette does with the body of a streamed response.

Only work in the event loop can be cancelled; that of a request thread goes on, whether or not anybody waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Receive

Answer = TypeVar("Answer")


async def unless_client_leaves(receive: Receive, work: Callable[[], Awaitable[Answer]], gone: Answer) -> Answer:
    """Return what `work` returns; `gone`, which nobody will read, if the client went away before, and the work was cancelled."""
    answer = gone
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_cancel_when_gone, receive, tasks.cancel_scope)
            answer = await work()
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:  # in which a task group wraps also a single error
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from None
        raise
    return answer


async def _cancel_when_gone(receive: Receive, work: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    work.cancel()
