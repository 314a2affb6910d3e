"""One pair for all tests here; each gives it back as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.pair.pair import Pair, open_pair

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def opened() -> Iterator[Pair]:
    """Return a pair with an empty database."""
    with open_pair() as pair:
        yield pair


@pytest.fixture
def pair(opened: Pair) -> Iterator[Pair]:
    """Return it for a test that leaves nothing behind."""
    yield opened
    opened.require_healed()
