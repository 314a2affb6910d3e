"""What a service is: its process, its settings, and the version of every package that it could import and of every one that it has loaded.

Both, because a wrong package is often one that another directory has put in front of the right one.
"""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from typing import TYPE_CHECKING

from fastapi.responses import JSONResponse
from psycopg import conninfo, pq

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from flight_search.settings import ListenSettings

HIDDEN = "(hidden)"


def _installed() -> dict[str, str]:
    """Return the version of every package by its name, of those of a name the one that is imported."""
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        found.setdefault(distribution.metadata["Name"], distribution.version)
    return dict(sorted(found.items()))


# Read when the process starts, as what was installed then: it is a file for each package, and whoever asks may ask a process that is
# busy enough.
INSTALLED = _installed()


def add_to(app: FastAPI, name: str, settings: ListenSettings, more: Callable[[], dict[str, object]] = dict) -> None:
    """Add `GET /admin/about` to an application, with what `more` returns; it needs no request thread, and shows no password."""

    @app.get("/admin/about")
    async def about() -> JSONResponse:
        return JSONResponse(
            {
                "service": name,
                "pid": os.getpid(),
                "programs": {"python": platform.python_version(), "libpq": _libpq()},
                "installed": INSTALLED,
                "loaded": _loaded(),
                "settings": _shown(settings),
                **more(),
            }
        )


def _loaded() -> dict[str, str]:
    """Return the version that every loaded package says of itself, by its module."""
    modules = [(name, module) for name, module in sorted(sys.modules.items()) if "." not in name]
    versions = ((name, getattr(module, "__version__", None)) for name, module in modules)
    return {name: version for name, version in versions if isinstance(version, str)}


def _libpq() -> str:
    """Return libpq's version as PostgreSQL writes it: 160004 is 16.4."""
    number = pq.version()
    return f"{number // 10_000}.{number % 10_000}"


def _shown(settings: ListenSettings) -> dict[str, object]:
    """Return the settings, without the password that a connection string may have."""
    shown = settings.model_dump(mode="json")
    if database := shown.get("database"):
        parameters = conninfo.conninfo_to_dict(database).items()
        shown["database"] = " ".join(f"{name}={HIDDEN if name == 'password' else value}" for name, value in parameters)
    return shown
