"""What comes over a connection before and beside orders: others do not hear of it, and it costs no memory."""

from __future__ import annotations

import asyncio
import json
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest

from testbed.classroom.live import people
from testbed.classroom.live.desk import Desk
from testbed.classroom.web import door, server
from tests.classroom.conftest import held
from tests.classroom.player import player

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.classroom.conftest import Class

TEXT, PING, PONG, CONTINUATION = 1, 9, 10, 0
CLOSED = (ConnectionError, asyncio.IncompleteReadError)


def frame(kind: int, data: bytes = b"", *, whole: bool = True) -> bytes:
    """Return a frame as a client sends it: masked, here with zeros."""
    head = struct.pack("!BB", whole << 7 | kind, 0x80 | min(126, len(data)))
    return head + (b"" if len(data) < 126 else struct.pack("!H", len(data))) + b"\0\0\0\0" + data


@asynccontextmanager
async def connection(a_class: Class, first: str = "") -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to a class, and send this as the first line and the headers of a request."""
    reader, writer = await asyncio.open_connection(a_class.at.host, a_class.at.port)
    try:
        writer.write(first.replace("\n", "\r\n").encode())
        yield reader, writer
    finally:
        writer.transport.abort()


def upgrade(token: str) -> str:
    """Return the request that opens a WebSocket."""
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    head = f"GET /{token}/socket HTTP/1.1\nHost: x\nUpgrade: websocket\nConnection: Upgrade\n"
    return f"{head}Sec-WebSocket-Key: {key}\nSec-WebSocket-Version: 13\n\n"


async def ends(reader: asyncio.StreamReader) -> bool:
    """Whether a connection is closed by the other side within some seconds."""
    try:
        async with asyncio.timeout(10.0):
            while await reader.read(65_536):
                pass
    except TimeoutError:
        return False
    except CLOSED:
        return True
    return True


@pytest.mark.parametrize("kind", [PING, PONG, CONTINUATION])
async def test_more_control_frames_than_a_browser_sends_end_its_connection(runs: Path, kind: int) -> None:
    """And parts of messages: forty thousand empty ones in a chunk would be seconds for which nobody else is heard."""
    async with held(runs) as a_class, connection(a_class, upgrade(a_class.at.class_token)) as (reader, writer):
        assert b"101" in await reader.readuntil(b"\r\n\r\n")
        writer.write(frame(TEXT, whole=False) + frame(kind, whole=False) * 40_000 if kind == CONTINUATION else frame(kind) * 40_000)
        assert await ends(reader)


async def test_a_chunk_of_many_messages_is_taken_in_as_fast_as_they_are_answered(runs: Path) -> None:
    """Each has its reply, in order; who talks in small pieces waits, and the others do not."""
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await trainer.until(lambda state: state["phase"] == "ready")
        async with connection(a_class, upgrade(a_class.at.class_token)) as (reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            orders = [json.dumps({"n": number, "order": "join", "name": "x" * 40, "roles": []}) for number in range(door.AT_ONCE)]
            writer.write(b"".join(frame(TEXT, order.encode()) for order in orders))
            got = b""
            async with asyncio.timeout(20.0):
                while got.count(b'"is":"reply"') < len(orders):
                    got += await reader.read(65_536)
            places = [got.index(f'"n":{number},'.encode()) for number in range(len(orders))]
            assert places == sorted(places)


async def test_headers_without_end_are_refused(runs: Path) -> None:
    """Before they take memory."""
    async with held(runs) as a_class, connection(a_class, f"GET /{a_class.at.class_token}/ HTTP/1.1\n") as (reader, writer):
        writer.write(b"".join(b"X-%d: %b\r\n" % (number, b"y" * 1_000) for number in range(1_000)))
        assert await ends(reader)


async def test_one_machine_has_a_part_of_all_connections_and_silent_ones_end(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that others, and the facility beside them, always have files left to open."""
    monkeypatch.setattr(door, "MOST_CONNECTIONS", 8)
    monkeypatch.setattr(door, "LONGEST_REQUEST_S", 1.0)
    async with held(runs) as a_class:
        opened = [await asyncio.open_connection(a_class.at.host, a_class.at.port) for _ in range(6)]
        try:
            assert await ends(opened[4][0])
            assert await ends(opened[5][0])
            assert not opened[0][0].at_eof()
            assert await ends(opened[0][0])
            async with player(a_class.at.trainer) as trainer:
                assert trainer.welcome["you"]["trainer"]
        finally:
            for _, writer in opened:
                writer.transport.abort()


