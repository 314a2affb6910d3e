"""Which files of a directory are read: those of Python, and none that was installed or made."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

SUFFIXES = (".py", ".pyw")
PASSED_OVER = frozenset({"__pycache__", "node_modules", "site-packages"})


def files_in(folder: Path, on_error: Callable[[OSError], None]) -> Iterator[Path]:
    """Yield the files of Python below a folder, sorted; what cannot be listed is told to `on_error`.

    Passed over: hidden folders, such as .venv and .git, virtual environments of any name, `PASSED_OVER`, and links to folders, so that
    a circle of them has an end.
    """
    for path, folders, names in os.walk(folder, onerror=on_error):
        here = Path(path)
        folders[:] = sorted(name for name in folders if not _is_passed_over(here / name))
        yield from (here / name for name in sorted(names) if name.endswith(SUFFIXES))


def _is_passed_over(folder: Path) -> bool:
    return folder.name in PASSED_OVER or folder.name.startswith(".") or (folder / "pyvenv.cfg").exists()
