"""A browser for all tests of a file that open the page of a class."""

from __future__ import annotations

from tests.report.html.conftest import running

__all__ = ["running"]
