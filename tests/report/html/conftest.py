"""A browser for all tests of a file that open a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser import Browser, required_program

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return a browser; without any, skip, or fail where one is required, as in CI."""
    with Browser(required_program(), tmp_path_factory.mktemp("profile")) as browser:
        yield browser
