"""A browser for all tests of a file that open a page."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests import browser as browser_module
from tests.browser import PROGRAMS, Browser

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return a browser; without any, skip, or fail where one is required, as in CI."""
    program = browser_module.program()
    if program is None:
        reason = f"NO BROWSER: {', '.join(PROGRAMS)}: none of them is installed; apt-get install chromium"
        if "browser" in os.environ.get("TESTBED_REQUIRE", ""):
            pytest.fail(f"TESTBED_REQUIRE=browser, but {reason}", pytrace=False)
        pytest.skip(reason)
    with Browser(program, tmp_path_factory.mktemp("profile")) as browser:
        yield browser
