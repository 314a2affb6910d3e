from __future__ import annotations

import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from testbed.concurrency import cancel_and_wait, map_limited, run_all, run_interruptible, shield, wait_until
from testbed.errors import ProxyError, WaitError
from testbed.fakes.virtual_time import run


def test_work_in_another_thread_runs_to_its_end() -> None:
    """No signal comes there, and no handler can be set there."""

    async def answer() -> int:
        await asyncio.sleep(0)
        return 60

    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(run_interruptible, answer()).result() == 60


def test_a_signal_that_is_ignored_interrupts_nothing() -> None:
    """As under nohup; and it is ignored afterwards."""

    async def work() -> str:
        signal.raise_signal(signal.SIGHUP)
        await asyncio.sleep(0.01)
        return "done"

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run_interruptible(work()) == "done"
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_first_failure_of_several_works_ends_the_others_and_is_raised_as_itself() -> None:
    """Nothing goes on in the background."""
    ended: list[str] = []

    async def goes_on() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            ended.append("the other")

    async def fails() -> None:
        await asyncio.sleep(1)
        raise ProxyError("no")

    with pytest.raises(ProxyError, match="no"):
        run(run_all([goes_on(), fails()]))
    assert ended == ["the other"]


def test_no_more_than_the_limit_are_at_work_at_a_time() -> None:
    """And all of them are, as long as there is work; results come in the order of the work."""
    now, most = 0, 0

    async def work(number: int) -> int:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(1.0 / number)
        now -= 1
        return number * 10

    assert run(map_limited([1, 2, 3, 4, 5], 3, work)) == [10, 20, 30, 40, 50]
    assert most == 3


async def test_a_cancellation_waits_for_the_shielded_work_and_is_then_passed_on() -> None:
    """However often it comes."""
    go, done = asyncio.Event(), []

    async def work() -> None:
        await go.wait()
        done.append("done")

    task = asyncio.create_task(shield(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["done"]


async def test_what_the_shielded_work_returns_or_raises_comes_out() -> None:
    """Its own failure comes before a cancellation."""

    async def answer(value: int) -> int:
        await asyncio.sleep(0)
        return 60 // value

    assert await shield(answer(3)) == 20
    task = asyncio.create_task(shield(answer(0)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(ZeroDivisionError):
        await task


def test_cancelled_tasks_have_ended_and_their_failures_are_not_raised() -> None:
    """One that takes its time to end is waited for; one that had failed before does no harm."""
    ended: list[float] = []

    async def tidies_up() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(2)
            ended.append(asyncio.get_running_loop().time())

    async def fails() -> None:
        raise ProxyError("no")

    async def main() -> float:
        tasks = [asyncio.create_task(tidies_up()), asyncio.create_task(fails())]
        await asyncio.sleep(1)
        await cancel_and_wait(tasks)
        return asyncio.get_running_loop().time()

    assert run(main()) == 3.0
    assert ended == [3.0]


class Gate:
    """A look at a gate that opens at a time of the loop's."""

    def __init__(self, opens_s: float) -> None:
        self.opens_s = opens_s
        self.looks_s: list[float] = []

    async def look(self) -> str | None:
        """Return how long the gate stays closed; None when it is open."""
        now_s = asyncio.get_running_loop().time()
        self.looks_s.append(now_s)
        return None if now_s >= self.opens_s else f"{self.opens_s - now_s:.1f} s to go"


@pytest.mark.parametrize(("opens_s", "looks_s"), [(0.0, [0.0]), (3.0, [0.0, 2.0, 4.0])])
def test_a_wait_ends_with_the_first_look_that_sees_it(opens_s: float, looks_s: list[float]) -> None:
    """The first look is made at once."""
    gate = Gate(opens_s)
    run(wait_until("the gate did not open", gate.look, 60.0, every_s=2.0))
    assert gate.looks_s == looks_s


def test_a_wait_in_vain_says_for_what_how_long_and_what_it_saw_last() -> None:
    """The last look is made after the deadline."""
    gate = Gate(60.0)
    with pytest.raises(WaitError, match=r"^the gate did not open within 2\.5 s, last seen: 57\.0 s to go$"):
        run(wait_until("the gate did not open", gate.look, 2.5, every_s=1.0))
    assert gate.looks_s == [0.0, 1.0, 2.0, 3.0]


def test_a_look_that_comes_too_late_and_sees_it_counts() -> None:
    """A machine that stood still for a minute is no reason for an error."""

    async def slow() -> str | None:
        await asyncio.sleep(60)
        return None

    run(wait_until("the gate did not open", slow, 1.0))


def test_what_a_look_raises_ends_the_wait() -> None:
    """Such as that there is nothing to wait for any more."""

    async def gone() -> str | None:
        raise ProxyError("it is gone")

    with pytest.raises(ProxyError, match="it is gone"):
        run(wait_until("the gate did not open", gone, 60.0))
