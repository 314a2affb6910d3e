from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from testbed.errors import ServiceError
from testbed.experiments.attempts import ATTEMPTS, Turns, map_until_known, replay_until_known

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(("known_at", "replayed"), [(1, [1]), (2, [1, 2]), (ATTEMPTS, [1, 2, 3]), (ATTEMPTS + 1, [1, 2, 3])])
async def test_a_replay_is_tried_again_until_its_result_is_known(known_at: int, replayed: list[int]) -> None:
    """A few times at most; then the last result counts, unknown as it is."""
    attempts: list[int] = []

    async def attempt(number: int) -> int:
        attempts.append(number)
        return number

    assert await replay_until_known(attempt, lambda number: number >= known_at) == replayed[-1]
    assert attempts == replayed


async def test_a_further_attempt_waits_until_it_is_alone() -> None:
    """Two of five pieces are unknown at first; no replay goes on beside a second attempt, and the first ones go on three at a time."""
    turns, going, beside = Turns(3), set(), []

    async def replayed(piece: str) -> str:
        async def attempt(number: int) -> bool:
            going.add(piece)
            beside.append((number, len(going)))
            await asyncio.sleep(0.01)
            beside.append((number, len(going)))
            going.remove(piece)
            return number > 1 or piece not in "ab"

        assert await turns.replay_until_known(attempt, bool)
        return piece

    assert await asyncio.gather(*map(replayed, "abcde")) == list("abcde")
    assert {count for number, count in beside if number > 1} == {1}
    assert max(count for number, count in beside if number == 1) == 3
    assert len(beside) == 2 * (5 + 2)


async def test_what_is_unknown_is_replayed_alone_after_the_others() -> None:
    """Of four pieces, three at a time, one needs a second attempt and one stays unknown; each is reported once, when that is clear.

    Before that, each result that is unknown and not the last is told as it comes.
    """
    known_at = {"a": 1, "b": 2, "c": 1, "d": ATTEMPTS + 1}
    going, together, attempts, reported, again = set(), [], [], [], []

    async def attempt(piece: str, number: int) -> tuple[str, bool]:
        going.add(piece)
        attempts.append((piece, number))
        await asyncio.sleep(0.01)
        together.append((number, len(going)))
        going.remove(piece)
        return piece, number >= known_at[piece]

    def doubt(result: tuple[str, bool]) -> str:
        return "" if result[1] else "late"

    results = await map_until_known(known_at, 3, attempt, doubt, lambda result, _: reported.append(result), again.append)
    assert results == [("a", True), ("b", True), ("c", True), ("d", False)]
    assert attempts[4:] == [("b", 2), ("d", 2), ("d", 3)]
    assert max(count for number, count in together if number == 1) == 3
    assert {count for number, count in together if number > 1} == {1}
    assert sorted(reported) == results
    assert sorted(again[:2]) == [("b", False), ("d", False)]
    assert again[2:] == [("d", False)]


async def test_a_replay_that_raises_ends_all_of_them() -> None:
    """What is no unknown result but an error is raised as itself."""

    async def attempt(_: str, number: int) -> str:
        if number == 2:
            raise ServiceError("cf-1 was not ready")
        return "late"

    with pytest.raises(ServiceError, match="cf-1 was not ready"):
        await map_until_known("ab", 1, attempt, str, lambda *_: None)


@pytest.mark.parametrize(
    ("reasons", "replayed"),
    [
        (lambda piece, number: f"no port {piece}{number}", ["11", "21", "31", "12", "13"]),  # it differs in its numbers only
        (lambda piece, _: "late" if piece == 3 else "no port", ["11", "21", "31", "12", "13", "22", "23", "32", "33"]),
        (lambda _, number: "late" if number == 3 else "no port", ["11", "21", "31", "12", "13", "22", "23", "32", "33"]),
        (lambda piece, _: "" if piece == 3 else "no port", ["11", "21", "31", "12", "13", "22", "23"]),
        (lambda piece, number: "" if piece == 1 and number == 3 else "no port", ["11", "21", "31", "12", "13", "22", "23", "32", "33"]),
    ],
    ids=["same", "another piece", "another attempt", "one is known", "the first is known in the end"],
)
async def test_where_nothing_can_be_replayed_not_all_of_it_is_tried_again(reasons: Callable[[int, int], str], replayed: list[str]) -> None:
    """Unknown for the same reason all of them, the first alone too: the others are given up, and each is reported as given up once."""
    tried, reported = [], []

    async def attempt(piece: int, number: int) -> tuple[int, str]:
        tried.append(f"{piece}{number}")
        return piece, reasons(piece, number)

    results = await map_until_known([1, 2, 3], 1, attempt, lambda result: result[1], lambda result, _: reported.append(result))
    assert tried == replayed
    assert [piece for piece, _ in results] == [1, 2, 3]
    assert sorted(reported) == results
