"""What a class of many costs: looks a second at each browser, the server's processor time and memory, with nobody and with all of them.

.venv/bin/python -m tests.benchmarks.class_page --browsers 20

The class is a real one: `testbed class` in a process of its own, with a facility of processes. The browsers are without a screen, in
another process; with --hostile one more floods the class with garbage and with orders, as fast as it can.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from itertools import pairwise
from statistics import median

import aiohttp
import psutil

from tests.classroom.player import Player, player, switch_over

ADDRESS = re.compile(r"the trainer:\s+(\S+)")
CLASS = re.compile(r"the class:\s+(\S+)")
FACTOR = 20.0  # times as fast as the lesson has it: the pools fill up while the browsers look on
SMOOTH_S = 0.15  # between two looks, where ten come in a second


@contextmanager
def held(lesson: str) -> Iterator[tuple[psutil.Process, str, str]]:
    """Hold a class, and yield its process and the addresses of the trainer and of the class."""
    command = [sys.executable, "-u", "-m", "testbed", "class", lesson, "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            assert process.stdout is not None
            said = "".join(process.stdout.readline() for _ in range(4))
            yield psutil.Process(process.pid), ADDRESS.findall(said)[0], CLASS.findall(said)[0]
        finally:
            process.send_signal(signal.SIGINT)


async def _measure(title: str, server: psutil.Process, browsers: list[Player], seconds: float) -> float:
    """Print what went on for some seconds; return how much of a processor the server took."""
    for browser in browsers:
        browser.came_s.clear()
    before, began_s = server.cpu_times(), time.monotonic()
    await asyncio.sleep(seconds)
    after, took_s = server.cpu_times(), time.monotonic() - began_s
    share = (after.user + after.system - before.user - before.system) / took_s
    rss_mib = server.memory_info().rss / 2**20
    sys.stdout.write(f"{title}: {share:.3f} of a processor, {rss_mib:.0f} MiB\n")
    gaps_s = sorted(later - earlier for browser in browsers for earlier, later in pairwise(browser.came_s))
    if gaps_s:
        looks = sorted(len(browser.came_s) / took_s for browser in browsers)
        sys.stdout.write(
            f"  looks a second: median {median(looks):.1f}, least {looks[0]:.1f}; between two looks: median {median(gaps_s) * 1e3:.0f} ms, "
            f"99 % {gaps_s[int(len(gaps_s) * 0.99)] * 1e3:.0f} ms, longest {gaps_s[-1] * 1e3:.0f} ms; "
            f"{sum(gap_s <= SMOOTH_S for gap_s in gaps_s) / len(gaps_s):.1%} within {SMOOTH_S * 1e3:.0f} ms\n"
        )
    return share


async def _flood(address: str) -> None:
    """Send garbage, orders and requests for files, without a pause; connect again when sent away."""
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.ws_connect(f"{address}socket") as web:
                    for number in range(100_000):
                        await web.send_str('{"n":1,"order":"sessions"}' if number % 2 else "[" * 10_000)
                        async with session.get(f"{address}texts.js") as response:
                            await response.read()
            except (aiohttp.ClientError, ConnectionError):
                await asyncio.sleep(0)


async def _run(server: psutil.Process, trainer_address: str, address: str, options: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        trainer = await stack.enter_async_context(player(trainer_address))
        await trainer.until(lambda state: state["phase"] == "ready", 60.0)
        await trainer.order("speed", factor=FACTOR)
        await trainer.order("begin")
        await trainer.until(lambda state: state.get("task"), 60.0)
        await switch_over(trainer)
        alone = await _measure("the trainer alone", server, [trainer], options.seconds)
        browsers = [await stack.enter_async_context(player(address)) for _ in range(options.browsers)]
        for number, browser in enumerate(browsers):
            await browser.order("join", name=f"browser {number}", roles=["operator"])
        together = await _measure(f"with {options.browsers} browsers", server, browsers, options.seconds)
        sys.stdout.write(f"  a browser costs the server {(together - alone) / options.browsers:.4f} of a processor\n")
        if options.hostile:
            flood = asyncio.create_task(_flood(address))
            await _measure(f"with {options.browsers} browsers and a hostile one", server, browsers, options.seconds)
            flood.cancel()


def main() -> None:
    """Print the figures of one class."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lesson", default="the_night")
    parser.add_argument("--browsers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0, help="for how long each is measured")
    parser.add_argument("--hostile", action="store_true", help="with one more that floods the class")
    options = parser.parse_args()
    with held(options.lesson) as (server, trainer, address):
        asyncio.run(_run(server, trainer, address, options))


if __name__ == "__main__":
    main()
