"""What monitoring and dumps tell of somebody else's service, by its table."""

from __future__ import annotations

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from testbed.errors import DumpError
from testbed.facility.address import Address
from testbed.plan.service import ServicePlan
from testbed.runtime.processes.own_dump import OwnDump
from testbed.runtime.processes.own_monitoring import NOT_TOLD, OwnMonitoring

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testbed.journal.events import Sample

METRICS = b"busy_threads 7\nall_threads 40\nwaiting 2\n"


class Service(BaseHTTPRequestHandler):
    """A service that tells of its threads."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200 if self.path == "/metrics" else 404)
        self.end_headers()
        self.wfile.write(METRICS)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def address() -> Iterator[Address]:
    """Return where it listens."""
    with HTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Address("127.0.0.1", server.server_port)
        server.shutdown()
        thread.join()


def sample(address: Address, **table: Any) -> Sample:
    """Sample a service with such a table."""

    async def read() -> Sample:
        plan = ServicePlan.model_validate({"command": ["serve"], **table})
        async with OwnMonitoring(plan, ("cf-1",)) as monitoring:
            return await monitoring.read("cf-1", address, lambda: (1.0, 2.0))

    return asyncio.run(read())


@pytest.mark.parametrize(
    ("table", "threads", "busy", "waiting", "error"),
    [
        ({"readings": {"path": "/metrics", "busy": "busy_threads", "request_threads": "all_threads"}}, 40, 7, None, ""),
        ({"readings": {"path": "/metrics", "busy": "busy_threads", "waiting": "waiting"}, "request_threads": 10}, 10, 7, 2, ""),
        ({"readings": {"path": "/metrics", "busy": "busy_threads"}, "request_threads": 5}, None, None, None, ""),
        ({"readings": {"path": "/metrics", "busy": "busy_threads"}}, None, None, None, ""),
        ({"readings": {"path": "/metrics", "request_threads": "all_threads"}}, None, None, None, ""),
        ({"readings": {"path": "/other", "busy": "busy_threads"}}, None, None, None, "/other: status 404"),
        ({}, None, None, None, NOT_TOLD),
    ],
)
def test_a_sample_has_what_the_service_tells_by_its_table(
    table: dict[str, Any], threads: int | None, busy: int | None, waiting: int | None, error: str, address: Address
) -> None:
    """Its threads and those at work together, or neither; what is not told, or cannot be, is None."""
    told = sample(address, **table)
    assert (told.request_threads, told.busy, told.waiting, told.error) == (threads, busy, waiting, error)


def test_a_service_is_dumped_by_the_means_of_its_table(tmp_path: Path) -> None:
    """And one that names none, not at all."""
    kept = tmp_path / "kept"
    kept.write_text('Thread 0x01 [http-1] (most recent call first):\n  File "/lib/queue.py", line 1 in get\n')
    for how, count in (({"by": "command", "command": ["cat", str(kept)]}, 1), (None, 0)):
        plan = ServicePlan.model_validate({"command": ["serve"], **({"dump": how} if how else {})})
        work = OwnDump(plan, ("cf-1",), tmp_path)("cf-1", 1, tmp_path / "cf-1.json")
        if count:
            assert [group.state for group in asyncio.run(work)] == ["idle"]
        else:
            with pytest.raises(DumpError, match=r"its table has no \[service.dump\]"):
                asyncio.run(work)
