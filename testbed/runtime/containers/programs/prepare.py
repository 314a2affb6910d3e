"""Makes an array with the real week in it: `python -m testbed.runtime.containers.programs.prepare DIRECTORY`.

The image contains one, so that a facility starts without `initdb` and without loading data.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.runtime.credentials import Credentials
from testbed.runtime.postgres import prepared, programs
from testbed.runtime.run_directory import PASSABLE, RunDirectory

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Make it; return exit code 2 for wrong usage."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m testbed.runtime.containers.programs.prepare DIRECTORY\n")
        return 2
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        path.chmod(PASSABLE)  # as root, PostgreSQL runs as another user, who has to enter it
        run = RunDirectory(path, lock_fd=-1)
        credentials = Credentials(path / "credentials")  # of no use afterwards: a database host sets others before its first start
        credentials.make()
        data = asyncio.run(prepared.prepare_array(run, programs.find_programs(os.environ.get("TESTBED_POSTGRES"), path), credentials))
        shutil.copytree(data, arguments[0])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
