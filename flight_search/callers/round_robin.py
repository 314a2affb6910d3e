"""Round robin over the facility's addresses, without those that are out of service."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Self

from flight_search.stability.call import FacilityFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

# The same as the balancers' in compose/haproxy.cfg, so that a caller meets the same facility on either runtime. A server is out of
# service only after three failed checks in a row: a busy machine answers slowly, and that alone is no reason to leave it out.
FALL = 3
CHECK_TIMEOUT_S = 2.0


class RoundRobin:
    """Base URLs, each first in turn. Thread-safe; as a context manager, it checks their health until the context ends.

    `is_green` checks a URL's health, within CHECK_TIMEOUT_S. With `check_every_s` each URL is checked at that interval; one that fails
    FALL checks in a row is left out until a check succeeds. With None nothing is checked, because a balancer in front does that.
    """

    def __init__(self, urls: tuple[str, ...], check_every_s: float | None, is_green: Callable[[str], bool]) -> None:
        self._urls = urls
        self._check_every_s = check_every_s
        self._is_green = is_green
        self._turns = itertools.count()  # its next() is atomic in CPython: no lock is needed
        self._red_in_a_row = dict.fromkeys(urls, 0)  # each entry has one writer, the thread that checks it
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        if self._check_every_s is not None:
            for url in self._urls:  # a thread for each, because a URL that does not answer takes the whole time-out
                threading.Thread(
                    target=self._check_until_end, args=(url, self._check_every_s), name=f"health of {url}", daemon=True
                ).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()

    def in_turn(self) -> Iterator[str]:
        """Yield the next URL in turn and then each of the others once; raise FacilityFailed if all are out of service."""
        green = tuple(url for url in self._urls if self._red_in_a_row[url] < FALL)
        if not green:
            raise FacilityFailed(f"no address in service: {', '.join(self._urls)} each failed {FALL} health checks in a row")
        # One turn for each call, and round from there. If every try took a turn, two concurrent calls could both get the dead URL twice.
        first = next(self._turns)
        return (green[(first + offset) % len(green)] for offset in range(len(green)))

    def check(self, url: str) -> None:
        """Check the health of a URL once."""
        self._red_in_a_row[url] = 0 if self._is_green(url) else self._red_in_a_row[url] + 1

    def _check_until_end(self, url: str, every_s: float) -> None:
        while not self._ended.wait(every_s):
            self.check(url)
