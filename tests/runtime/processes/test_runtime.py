from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from testbed.errors import ServiceError
from testbed.facility.runtime import ServiceSpec
from testbed.runtime.processes.fork_client import ForkServer
from testbed.runtime.processes.runtime import Processes

if TYPE_CHECKING:
    from pathlib import Path


def proxy(name: str = "proxy") -> ServiceSpec:
    """Return a service that listens on the socket that it is started with."""
    return ServiceSpec(name, "testbed.faultproxy", ("--fd", "{fd}"))


async def wait_answer(runtime: Processes, name: str) -> bytes:
    """Ask for the version, and wait for the answer."""
    async with asyncio.timeout(15):
        reader, writer = await asyncio.open_connection(runtime.address(name).host, runtime.address(name).port)
        writer.write(b"GET /version HTTP/1.0\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer


async def test_a_service_has_its_address_before_it_starts_and_keeps_it(runtime: Processes) -> None:
    """A connection made before it is ready is answered; killed and started again, it has the same address."""
    address = runtime.reserve("proxy")
    await runtime.start(proxy())
    assert b"2.12" in await wait_answer(runtime, "proxy")
    await runtime.kill("proxy")
    assert await runtime.pid("proxy") is None
    ended = await runtime.exit("proxy")
    assert ended is not None
    assert ended.code == -signal.SIGKILL
    await runtime.start(proxy())
    assert runtime.address("proxy") == address
    assert b"2.12" in await wait_answer(runtime, "proxy")
    await runtime.stop("proxy")
    assert await runtime.exit("proxy") is not None


async def test_a_port_that_another_process_took_is_one_clear_error(runtime: Processes) -> None:
    """It names the service, the address, and what to do."""
    address = runtime.reserve("proxy")
    await runtime.start(proxy())
    await wait_answer(runtime, "proxy")
    await runtime.kill("proxy")
    with (
        socket.create_server((address.host, address.port)),
        pytest.raises(ServiceError, match=f"proxy cannot listen at {address}: .*in use"),
    ):
        await runtime.start(proxy())


async def test_a_service_that_dies_at_start_leaves_its_last_lines(runtime: Processes) -> None:
    """A module that does not exist is named."""
    await runtime.start(ServiceSpec("wrong", "testbed.no_such_module"))
    async with asyncio.timeout(15):
        while (ended := await runtime.exit("wrong")) is None:
            await asyncio.sleep(0.01)
    assert ended.code == 1
    assert "No module named testbed.no_such_module" in ended.last_lines


async def test_a_paused_service_lives_and_does_nothing_until_it_is_resumed(runtime: Processes) -> None:
    """SIGSTOP, not death: a request made in between is answered in the end."""
    await runtime.start(proxy())
    await wait_answer(runtime, "proxy")
    await runtime.pause("proxy")
    asked = asyncio.create_task(wait_answer(runtime, "proxy"))
    done, _ = await asyncio.wait({asked}, timeout=0.2)
    assert not done
    assert await runtime.pid("proxy") is not None
    await runtime.resume("proxy")
    assert b"2.12" in await asked


async def test_a_service_that_was_not_started_is_refused_by_name(runtime: Processes) -> None:
    """The error lists those that were."""
    await runtime.start(proxy())
    with pytest.raises(ServiceError, match="no service cf-9 was started; there are proxy"):
        await runtime.logs("cf-9")
    with pytest.raises(ServiceError, match="no service cf-9; there are proxy"):
        runtime.address("cf-9")


async def test_starting_a_service_does_not_block_the_event_loop_and_loses_no_answer_to_a_look(
    runtime: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fork server imports until the event loop lets it go on; its answers belong to the orders."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "slow.py").write_text(f"import os, time\nwhile not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.01)\n")
    runtime.fork_server, quick = ForkServer(runtime.run, ("slow",)), runtime.fork_server
    await quick.end()
    names = [f"proxy-{number}" for number in range(4)]
    starting = asyncio.gather(*(runtime.start(proxy(name)) for name in names))
    async with asyncio.timeout(15):
        for rounds in itertools.count():
            if starting.done():
                break
            runtime.fork_server.read_news()
            await asyncio.sleep(0)
            if rounds == 100:
                (tmp_path / "go").touch()
    pids = [await runtime.pid(name) for name in names]
    assert len({*pids} - {None}) == len(names)
    await runtime.stop_all()
    await runtime.fork_server.end()


async def test_services_end_with_the_fork_server_and_are_reported_as_ended(runtime: Processes) -> None:
    """When the fork server is killed none of its services is taken for running."""
    await runtime.start(proxy())
    await wait_answer(runtime, "proxy")
    os.kill(runtime.fork_server.pid, signal.SIGKILL)
    async with asyncio.timeout(10):
        while await runtime.pid("proxy") is not None:
            await asyncio.sleep(0.01)
    assert await runtime.exit("proxy") is not None
    with pytest.raises(ServiceError, match="another cannot be started: the fork server is gone"):
        await runtime.start(proxy("another"))
