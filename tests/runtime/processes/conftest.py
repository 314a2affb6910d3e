"""What tests of processes share: a runtime of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.runtime import run_directory
from testbed.runtime.processes.fork_client import ForkServer
from testbed.runtime.processes.runtime import Processes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Processes]:
    """Yield a runtime whose fork server has imported nothing."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    run = run_directory.create_run_directory()
    fork_server = ForkServer(run, ())
    processes = Processes(run, run.path, fork_server)
    yield processes
    await processes.stop_all()
    await fork_server.end()
    run.remove()
