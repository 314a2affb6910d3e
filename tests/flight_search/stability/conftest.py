"""What tests of patterns share: a server in the facility's place, and threads for calls that may hang."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.flight_search.fake_facility import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.flight_search.fake_facility import Facility


@pytest.fixture
def facility() -> Iterator[Facility]:
    """Run a server in the facility's place."""
    with running() as one:
        yield one


@pytest.fixture
def hanging() -> Iterator[ThreadPoolExecutor]:
    """Give threads for calls that may hang; what still hangs ends with its server."""
    pool = ThreadPoolExecutor(8)
    yield pool
    pool.shutdown(wait=True)
