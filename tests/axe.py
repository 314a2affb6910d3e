"""axe-core, which checks a page for what shuts people out: a tool of tests alone, taken from npm where that can be reached."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

VERSION = "4.14.1"
SHA_256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
SCRIPT = "package/axe.min.js"
WITHIN_S = 60
# In a page that has the script: everything that can be unfolded is, and what is found then, with how often, and where first.
UNFOLD = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
FOUND = "axe.run(document).then((all) => all.violations.map((one) => [one.id, one.nodes.length, one.nodes[0].html.slice(0, 200)]))"


class AxeMissingError(Exception):
    """Raised when axe-core cannot be had; says why."""


def script(folder: Path) -> str:
    """Return the script, which is fetched into a folder, or taken from npm's cache; raises AxeMissingError where neither has it."""
    if shutil.which("npm") is None:
        raise AxeMissingError("npm is not installed")
    command = ["npm", "pack", "--silent", "--prefer-offline", "--fetch-retries=0", f"axe-core@{VERSION}"]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=WITHIN_S)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise AxeMissingError(f"npm has no axe-core {VERSION} within {WITHIN_S} s: {error}") from error
    with tarfile.open(folder / f"axe-core-{VERSION}.tgz") as package:
        member = package.extractfile(SCRIPT)
        content = b"" if member is None else member.read()
    if hashlib.sha256(content).hexdigest() != SHA_256:
        raise AxeMissingError(f"{SCRIPT} of axe-core {VERSION} is not what it was")
    return content.decode()


def script_or_skip(folder: Path) -> str:
    """Return the script, or skip the test with the reason."""
    try:
        return script(folder)
    except AxeMissingError as error:
        pytest.skip(f"NO AXE: {error}")
