"""Keeps the event loop awake while short messages follow each other closely.

On a machine that is idle, waking a process up takes longer than passing a message on. Go's own runtime looks for work for a while before it
sleeps, and so Toxiproxy does; here, the loop goes round without sleeping, for `CLOSE_S` after a message that came close after another.
Where messages come further apart than that, as between a server and its database, nobody stays awake.
"""

from __future__ import annotations

import asyncio
import time

CLOSE_S = 200e-6


class BusyPoll:
    """What a connection does to stay awake; `record_message` is told of every message, in either direction."""

    def __init__(self) -> None:
        self._last_s = 0.0
        self._polls = False

    def record_message(self) -> None:
        """Take note of a message, and stay awake for the next when this one came close after the one before."""
        now_s = time.perf_counter()  # uvloop's own clock goes by milliseconds
        if now_s - self._last_s < CLOSE_S and not self._polls:
            self._polls = True
            asyncio.get_running_loop().call_soon(self._poll)
        self._last_s = now_s

    def _poll(self) -> None:
        self._polls = time.perf_counter() - self._last_s < CLOSE_S
        if self._polls:
            asyncio.get_running_loop().call_soon(self._poll)
