"""What tests of callers share: a server in the facility's place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.flight_search.facility import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.flight_search.facility import Facility


@pytest.fixture
def facility() -> Iterator[Facility]:
    """Run a server in the facility's place."""
    with running() as one:
        yield one
