"""Fixtures of the pattern tests: a server in the facility's place, and threads for calls that may hang."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.faultproxy.servers import in_thread
from tests.flight_search.fake_facility import run_facility

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faultproxy.servers import ApiClient
    from tests.flight_search.fake_facility import FakeFacility


@pytest.fixture
def facility() -> Iterator[FakeFacility]:
    """Run a server in the facility's place."""
    with run_facility() as fake:
        yield fake


@pytest.fixture
def fault_proxy() -> Iterator[ApiClient]:
    """Run a fault proxy."""
    with in_thread() as api:
        yield api


@pytest.fixture
def hanging() -> Iterator[ThreadPoolExecutor]:
    """Yield threads for calls that may hang; a call that still hangs ends with its server."""
    pool = ThreadPoolExecutor(8)
    yield pool
    pool.shutdown(wait=True)
