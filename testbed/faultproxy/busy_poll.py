"""Busy polling: keeps the event loop from sleeping while short messages follow each other closely.

On an idle machine, waking a process up takes longer than passing a message on. Go's runtime looks for work for a while before it sleeps,
and so Toxiproxy does; here, the loop runs without sleeping for `CLOSE_S` after a message that came close after another. Where messages
are further apart than that, as between a server and its database, the loop sleeps.
"""

from __future__ import annotations

import asyncio
import time

CLOSE_S = 200e-6


class BusyPoll:
    """Keeps the loop busy for one connection. `record_message` is called for every message, in either direction."""

    def __init__(self) -> None:
        self._last_s = 0.0
        self._is_polling = False

    def record_message(self) -> None:
        """Record a message, and start to poll for the next if it came close after the one before."""
        now_s = time.perf_counter()  # uvloop's own clock has a resolution of milliseconds
        if now_s - self._last_s < CLOSE_S and not self._is_polling:
            self._is_polling = True
            asyncio.get_running_loop().call_soon(self._poll)
        self._last_s = now_s

    def _poll(self) -> None:
        self._is_polling = time.perf_counter() - self._last_s < CLOSE_S
        if self._is_polling:
            asyncio.get_running_loop().call_soon(self._poll)
