"""Where the data of the package are: the scenarios, with their variants, traces and kept matrix, and the compose files.

A wheel carries them in `testbed/data` (`pyproject.toml` puts them there). In a checkout, which an editable install also runs from, they
are at its top, beside `testbed`.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

DATA = "data"


def directory(name: str) -> Path:
    """Return the directory of the package's data of this name: `scenarios` or `compose`."""
    top = checkout()
    return (_package() / DATA if top is None else top) / name


def checkout() -> Path | None:
    """Return the top of the checkout that the package runs from; None when it was installed from a wheel."""
    return None if (_package() / DATA / "scenarios").is_dir() else packages()


def packages() -> Path:
    """Return the directory that `testbed` and `flight_search` are in."""
    return _package().parent


def _package() -> Path:
    package = files("testbed")
    assert isinstance(package, Path), f"testbed is in {package}; it starts its own programs, so it cannot run from an archive"
    return package
