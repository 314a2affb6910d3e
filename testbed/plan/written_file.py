"""Writes a file whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from testbed.plan import given_file

if TYPE_CHECKING:
    from pathlib import Path


OF_THE_NAME = 100  # characters: a longer one, with the process's number, may be more than a file system allows


def write(path: Path, text: str) -> None:
    """Write a file beside the path and rename it, so that no kill leaves half of it; raises OSError."""
    written = path.with_name(f".{path.name[:OF_THE_NAME]}.{os.getpid()}")
    try:
        with given_file.open_to_write(written) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)
