"""Programs of PostgreSQL that a test runs as the administrator, here or in a container."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.runtime.containers.services import CREDENTIALS
from testbed.runtime.credentials import ADMINISTRATOR, AUTHENTICATION, Credentials

if TYPE_CHECKING:
    from testbed.runtime.containers.runtime import Containers
    from testbed.runtime.postgres.programs import Programs


async def run_here(programs: Programs, credentials: Credentials, name: str, *arguments: str, within_s: float) -> str:
    """Run a program on this machine, and return what it printed."""
    done = await asyncio.to_thread(
        subprocess.run,
        [programs.path(name), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=within_s,
        env={**os.environ, "PGPASSFILE": str(credentials.login(ADMINISTRATOR).passfile), "PGREQUIREAUTH": AUTHENTICATION},
    )
    assert done.returncode == 0, (name, done.stdout, done.stderr)
    return done.stdout


async def run_inside(runtime: Containers, host: str, name: str, *arguments: str, within_s: float) -> str:
    """Run a program in the container of a database host, and return what it printed."""
    passfile = Credentials(Path(CREDENTIALS)).login(ADMINISTRATOR).passfile
    return await runtime.run_in(
        host, "env", f"PGPASSFILE={passfile}", f"PGREQUIREAUTH={AUTHENTICATION}", name, *arguments, within_s=within_s
    )
