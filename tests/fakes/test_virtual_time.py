from __future__ import annotations

import asyncio
import time

import pytest

from testbed.errors import WaitError
from testbed.fakes.virtual_time import VirtualTimeLoop, run


def test_waiting_takes_no_time_and_the_clock_goes_on_all_the_same() -> None:
    """A day of waiting is a day on the loop's clock and nothing on the processor's."""

    async def waits() -> float:
        await asyncio.sleep(86_400.0 * 3)
        return asyncio.get_running_loop().time()

    started = time.process_time()
    assert run(waits()) == pytest.approx(86_400.0 * 3)
    assert time.process_time() - started < 1.0


def test_things_happen_in_the_order_of_their_times() -> None:
    """Whatever the order in which they were planned."""
    order: list[tuple[str, float]] = []

    async def wait(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append((name, asyncio.get_running_loop().time()))

    async def all_at_once() -> None:
        await asyncio.gather(wait("third", 0.3), wait("first", 0.1), wait("second", 0.2))

    run(all_at_once())
    assert order == [("first", 0.1), ("second", 0.2), ("third", 0.3)]


def test_the_clock_stands_while_anything_is_ready() -> None:
    """A thousand turns of the loop take no time."""

    async def turns() -> float:
        for _ in range(1000):
            await asyncio.sleep(0)
        return asyncio.get_running_loop().time()

    assert run(turns()) == 0.0


def test_time_outs_are_in_virtual_time() -> None:
    """What would wait for an hour is given up after a second, at once."""

    async def waits() -> float:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(3600), 1.0)
        return asyncio.get_running_loop().time()

    assert run(waits()) == 1.0


def test_a_wait_for_what_never_comes_is_an_error_and_not_for_ever() -> None:
    """When no timer is left, nothing can happen any more."""

    async def waits() -> None:
        await asyncio.Event().wait()

    with pytest.raises(WaitError, match="deadlock in virtual time"):
        run(waits())


def test_what_a_coroutine_raises_is_raised() -> None:
    """As by asyncio's own."""

    async def fails() -> None:
        await asyncio.sleep(1)
        raise KeyError("x")

    with pytest.raises(KeyError):
        run(fails())


def test_every_loop_begins_at_nothing() -> None:
    """Two runs have the same times."""
    loops = [VirtualTimeLoop(), VirtualTimeLoop()]
    loops[0].jump(5.0)
    assert [loop.time() for loop in loops] == [5.0, 0.0]
    for loop in loops:
        loop.close()
