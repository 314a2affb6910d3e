from __future__ import annotations

import asyncio

import pytest

from testbed.faultproxy.stream import ROOM_CHUNKS, Channel, Chunk, Interrupted, StreamEnded


def chunk(data: bytes = b"x") -> Chunk:
    """Return a chunk."""
    return Chunk(data, 0.0)


async def full() -> Channel:
    """Return a channel without room."""
    channel = Channel()
    for number in range(ROOM_CHUNKS):
        assert await channel.put(chunk(bytes([number])))
    return channel


async def waits(task: asyncio.Task[bool]) -> bool:
    """Return whether a task is still waiting after everything else had its turn."""
    for _ in range(5):
        await asyncio.sleep(0)
    return not task.done()


async def test_what_is_put_is_got_in_order_and_then_the_end() -> None:
    """The end comes after the last chunk, and comes again for every further `get`."""
    channel = await full()
    channel.end()
    assert [(await channel.get()).data for _ in range(ROOM_CHUNKS)] == [bytes([number]) for number in range(ROOM_CHUNKS)]
    for _ in range(2):
        with pytest.raises(StreamEnded):
            await channel.get()


async def test_a_full_channel_holds_the_sender_back_until_there_is_room() -> None:
    """A sender waits while the channel is full, so that a receiver that stops costs bounded memory."""
    channel = await full()
    putting = asyncio.create_task(channel.put(chunk()))
    assert await waits(putting)
    channel.take()
    assert await putting


async def test_an_interrupted_receiver_leaves_what_is_there_to_the_next() -> None:
    """An interrupted receiver, also one that was waiting, leaves every chunk to the next."""
    channel = Channel()
    getting = asyncio.create_task(channel.get())
    await asyncio.sleep(0)
    channel.interrupt()
    await channel.put(chunk(b"left"))
    for receiving in (getting, channel.get()):
        with pytest.raises(Interrupted):
            await receiving
    channel.resume()
    assert (await channel.get()).data == b"left"


async def test_a_wait_ends_by_its_time_or_by_an_interrupt() -> None:
    """A wait returns whether it was interrupted, and no chunk that arrives meanwhile ends it."""
    channel = Channel()
    assert not await channel.wait_interrupt(0)
    assert not await channel.wait_interrupt(0.01)
    waiting = asyncio.create_task(channel.wait_interrupt(None))
    await channel.put(chunk())
    assert await waits(waiting)
    channel.interrupt()
    assert await waiting
    assert await channel.wait_interrupt(0)


async def test_a_held_channel_takes_nothing_more_although_it_empties() -> None:
    """A held channel accepts no chunk, so that a sender that never pauses cannot keep a removed toxic busy."""
    channel = await full()
    putting = asyncio.create_task(channel.put(chunk()))
    channel.hold()
    while not channel.empty:
        channel.take()
    assert await waits(putting)
    channel.retire()
    assert await putting is False


async def test_a_retired_channel_accepts_nothing() -> None:
    """A sender that waits with a chunk keeps it, and so does every later sender."""
    channel = await full()
    putting = asyncio.create_task(channel.put(chunk()))
    assert await waits(putting)
    channel.retire()
    assert await putting is False
    assert await channel.put(chunk()) is False


async def test_a_channel_without_receiver_delays_no_sender() -> None:
    """Without a receiver chunks are dropped, and a sender that waited waits no longer."""
    channel = await full()
    putting = asyncio.create_task(channel.put(chunk()))
    assert await waits(putting)
    channel.discard()
    assert await putting
    assert channel.empty
    for _ in range(ROOM_CHUNKS + 1):
        assert await channel.put(chunk())
    assert channel.empty
