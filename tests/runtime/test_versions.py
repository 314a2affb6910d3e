from __future__ import annotations

import importlib.metadata
import platform

from testbed.runtime.versions import installed_versions


def test_the_versions_are_those_that_run() -> None:
    """Of this Python, of PostgreSQL's own programs, and of the libraries that the patterns are made of."""
    versions = installed_versions("18.1")
    assert (versions["python"], versions["postgresql"]) == (platform.python_version(), "18.1")
    for library in ("sqlalchemy", "psycopg", "circuitbreaker", "stamina", "cachetools", "kombu", "anyio"):
        assert versions[library] == importlib.metadata.version(library)
