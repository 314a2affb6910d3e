"""The commit of the code that a matrix is replayed with."""

from __future__ import annotations

import shutil
import subprocess

from testbed.plan import package_data

# What is not of the code: the kept matrix is what is being made, and of new files only those count that a cell could depend on.
KEPT = ":(exclude)scenarios/containment"
CODE = ("testbed", "flight_search", "scenarios", "compose", KEPT)


def current() -> str:
    """Return the commit of the code, with `-dirty` if it was changed since; an empty text outside the project's repository."""
    checkout = package_data.checkout()
    if checkout is None or not (checkout / ".git").exists() or shutil.which("git") is None:
        return ""
    git = ["git", "-C", str(checkout)]
    head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", ".", KEPT], check=False).returncode != 0
    new = subprocess.run([*git, "ls-files", "--others", "--exclude-standard", "--", *CODE], capture_output=True, check=False).stdout
    return f"{head}-dirty" if head and (changed or new) else head