async def test_a_browser_that_takes_nothing_is_forgotten_once_it_was_closed(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it stays: what is left to be sent would wait for it for ever."""
    monkeypatch.setattr(door, "CHECK_EVERY_S", 0.2)
    monkeypatch.setattr(server, "PING_S", 0.5)
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await trainer.until(lambda state: state["phase"] == "ready")
        async with connection(a_class, upgrade(a_class.at.class_token)) as (reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            join = {"n": 1, "order": "join", "name": "Ann", "roles": ["database"]}
            writer.write(frame(TEXT, json.dumps(join).encode()))
            await trainer.until(lambda state: state.get("people.2") == {"name": "Ann", "roles": ["database"], "here": True})
            await trainer.until(lambda state: not state["people.2"]["here"])


async def test_who_orders_without_end_and_takes_no_answer_is_forgotten(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its orders wait for their answers to be taken, so that neither these nor it stay for ever."""
    monkeypatch.setattr(door, "CHECK_EVERY_S", 0.2)
    monkeypatch.setattr(server, "PING_S", 0.5)
    monkeypatch.setattr(server, "Allowance", lambda *bounds: door.Allowance(*bounds) if bounds else door.Allowance(1_000.0))
    answered = 0

    def read_code(*_: object, **__: object) -> str:
        nonlocal answered
        answered += 1
        return "x" * 10_000

    monkeypatch.setattr(Desk, "read_code", read_code)
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await trainer.until(lambda state: state["phase"] == "ready")
        async with connection(a_class, upgrade(a_class.at.class_token)) as (reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            orders = [{"order": "join", "name": "Ann", "roles": ["owner"]}, *[{"order": "code", "file": "app.py"}] * 5_000]
            writer.write(b"".join(frame(TEXT, json.dumps({"n": number, **order}).encode()) for number, order in enumerate(orders)))
            await trainer.until(lambda state: state.get("people.2", {}).get("here"))
            await trainer.until(lambda state: not state["people.2"]["here"])
    assert 0 < answered < 5_000


async def test_a_class_that_is_full_of_names_that_have_gone_still_lets_in(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is there stays; and the trainer comes in also where all are there."""
    monkeypatch.setattr(people, "MOST_PEOPLE", 4)
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer, player(a_class.at.of_class) as ann:
        await ann.order("join", name="Ann", roles=["operator"])
        for number in range(6):
            async with player(a_class.at.of_class) as somebody:
                await somebody.order("join", name=f"name {number}", roles=[])
            await trainer.until(lambda state: not any(key != "people.2" and value["here"] for key, value in people_of(state)))
        assert {value["name"] for _, value in people_of(trainer.state)} == {"Ann", "name 4", "name 5"}
        async with player(a_class.at.of_class), player(a_class.at.of_class), aiohttp.ClientSession() as session:
            async with session.ws_connect(f"{a_class.at.of_class}socket") as web:
                assert (await web.receive()).data == server.BUSY
            async with player(a_class.at.trainer) as other:
                assert other.welcome["you"]["trainer"]


def people_of(state: dict[str, dict[str, str]]) -> list[tuple[str, dict[str, str]]]:
    """Return who is on the board."""
    return [(key, value) for key, value in state.items() if key.startswith("people.")]


@pytest.mark.parametrize("host", ["evil.example", "[", "x\n X: y"])
async def test_an_address_without_its_slash_leads_to_the_page_on_this_host(runs: Path, host: str) -> None:
    """Whatever a browser calls the host; and a token that is none leads nowhere."""
    async with held(runs) as a_class:
        async with connection(a_class, f"GET /{a_class.at.class_token} HTTP/1.1\nHost: {host}\n\n") as (reader, _):
            answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            assert f"\nlocation: /{a_class.at.class_token}/\r\n" in answer
        async with connection(a_class, f"GET /wrong HTTP/1.1\nHost: {host}\n\n") as (reader, _):
            assert b" 404 " in await reader.readuntil(b"\r\n")


async def test_what_a_stranger_sends_is_not_written_on_the_trainers_terminal(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither that it is no HTTP, nor that it is no UTF-8: whoever sends a lot would fill the screen with it."""
    async with held(runs) as a_class:
        for garbage in ("\x16\x03\x01\n\n", f"GET /{a_class.at.class_token}/ HTTP/1.1\nConnection: Upgrade\nUpgrade: h2c\nHost: x\n\n"):
            async with connection(a_class, garbage) as (reader, _):
                await reader.readuntil(b"\r\n")
        async with connection(a_class, upgrade(a_class.at.class_token)) as (reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(frame(TEXT, b"\xff\xff"))
            assert await ends(reader)
    assert capfd.readouterr().err == ""
