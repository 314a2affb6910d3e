"""The services in Python: each file in `services/` is one."""

from __future__ import annotations

import ast
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.pools.cell import Mistake

FOLDER = Path(__file__).with_name("services")
INSTALL = "pip install 'grounded-testbed[pools]'"
# The driver of a pool that names it only in its address, or leaves it to the library.
DRIVERS = {"postgresql+psycopg": "psycopg", "postgresql+pg8000": "pg8000", "postgresql+asyncpg": "asyncpg", "django.db": "psycopg"}
BELOW = {"sqlalchemy.ext.asyncio": "greenlet"}  # what a library of a service needs and does not bring


def names() -> tuple[str, ...]:
    """Return the names of the services, which are those of their files."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__"))


@cache
def source(name: str) -> str:
    """Return the text of a service."""
    return (FOLDER / f"{name}.py").read_text(encoding="utf-8")


def mistakes(name: str) -> tuple[Mistake, ...]:
    """Return the ways to clean up that a service has: those of asyncio are more."""
    return ("leaking", "careful", "cancelled", "cancelled_careful") if "asyncio.timeout" in source(name) else ("leaking", "careful")


def has_check(name: str) -> bool:
    """Whether the pool of a service has a check of its own."""
    return '"CHECK"' in source(name)


def missing(name: str) -> str:
    """Return which module is not installed here and how to have it; an empty text where none is missing."""
    below = {module for library, module in BELOW.items() if library in source(name)}
    lacking = sorted(module for module in _modules(name) | below if find_spec(module) is None)
    return f"{' and '.join(lacking)} cannot be imported; {INSTALL}" if lacking else ""


def command(name: str) -> list[str]:
    """Return the command that runs a service."""
    return [sys.executable, str(FOLDER / f"{name}.py")]


def versions(name: str) -> dict[str, str]:
    """Return the versions of Python and of each package that a service imports."""
    found = {"python": python_version()}
    by_module = packages_distributions()
    for module in sorted(_modules(name)):
        for package in by_module.get(module, [module]):
            try:
                found[package] = version(package)
            except PackageNotFoundError:
                found[package] = "unknown"
    return found


@cache
def _modules(name: str) -> frozenset[str]:
    """Return the modules outside the standard library that a service imports, and the driver that it names."""
    found = {driver for text, driver in DRIVERS.items() if text in source(name)}
    for node in ast.walk(ast.parse(source(name))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return frozenset(found - sys.stdlib_module_names)
