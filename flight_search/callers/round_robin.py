"""The addresses of the facility in turn, past those that are out of service."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Self

from flight_search.stability.call import FacilityFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

# As the balancers of compose/haproxy.cfg have them, so that a caller meets the same facility on either runtime. A server is out of
# service only after three checks in a row without an answer: a machine that is busy is slow to answer, and that is no reason.
FALL = 3
CHECK_TIMEOUT_S = 2.0


class RoundRobin:
    """Base URLs in turn. Thread-safe; as a context manager, it looks after their health meanwhile.

    `is_green` asks a URL for its health, within CHECK_TIMEOUT_S. With `check_every_s` each is asked that often, and those that were red
    FALL times in a row are left out until they are green again. With None nobody asks, because a balancer stands before them that does.
    """

    def __init__(self, urls: tuple[str, ...], check_every_s: float | None, is_green: Callable[[str], bool]) -> None:
        self._urls = urls
        self._check_every_s = check_every_s
        self._is_green = is_green
        self._turns = itertools.count()  # its next() is atomic in CPython: no lock is needed
        self._red_in_a_row = dict.fromkeys(urls, 0)  # each has one writer, the thread that checks it
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        if self._check_every_s is not None:
            for url in self._urls:  # each by itself, because one that does not answer takes the whole time-out
                threading.Thread(target=self._check, args=(url, self._check_every_s), name=f"health of {url}", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()

    def in_turn(self) -> Iterator[str]:
        """Give the next in turn, and after it the others, each once; raises FacilityFailed when all are out of service."""
        green = tuple(url for url in self._urls if self._red_in_a_row[url] < FALL)
        if not green:
            raise FacilityFailed(f"nobody to call: {', '.join(self._urls)} each failed {FALL} health checks in a row")
        # One turn a call, and round from there: were every try a turn of its own, two calls at once could each be given a dead one twice.
        first = next(self._turns)
        return (green[(first + one) % len(green)] for one in range(len(green)))

    def check(self, url: str) -> None:
        """Look after the health of a URL once."""
        self._red_in_a_row[url] = 0 if self._is_green(url) else self._red_in_a_row[url] + 1

    def _check(self, url: str, every_s: float) -> None:
        while not self._ended.wait(every_s):
            self.check(url)
