"""What thousands of orders over one WebSocket do to a living class: whether each is answered, and what they cost everybody else.

.venv/bin/python -m tests.benchmarks.class_orders --orders 10000

The class is a real one: `testbed class` in a process of its own, with a facility of processes. One browser plays all roles and sends
orders of every kind as fast as they are taken, ten a second for long (`testbed.classroom.web.door`); the trainer's looks on and
orders something once a second. At the end the states of both are compared with that of a browser that comes then.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import time
from collections import Counter
from contextlib import asynccontextmanager
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from testbed.concurrency import cancel_and_wait
from tests.benchmarks.class_page import held
from tests.classroom.player import EVERYTHING, player, switch_over

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import psutil

    from tests.classroom.player import Player

FACTOR = 20.0  # times as fast as the lesson has it, until the switchover
QUIET_S = 30.0  # to compare with
LATE_S = 300.0  # for the facility, and for the last answer; evidence of a whole facility may be before it
LOOKS = 10  # at the server's memory
SLOW_EVERY = 500  # orders: one of them collects the evidence of everything, and one dumps threads
QUICK = (
    ("note", {"text": "all hang, all is green"}),
    ("sessions", {}),
    ("health", {"service": "cf-1"}),
    ("locks", {}),
    ("metrics", {"service": "cf-2"}),
    ("join", {"name": "Ann", "roles": list(EVERYTHING)}),
    ("answer", {"question": "cause", "value": "lost"}),
    ("answer", {"question": "line", "value": "banana"}),
    ("speed", {"factor": 2.0}),
    ("restart", {"service": "nobody", "evidence": False}),
    ("nothing", {}),
    ("next_step", {}),
)
SLOW = (("dump", {"service": "kiosk"}), ("collect", {}))


async def _ask(trainer: Player, answers_s: list[float]) -> None:
    """Order something once a second, until cancelled, and note how long each answer took."""
    while True:
        began_s = time.monotonic()
        await trainer.order("health", service="cf-1")
        answers_s.append(time.monotonic() - began_s)
        await asyncio.sleep(1.0)


@asynccontextmanager
async def _watched(title: str, trainer: Player) -> AsyncIterator[None]:
    """Print how smooth the trainer's page was during the block, and how long its answers took."""
    trainer.came_s.clear()
    answers_s = list[float]()
    asking = asyncio.create_task(_ask(trainer, answers_s))
    try:
        yield
    finally:
        await cancel_and_wait([asking])
    gaps_s = sorted(later - earlier for earlier, later in pairwise(trainer.came_s))
    sys.stdout.write(
        f"the trainer, while {title}: between two looks median {median(gaps_s) * 1e3:.0f} ms, 99 % within "
        f"{gaps_s[int(len(gaps_s) * 0.99)] * 1e3:.0f} ms, longest {gaps_s[-1] * 1e3:.0f} ms; "
        f"{len(answers_s)} answers: median {median(answers_s) * 1e3:.0f} ms, longest {max(answers_s) * 1e3:.0f} ms\n"
    )


async def _send(ann: Player, orders: int, server: psutil.Process) -> list[int]:
    """Send so many orders, and return their numbers; prints what the server's memory was meanwhile."""
    quick, slow, numbers = itertools.cycle(QUICK), itertools.cycle(SLOW), list[int]()
    for count in range(1, orders + 1):
        order, fields = next(slow if count % SLOW_EVERY == 0 else quick)
        numbers.append(await ann.send(order, **fields))
        while len(numbers) - len(ann.replies) > orders // LOOKS:  # so that the figures are of orders that were carried out
            await asyncio.sleep(0.1)
        if count % (orders // LOOKS) == 0:
            rss_mib = server.memory_info().rss / 2**20
            sys.stdout.write(f"  {count} sent, {len(ann.replies)} answered: {rss_mib:.0f} MiB, {server.num_fds()} descriptors\n")
            sys.stdout.flush()
    return numbers


def _without_time(state: dict[str, object]) -> dict[str, object]:
    """Return a state but for what changes all the time."""
    moving = ("clock", "cost", "passengers", "services.", "balancers.", "notes_due", "people.")
    return {key: value for key, value in state.items() if not key.startswith(moving)}


async def _run(server: psutil.Process, trainer_address: str, address: str, orders: int) -> None:
    async with player(trainer_address) as trainer, player(address) as ann:
        await trainer.until(lambda state: state["phase"] == "ready", LATE_S)
        await ann.order("join", name="Ann", roles=list(EVERYTHING))
        await trainer.order("speed", factor=FACTOR)
        await trainer.order("begin")
        await trainer.until(lambda state: state.get("task"), LATE_S)
        await trainer.order("speed", factor=1.0)
        await switch_over(ann)
        ann.replies.clear()
        async with _watched("nobody orders anything", trainer):
            await asyncio.sleep(QUIET_S)
        before, began_s = server.cpu_times(), time.monotonic()
        async with _watched(f"{orders} orders", trainer):
            numbers = await _send(ann, orders, server)
            end_s = time.monotonic() + LATE_S
            while len(ann.replies) < orders and time.monotonic() < end_s:
                await asyncio.sleep(0.1)
        took_s, after = time.monotonic() - began_s, server.cpu_times()
        share = (after.user + after.system - before.user - before.system) / took_s
        codes = Counter("done" if reply["ok"] else reply["text"].get("code", reply["text"]) for reply in ann.replies.values())
        sys.stdout.write(
            f"{orders} orders in {took_s:.0f} s: {len(set(numbers) & set(ann.replies))} answered; {share:.3f} of a processor\n"
            f"  answers: {dict(codes)}\n"
        )
        await trainer.order("pause")
        await asyncio.sleep(1.0)
        async with player(address) as late:
            same = _without_time(ann.state) == _without_time(trainer.state) == _without_time(late.state)
            sys.stdout.write(f"  the state is {'the same' if same else 'NOT the same'} in all browsers: {len(late.state)} keys\n")


def main() -> None:
    """Print the figures of one class."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lesson", default="the_night")
    parser.add_argument("--orders", type=int, default=10_000)
    options = parser.parse_args()
    with held(options.lesson) as (server, trainer, address):
        asyncio.run(_run(server, trainer, address, options.orders))


if __name__ == "__main__":
    main()
