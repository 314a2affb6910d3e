"""Another version of the driver, from PyPI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.errors import FacilityError
from testbed.runtime.processes import other_driver

if TYPE_CHECKING:
    from pathlib import Path


def test_where_it_cannot_be_had_the_reason_is_given_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index at which nobody listens; the next try begins anew."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(FacilityError, match=r"psycopg 3\.0\.5 cannot be installed from PyPI: ERROR: "):
        other_driver.prepare("3.0.5")
    assert list((tmp_path / "testbed").iterdir()) == []


def test_what_is_in_the_cache_is_not_installed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is imported before a facility is built on it: what cannot be is refused with its last line."""
    package = tmp_path / "testbed" / "psycopg-3.0.5" / "psycopg"
    package.mkdir(parents=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # of the same size and second, the former's would be taken for the module
    module = package / "__init__.py"
    module.write_text("class pq:\n    version = staticmethod(lambda: 180001)\n")
    assert other_driver.prepare("3.0.5")["PYTHONPATH"] == str(package.parent)
    module.write_text("class pq:\n    version = staticmethod(lambda: 150001)\n")
    with pytest.raises(FacilityError, match="needs libpq 16 or later: libpq 15; install"):
        other_driver.prepare("3.0.5")
    module.write_text('raise ImportError("libpq library not found")\n')
    with pytest.raises(FacilityError, match="needs libpq 16 or later: ImportError: libpq library not found; install"):
        other_driver.prepare("3.0.5")
