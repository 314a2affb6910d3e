"""Exports a recorded night: a folder of files that opens from a disk or any file server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.classroom import recording
from testbed.classroom.web import page_files
from testbed.errors import TestbedError, UsageError
from testbed.plan.trace import FULL

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from testbed.classroom.kept_class import KeptClass
    from testbed.journal.reader import Journal


def export(journal: Journal, folder: Path, kept: KeptClass | None = None) -> tuple[Path, ...]:
    """Write the page and the recording of a journal into a folder, which is made; return the files. `kept`: the class whose night it was.

    Raises UsageError for a folder that has anything else in it or cannot be written, and TestbedError for a full disk.
    """
    data = recording.script(journal, kept)
    contents = {name: page_files.read(name) or b"" for name in page_files.names()} | {page_files.DATA: data}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        strange = next((path.relative_to(folder).as_posix() for path in folder.rglob("*") if not _is_ours(path, folder, contents)), None)
        if strange is not None:  # the first: a disk may have millions
            raise UsageError(f"--export: {folder} has another file, {strange!r}; allowed: a new folder, or one of an export before")
        for name, content in contents.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        kind = TestbedError if error.errno in FULL else UsageError
        raise kind(f"--export: {folder} cannot be written: {error.strerror}; give another folder") from error
    return tuple(folder / name for name in contents)


def _is_ours(path: Path, folder: Path, names: Collection[str]) -> bool:
    """Whether something in a folder may be of an export before; to write into what is no regular file may wait without end."""
    if path.is_symlink():
        return False
    name = path.relative_to(folder).as_posix()
    return path.is_file() if name in names else path.is_dir()
