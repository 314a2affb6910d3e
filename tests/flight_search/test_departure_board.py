from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from flight_search.departure_board import DepartureBoard
from flight_search.settings import ServerSettings, SettingsError, from_environment

FLIGHT = "UA 1 on 2013-10-07"
WITHIN_S = 10.0
MOMENT_S = 0.2


def test_without_a_board_nothing_is_locked() -> None:
    """Each operation is what the database answers, and two of them never wait for each other."""
    board = DepartureBoard(None)
    assert board.check_in(FLIGHT, lambda: board.status(FLIGHT, lambda: board.check_in(FLIGHT, lambda: 7))) == 7


@pytest.mark.parametrize("order", ["one", "two"])
def test_one_operation_at_a_time_is_right_in_either_order(order: str) -> None:
    """Which is why no test of an operation finds the deadlock."""
    board = DepartureBoard("one" if order == "one" else "two")
    assert [board.check_in(FLIGHT, lambda: 1), board.status(FLIGHT, lambda: 2), board.check_in(FLIGHT, lambda: 3)] == [1, 2, 3]


def test_in_one_order_a_hundred_operations_at_once_end() -> None:
    """However they fall."""
    board = DepartureBoard("one")
    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(board.status if number % 2 else board.check_in, FLIGHT, lambda: 1) for number in range(100)]
        assert sum(each.result(WITHIN_S) for each in done) == 100


def test_in_two_orders_a_check_in_and_a_status_at_once_wait_for_each_other() -> None:
    """Each has its first lock when it asks the database, and neither comes back."""
    board, both = DepartureBoard("two"), threading.Barrier(2)
    threads = [
        threading.Thread(target=operation, args=(FLIGHT, lambda: both.wait(WITHIN_S)), daemon=True)  # they are never joined
        for operation in (board.check_in, board.status)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(MOMENT_S)
    assert [thread.is_alive() for thread in threads] == [True, True]
    assert not both.broken
    assert both.n_waiting == 0


def test_an_error_of_the_database_gives_the_locks_back() -> None:
    """The seeded fault is the order, and nothing else."""
    for board in (DepartureBoard("one"), DepartureBoard("two")):
        for operation in (board.check_in, board.status):
            with pytest.raises(ZeroDivisionError):
                operation(FLIGHT, lambda: 1 // 0)
        assert (board.check_in(FLIGHT, lambda: 1), board.status(FLIGHT, lambda: 2)) == (1, 2)


def test_the_order_is_one_or_two_and_off_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything else is refused at the start, with the name of the variable."""
    monkeypatch.setenv("FLIGHT_SEARCH_DATABASE", "host=x")
    for value, order in (("", None), ("one", "one"), ("two", "two")):
        monkeypatch.setenv("FLIGHT_SEARCH_DEPARTURE_BOARD", value)
        assert from_environment(ServerSettings).departure_board == order
    monkeypatch.delenv("FLIGHT_SEARCH_DEPARTURE_BOARD")
    assert from_environment(ServerSettings).departure_board is None
    monkeypatch.setenv("FLIGHT_SEARCH_DEPARTURE_BOARD", "three")
    with pytest.raises(SettingsError, match=r"FLIGHT_SEARCH_DEPARTURE_BOARD: .*'one' or 'two'.*found 'three'"):
        from_environment(ServerSettings)
