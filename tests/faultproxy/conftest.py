"""One server for all tests of the fault proxy; each test begins with no proxy on it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.faultproxy.servers import ApiClient, AsyncioWarnings, Wire, in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def running_api() -> Iterator[ApiClient]:
    """Run a server."""
    with in_thread() as api:
        yield api


@pytest.fixture
def api(running_api: ApiClient) -> Iterator[ApiClient]:
    """Yield the server's API; fail the test if asyncio has logged a warning about the server meanwhile."""
    warnings = AsyncioWarnings()
    logging.getLogger("asyncio").addHandler(warnings)
    yield running_api
    running_api.clear()
    logging.getLogger("asyncio").removeHandler(warnings)
    assert warnings.lines == []


@pytest.fixture
def wire(api: ApiClient) -> Iterator[Wire]:
    """Yield a proxy whose upstream is the test."""
    made = Wire(api)
    yield made
    made.close()
