"""Prints the versions of what the image has, as JSON: `python -m testbed.runtime.containers.programs.versions`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from testbed.runtime.postgres import programs
from testbed.runtime.run_directory import PASSABLE
from testbed.runtime.versions import installed_versions

DEBIAN_PACKAGES = ("haproxy", "nftables", "conntrack")


def main() -> int:
    """Print them, each as the program or the package manager itself has it."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(PASSABLE)  # as root, PostgreSQL runs as another user, who has to enter it
        postgresql = programs.find_programs(os.environ.get("TESTBED_POSTGRES"), Path(directory)).version
    shown = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${Package} ${Version}\n", *DEBIAN_PACKAGES], capture_output=True, text=True, check=True
    )
    debian = dict(line.split(" ", 1) for line in shown.stdout.splitlines())
    sys.stdout.write(json.dumps(installed_versions(postgresql) | debian) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
