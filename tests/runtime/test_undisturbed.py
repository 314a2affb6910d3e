from __future__ import annotations

import asyncio

import pytest

from testbed.runtime.undisturbed import undisturbed


async def test_a_cancellation_waits_for_the_work_and_is_then_passed_on() -> None:
    """However often it comes."""
    go, done = asyncio.Event(), []

    async def work() -> None:
        await go.wait()
        done.append("done")

    task = asyncio.create_task(undisturbed(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["done"]


async def test_what_the_work_gives_or_raises_comes_out() -> None:
    """Its own failure comes before a cancellation."""

    async def answer(value: int) -> int:
        await asyncio.sleep(0)
        return 60 // value

    assert await undisturbed(answer(3)) == 20
    task = asyncio.create_task(undisturbed(answer(0)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(ZeroDivisionError):
        await task
