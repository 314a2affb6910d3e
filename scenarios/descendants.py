"""All descendants of a command, found by the TMPDIR that they inherit."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

needs_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="processes are found by /proc, and only Linux ends children with their parent"
)


def descendants(home: Path) -> list[int]:
    """Return the ids of all processes with this TMPDIR; Linux only."""
    mark = f"TMPDIR={home}\0".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found
