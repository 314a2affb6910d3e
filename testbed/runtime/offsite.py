"""The off-site backups of the containers runtime: taken over the virtual IP, checked, and kept on a volume of their own (C2).

python -m testbed.runtime.offsite take     take one and print it
python -m testbed.runtime.offsite list     print what is there, the oldest first

A backup is a directory named for the time it was taken, and printed as a line of JSON: `backup`, `size_bytes`, and for
one just taken `took_s`. Settings from the environment: OFFSITE_DIRECTORY and OFFSITE_VIRTUAL_IP (`host:port`).
"""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.errors import ServiceError, TestbedError
from testbed.runtime import Address, basebackup, postgres

if TYPE_CHECKING:
    from collections.abc import Sequence

DIRECTORY = "/backups"
VIRTUAL_IP = "virtual-ip:5432"


def take(directory: Path, source: Address) -> Path:
    """Take a backup and verify it against its own manifest; raises ServiceError when it cannot be taken, or is not what it says."""
    programs = postgres.find(os.environ.get("TESTBED_POSTGRES"), directory)
    target = directory / datetime.datetime.now(tz=datetime.UTC).strftime("%Y%m%d-%H%M%S-%f")
    asyncio.run(basebackup.take(programs, source, target, directory / "offsite.log"))
    checked = subprocess.run([programs.path("pg_verifybackup"), str(target)], capture_output=True, text=True, check=False)
    if checked.returncode != 0:
        raise ServiceError(f"the backup {target.name} is not what its manifest says:\n{checked.stderr.strip()[-1000:]}")
    return target


def taken(directory: Path) -> list[Path]:
    """List the complete backups, the oldest first."""
    return sorted(manifest.parent for manifest in directory.glob("*/backup_manifest") if not manifest.parent.name.endswith(".new"))


def _told(backup: Path) -> dict[str, object]:
    size_bytes = sum(file.stat().st_size for file in backup.rglob("*") if file.is_file())
    return {"backup": backup.name, "size_bytes": size_bytes}


def main(arguments: Sequence[str]) -> int:
    """Do what is asked; exit code 2 for wrong usage, 3 for a backup that cannot be taken."""
    directory = Path(os.environ.get("OFFSITE_DIRECTORY", DIRECTORY))
    if tuple(arguments) == ("list",):
        for backup in taken(directory):
            sys.stdout.write(json.dumps(_told(backup)) + "\n")
        return 0
    if tuple(arguments) != ("take",):
        sys.stderr.write("usage: python -m testbed.runtime.offsite take | list\n")
        return 2
    started = time.monotonic()
    try:
        backup = take(directory, Address.parse(os.environ.get("OFFSITE_VIRTUAL_IP", VIRTUAL_IP)))
    except TestbedError as error:
        sys.stderr.write(f"off-site: {error}\n")
        return error.exit_code
    sys.stdout.write(json.dumps({**_told(backup), "took_s": round(time.monotonic() - started, 3)}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
