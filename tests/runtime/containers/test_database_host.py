"""What a database host in its container starts PostgreSQL with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbed.runtime.containers.programs import database_host
from testbed.runtime.containers.programs.database_host import DatabaseHost, HostSettings
from testbed.runtime.postgres.array import Array
from testbed.runtime.postgres.programs import Programs
from testbed.runtime.postgres.server import dead_connection_detection

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.mark.parametrize(("told", "every_s"), [("", None), ("3", 3)])
async def test_postgresql_probes_as_often_as_the_host_is_told(
    told: str, every_s: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By settings of its own; untold, it has none, and the kernel's times hold."""
    started: list[Mapping[str, str]] = []

    async def start_server(*_: object, settings: Mapping[str, str], **__: object) -> None:
        started.append(settings)

    monkeypatch.setattr(database_host, "start_server", start_server)
    monkeypatch.setenv("DATABASE_HOST_NAME", "db-1")
    monkeypatch.setenv("DATABASE_HOST_KEEPALIVES_S", told)
    settings = HostSettings()  # type: ignore[call-arg]  # its values come from the environment
    await DatabaseHost(settings, Programs(tmp_path, "18.0", None), Array(tmp_path)).start()
    probes = {name: value for name, value in started[0].items() if "keepalives" in name}
    assert probes == ({} if every_s is None else dead_connection_detection(every_s))
