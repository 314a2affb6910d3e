"""What the class's server lets in: its files below a token, and browsers, however many and however rude."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING

import aiohttp
import pytest

from testbed.classroom.web import page_files, server
from testbed.errors import UsageError
from tests.classroom.conftest import held
from tests.classroom.player import WITHIN_S, player

if TYPE_CHECKING:
    from pathlib import Path

LOOKS = 10


async def test_the_page_is_below_a_token_and_nothing_is_elsewhere(runs: Path) -> None:
    """Every file with a strict policy, `data.js` empty; a wrong token, or a way out of the folder, finds nothing."""
    async with held(runs) as a_class, aiohttp.ClientSession() as session:
        for address in (a_class.at.trainer, a_class.at.of_class):
            for name in ("", *page_files.names(), page_files.DATA):
                async with session.get(address + name) as response:
                    assert response.status == 200, name
                    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
                    assert response.headers["Referrer-Policy"] == "no-referrer"
                    assert (name == page_files.DATA) == (await response.read() == b"")
        root = f"http://{a_class.at.host}:{a_class.at.port}/"
        wrong = ("", "wrong/", "wrong/index.html", f"{a_class.at.class_token}/../web.py", f"{a_class.at.class_token}/%2e%2e/web.py")
        for path in (*wrong, f"{a_class.at.class_token}/board.py", f"{a_class.at.class_token}/%00"):
            async with session.get(root + path) as response:
                assert response.status == 404, path
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(root + "wrong/socket")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"n": 1}', "Unable to extract tag"),
        ('{"n": 1, "order": "destroy"}', "does not match any of the expected tags"),
        ('{"n": 1, "order": "begin", "more": 1}', "more: Extra inputs are not permitted"),
        ('{"n": 1, "order": "restart", "service": "cf-1"}', "restart.evidence: Field required"),
        ('{"n": 1, "order": "restart", "service": "cf-9", "evidence": true}', "no service 'cf-9', did you mean"),
        ('{"n": 1, "order": "speed", "factor": 1e9}', "less than or equal to 100"),
        ('{"n": 1, "order": "speed", "factor": NaN}', "less than or equal to 100"),
        ('{"n": 1, "order": "speed", "factor": true}', "valid number"),
        ('{"n": 1, "order": "speed", "factor": "5"}', "valid number"),
        ('{"n": 1, "order": "note", "text": ""}', "at least 1 character"),
        ('{"n": 1, "order": "answer", "question": "cause", "value": "aliens"}', "value of cause: found 'aliens'; allowed: lost, lock"),
        ('{"n": 1, "order": "code", "file": "../../etc/passwd"}', "no_such_file"),
        ('{"n": 1, "order": "prevent", "variant": "fixd"}', "did you mean fixed"),
    ],
)
async def test_a_wrong_order_gets_one_reason_and_does_nothing(runs: Path, text: str, told: str) -> None:
    """It names the field, what was found, and what is allowed; the next order is carried out."""
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await trainer.until(lambda state: state["phase"] == "ready")
        await trainer.web.send_str(text)
        reply = await trainer.reply(1)
        assert not reply["ok"]
        assert told in str(reply["text"])
        assert all(len(str(words)) <= 500 for words in reply["text"].values())
        await trainer.send("pause")
        await trainer.order("go_on")


async def test_who_sends_garbage_is_sent_away_and_the_others_miss_nothing(runs: Path) -> None:
    """Binary, deep nesting, broken JSON, half a message, and more of all than anybody reads: the others still hear all, and are heard."""
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await trainer.until(lambda state: state["phase"] == "ready")
        await trainer.order("begin")
        async with player(a_class.at.of_class) as rude:
            flood = asyncio.create_task(_flood(rude.web))
            before = len(trainer.came_s)
            await trainer.until(lambda _: len(trainer.came_s) >= before + LOOKS)
            await trainer.order("pause")
            await asyncio.wait([flood], timeout=WITHIN_S)
            assert flood.done()
            assert rude.web.close_code == server.WRONG


async def _flood(connection: aiohttp.ClientWebSocketResponse) -> None:
    wrong = ["{", "[" * 5_000, json.dumps({"n": 1, "order": "x" * 10_000}), "\x00", json.dumps({"n": -1})]
    try:
        for number in range(100_000):
            if number % 7 == 0:
                await connection.send_bytes(b"\xff" * 1_000)
            else:
                await connection.send_str(wrong[number % len(wrong)])
    except (aiohttp.ClientError, ConnectionError):
        return


async def test_a_browser_that_takes_nothing_holds_up_nobody(runs: Path) -> None:
    """Who connects and reads nothing: what the others see goes on."""
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        reader, writer = await asyncio.open_connection(a_class.at.host, a_class.at.port, limit=1 << 10)
        request = (
            f"GET /{a_class.at.class_token}/socket HTTP/1.1\r\nHost: {a_class.at.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        try:
            writer.write(request.encode())
            await trainer.until(lambda state: state["phase"] == "ready")
            await trainer.order("begin")
            before = len(trainer.came_s)
            await trainer.until(lambda _: len(trainer.came_s) >= before + LOOKS)
            assert b"101 Switching Protocols" in await reader.readuntil(b"\r\n")
        finally:
            writer.close()
            await writer.wait_closed()


async def test_a_port_in_use_is_an_error_before_any_work(runs: Path) -> None:
    """It says which, and nothing is built."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=f"cannot listen at 127.0.0.1 port {port}: Address already in use; give another --port"):
            async with held(runs, port=port):
                pass
    assert not runs.exists()
