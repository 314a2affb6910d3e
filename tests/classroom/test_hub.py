from __future__ import annotations

import asyncio
import json
from typing import Any

from testbed.classroom.board import Board
from testbed.classroom.web.hub import MOST_REPLIES, SILENT_S, Hub, Listener
from testbed.concurrency import cancel_and_wait
from testbed.fakes.virtual_time import run


class Browser:
    """Takes messages, one at a time while `open` is set."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.got: list[Any] = []
        self.texts: list[str] = []
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, text: str) -> None:
        """Take a message when the browser is ready for one."""
        await self.open.wait()
        self.texts.append(text)
        self.got.append(json.loads(text))


def test_who_comes_late_hears_the_welcome_and_then_all_of_the_board() -> None:
    """And after that only what changes; None is what was removed."""

    async def play() -> None:
        board = Board()
        hub = Hub(board)
        board.set("a", 1)
        board.set("gone", 2)
        board.set("gone", None)
        browser = Browser(hub.listen({"is": "welcome"}))
        sending = asyncio.create_task(browser.listener.send_all(browser.send))
        await asyncio.sleep(0)
        assert browser.got == [{"is": "welcome"}, {"is": "set", "state": {"a": 1}}]
        board.set("a", 1)
        hub.flush()
        board.set("a", 3)
        board.set("b", {"c": 4})
        hub.flush()
        await asyncio.sleep(0.1)
        assert browser.got[2:] == [{"is": "set", "state": {"a": 3, "b": {"c": 4}}}]
        await cancel_and_wait([sending])

    run(play())


def test_who_is_slow_gets_what_it_missed_as_one_message_of_the_last_values() -> None:
    """However many changes there were; and the others have had each of them, as one text that is made once."""

    async def play() -> None:
        board = Board()
        hub = Hub(board)
        slow, quick, third = (Browser(hub.listen({})) for _ in range(3))
        sending = [asyncio.create_task(browser.listener.send_all(browser.send)) for browser in (slow, quick, third)]
        await asyncio.sleep(0.1)
        slow.open.clear()
        for number in range(1, 1_001):
            board.set("count", number)
            board.set(f"only {number % 3}", number)
            hub.flush()
            await asyncio.sleep(0.01)
        slow.open.set()
        await asyncio.sleep(0.1)
        assert len(quick.got) == 2 + 1_000
        assert all(one is other for one, other in zip(quick.texts[2:], third.texts[2:], strict=True))
        assert slow.got[2:] == [
            {"is": "set", "state": {"count": 1, "only 1": 1}},
            {"is": "set", "state": {"count": 1_000, "only 2": 998, "only 0": 999, "only 1": 1_000}},
        ]
        await cancel_and_wait(sending)

    run(play())


def test_what_an_order_changes_comes_before_its_reply() -> None:
    """A page that has the reply shows what was done."""

    async def play() -> None:
        board = Board()
        hub = Hub(board)
        browser = Browser(hub.listen({}))
        board.set("done", True)
        hub.flush()
        browser.listener.reply({"n": 1})
        sending = asyncio.create_task(browser.listener.send_all(browser.send))
        await asyncio.sleep(0.1)
        assert browser.got[2:] == [{"is": "set", "state": {"done": True}}, {"n": 1}]
        await cancel_and_wait([sending])

    run(play())


def test_who_takes_no_replies_is_waited_for_and_misses_none() -> None:
    """There is room for the next reply only while fewer than a bound wait to be taken."""

    async def play() -> None:
        browser = Browser(Hub(Board()).listen({}))
        browser.open.clear()
        sending = asyncio.create_task(browser.listener.send_all(browser.send))

        async def answer() -> None:
            for number in range(MOST_REPLIES * 3):
                await browser.listener.wait_room()
                browser.listener.reply({"n": number})
                answered.append(number)

        answered: list[int] = []
        answering = asyncio.create_task(answer())
        await asyncio.sleep(1.0)
        assert len(answered) == MOST_REPLIES
        browser.open.set()
        await answering
        await asyncio.sleep(0.1)
        assert [message["n"] for message in browser.got[2:]] == list(range(MOST_REPLIES * 3))
        await cancel_and_wait([sending])

    run(play())


def test_who_has_left_is_sent_nothing() -> None:
    """Nor is anything made into text for nobody."""

    async def play() -> None:
        board = Board()
        hub = Hub(board)
        browser = Browser(hub.listen({}))
        hub.leave(browser.listener)
        board.set("a", object())  # it could not be made into text
        hub.flush()

    run(play())


def test_where_nothing_changes_all_are_told_so_from_time_to_time() -> None:
    """A page that hears nothing for long would take its connection for dead."""

    async def play() -> None:
        board = Board()
        hub = Hub(board)
        browser = Browser(hub.listen({}))
        tasks = [asyncio.create_task(hub.run()), asyncio.create_task(browser.listener.send_all(browser.send))]
        await asyncio.sleep(SILENT_S * 2 + 1.0)
        board.set("a", 1)
        await asyncio.sleep(SILENT_S - 1.0)
        assert browser.got[2:] == [{"is": "set", "state": {}}] * 2 + [{"is": "set", "state": {"a": 1}}]
        await cancel_and_wait(tasks)

    run(play())


def test_whoever_connects_again_and_again_costs_one_text_of_the_board_for_each_of_its_changes() -> None:
    """The text is the same one until something changes, and has what has changed then."""
    board = Board()
    hub = Hub(board)
    board.set("a", 1)
    one, other = hub.listen({}).first[1], hub.listen({}).first[1]
    assert one is other
    board.set("a", 2)
    assert json.loads(hub.listen({}).first[1]) == {"is": "set", "state": {"a": 2}}
