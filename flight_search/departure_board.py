"""A departure board in memory, with a deadlock seeded on purpose: two locks that are taken in two orders. Off unless a setting turns it on.

A check-in counts the passenger under the lock of the gates and then updates the board; a call for a flight's status reads the board and
then asks for the count at the gate. Each is right by itself, and each lives in a method of its own, as in the code that such a deadlock
is found in. Two such requests at once wait for each other for ever; after them, every check-in waits for the gates and every status for
the board, until no request thread is left. No error is raised, the pool is full of free connections, and health checks stay green (C6).
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from flight_search.settings import DepartureBoardOrder

Answer = TypeVar("Answer")


class DepartureBoard:
    """What the hall is shown: the flights by their last status, and how many have checked in at each gate.

    `order`: `one`, both operations ask the database and then take the lock of the gates first; `two`, each takes first what it needs first,
    and holds it while the database is asked; None, there is no board, and nothing is locked.
    """

    def __init__(self, order: DepartureBoardOrder | None) -> None:
        self._order = order
        self._gates = threading.Lock()
        self._board = threading.Lock()
        self._checked_in: Counter[str] = Counter()
        self._shown: dict[str, int] = {}

    def check_in(self, flight: str, ask: Callable[[], Answer]) -> Answer:
        """Return what `ask` returns, which checks a passenger in; count them at the gate, and show the count."""
        if self._order is None:
            return ask()
        if self._order == "one":
            answer = ask()
            with self._gates, self._board:
                return self._count(flight, answer)
        with self._gates:
            answer = ask()
            with self._board:
                return self._count(flight, answer)

    def status(self, flight: str, ask: Callable[[], Answer]) -> Answer:
        """Return what `ask` returns, a flight's status; show the flight, with those who have checked in."""
        if self._order is None:
            return ask()
        if self._order == "one":
            answer = ask()
            with self._gates, self._board:
                return self._show(flight, answer)
        with self._board:
            answer = ask()
            with self._gates:  # the other way round than in `check_in`: whoever holds the gates may be waiting for the board
                return self._show(flight, answer)

    def _count(self, flight: str, answer: Answer) -> Answer:
        self._checked_in[flight] += 1
        return self._show(flight, answer)

    def _show(self, flight: str, answer: Answer) -> Answer:
        self._shown[flight] = self._checked_in[flight]
        return answer
