"""One server for all tests of the fault proxy; each test begins with no proxy on it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.faultproxy.servers import Api, Complaints, Wire, in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def running_api() -> Iterator[Api]:
    """Run a server."""
    with in_thread() as api:
        yield api


@pytest.fixture
def api(running_api: Api) -> Iterator[Api]:
    """Give the server's API; fails the test when asyncio had to complain about the server meanwhile."""
    complaints = Complaints()
    logging.getLogger("asyncio").addHandler(complaints)
    yield running_api
    running_api.clear()
    logging.getLogger("asyncio").removeHandler(complaints)
    assert complaints.lines == []


@pytest.fixture
def wire(api: Api) -> Iterator[Wire]:
    """Give a proxy whose upstream is the test."""
    made = Wire(api)
    yield made
    made.close()
