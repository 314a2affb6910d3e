"""What the request threads of a service were at, in one dump of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.thread_states import IDLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.journal.events import ThreadGroup, Threads


def is_full(dump: Threads) -> bool:
    """Whether every request thread of a service was at work in a dump."""
    return dump.request_threads > 0 and count_at_work(dump) >= dump.request_threads


def at_work(dump: Threads) -> Sequence[ThreadGroup]:
    """Return the groups of request threads that do something, or wait for something."""
    return [group for group in dump.groups if group.state != IDLE]


def count_at_work(dump: Threads) -> int:
    """Return how many request threads do something, or wait for something."""
    return sum(group.count for group in at_work(dump))


def free_text(dump: Threads) -> str:
    """Return how many request threads are free, in words."""
    return f"{dump.request_threads - count_at_work(dump)} of {dump.request_threads} request threads free"
