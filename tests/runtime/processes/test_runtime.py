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
from testbed.runtime import run_directory
from testbed.runtime.processes.fork_client import ForkServer
from testbed.runtime.processes.runtime import Processes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SERVER = ("-m", "http.server")


@pytest.fixture
async def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Processes]:
    """Give a runtime whose fork server has imported nothing."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    run = run_directory.create_run_directory()
    fork_server = ForkServer(run, ())
    made = Processes(run, run.path, fork_server)
    yield made
    await made.stop_all()
    await fork_server.end()
    run.remove()


def proxy(name: str = "proxy") -> ServiceSpec:
    """Give a service that listens on the socket it is handed."""
    return ServiceSpec(name, "testbed.faultproxy", ("--fd", "{fd}"))


async def wait_answer(runtime: Processes, name: str) -> bytes:
    """Ask for the version until there is an answer."""
    async with asyncio.timeout(15):
        reader, writer = await asyncio.open_connection(runtime.address(name).host, runtime.address(name).port)
        writer.write(b"GET /version HTTP/1.0\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer


async def test_a_service_has_its_address_before_it_starts_and_keeps_it(runtime: Processes) -> None:
    """A connection made before it is ready is answered; killed and started again, it is at the same place."""
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


async def test_a_port_that_somebody_took_meanwhile_is_one_clear_error(runtime: Processes) -> None:
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
    """A module that is not there is told by its name."""
    await runtime.start(ServiceSpec("wrong", "testbed.no_such_module"))
    async with asyncio.timeout(15):
        while (ended := await runtime.exit("wrong")) is None:
            await asyncio.sleep(0.01)
    assert ended.code == 1
    assert "No module named testbed.no_such_module" in ended.last_lines


async def test_a_paused_service_lives_and_does_nothing_until_it_is_resumed(runtime: Processes) -> None:
    """SIGSTOP, not death: what asked in between is answered in the end."""
    await runtime.start(proxy())
    await wait_answer(runtime, "proxy")
    await runtime.pause("proxy")
    asked = asyncio.create_task(wait_answer(runtime, "proxy"))
    done, _ = await asyncio.wait({asked}, timeout=0.2)
    assert not done
    assert await runtime.pid("proxy") is not None
    await runtime.resume("proxy")
    assert b"2.12" in await asked


async def test_a_service_nobody_started_is_refused_by_name(runtime: Processes) -> None:
    """The error lists those that there are."""
    await runtime.start(proxy())
    with pytest.raises(ServiceError, match="no service cf-9 was started; there are proxy"):
        await runtime.logs("cf-9")
    with pytest.raises(ServiceError, match="no service cf-9; there are proxy"):
        runtime.address("cf-9")


async def test_a_service_that_is_being_started_holds_up_nobody_and_loses_nothing_to_who_asks_how_others_ended(
    runtime: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fork server imports for as long as the event loop does not let it go on; its answers are for the one who ordered."""
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
            assert runtime.fork_server.exit_code(0) is None
            await asyncio.sleep(0)
            if rounds == 100:
                (tmp_path / "go").touch()
    pids = [await runtime.pid(name) for name in names]
    assert len({*pids} - {None}) == len(names)
    await runtime.stop_all()
    await runtime.fork_server.end()


async def test_services_die_with_the_fork_server_and_that_is_seen(runtime: Processes) -> None:
    """When the fork server is killed nothing of it stays, and no service passes for alive."""
    await runtime.start(proxy())
    await wait_answer(runtime, "proxy")
    os.kill(runtime.fork_server.pid, signal.SIGKILL)
    async with asyncio.timeout(10):
        while await runtime.pid("proxy") is not None:
            await asyncio.sleep(0.01)
    assert await runtime.exit("proxy") is not None
    with pytest.raises(ServiceError, match="another cannot be started: the fork server is gone"):
        await runtime.start(proxy("another"))
