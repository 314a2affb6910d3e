"""The prepared array, kept in this user's cache: initdb and the real week make the same in every run, but for the passwords.

What is kept is named by all that it is made of: PostgreSQL's programs, the data, and the modules that make it. Its digest lies beside it,
and what was copied is compared with that: a machine that was switched off may have kept half of it. Where nothing can be kept (no home, no
space), each run makes its own.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import os
import platform
import shutil
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from testbed.concurrency import shield
from testbed.errors import FacilityError
from testbed.runtime import user_cache
from testbed.runtime.postgres import prepared, roles, server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.runtime.credentials import Credentials
    from testbed.runtime.postgres.array import Array
    from testbed.runtime.postgres.programs import Programs
    from testbed.runtime.run_directory import RunDirectory

PREFIX = "array-"
DATA = "data"
DIGEST = "digest"
UNUSED_S = 30 * 86_400.0
MAKERS = tuple(Path(module.__file__ or "") for module in (prepared, roles, server))


async def prepared_array(run: RunDirectory, programs: Programs, credentials: Credentials) -> Path:
    """Return the data directory of an array with the real week in it, for `copy_array`: the kept one, or else one that is made and kept.

    Both roles have the passwords of this run. Raises ServiceError with the last lines of the program that failed.
    """
    try:
        kept = await asyncio.to_thread(_place, programs)
    except (OSError, FacilityError):
        return await prepared.prepare_array(run, programs, credentials)
    array = await shield(asyncio.to_thread(_take, programs, kept, run.path / "prepared"))
    if array is None:
        data = await prepared.prepare_array(run, programs, credentials)
        await shield(asyncio.to_thread(_keep, data, kept))
        return data
    await roles.permit(programs, array, credentials, run.path / "initdb.log")
    return array.data


def _place(programs: Programs) -> Path:
    """Return where the array of these programs, data and modules is kept, whether or not it is."""
    digest = hashlib.sha256(f"{programs.version} {Path(programs.path('postgres')).stat().st_size} {platform.machine()}".encode())
    week = importlib.util.find_spec(prepared.LOAD_MODULE.partition(".")[0])
    assert week is not None, prepared.LOAD_MODULE
    package = Path(week.origin or "").parent
    for file in sorted((*MAKERS, *package.glob("*.sql"), package / "seed_data.py", *(package / "data").glob("*.csv"))):
        digest.update(file.read_bytes())
    return user_cache.directory() / f"{PREFIX}{digest.hexdigest()[:16]}"


def _take(programs: Programs, kept: Path, root: Path) -> Array | None:
    """Copy the kept array to `root`; None when none is kept, or not all of it."""
    try:
        expected = (kept / DIGEST).read_text()
        array = prepared.copy_array(programs, kept / DATA, root)
    except (OSError, FacilityError):  # another run may have removed it meanwhile; without space, making one says so
        shutil.rmtree(root, ignore_errors=True)
        return None
    if _digest(array.data) == expected:
        with suppress(OSError):
            os.utime(kept)
        return array
    for broken in (kept, root):
        shutil.rmtree(broken, ignore_errors=True)
    return None


def _keep(data: Path, kept: Path) -> None:
    """Keep an array, and remove those that were not used for long; what cannot be done is not."""
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        for unused in _unused(kept.parent):
            shutil.rmtree(unused, ignore_errors=True)
        with TemporaryDirectory(prefix=f"{PREFIX}new-", dir=kept.parent) as temporary:
            made = Path(temporary) / kept.name
            shutil.copytree(data, made / DATA)
            (made / DIGEST).write_text(_digest(made / DATA))
            made.rename(kept)


def _unused(cache: Path) -> Iterator[Path]:
    """Yield what was not used for `UNUSED_S`, also what a run that was killed left half made."""
    for path in cache.glob(f"{PREFIX}*"):
        with suppress(OSError):  # removed by another run
            if time.time() - path.stat().st_mtime > UNUSED_S:
                yield path


def _digest(data: Path) -> str:
    """Return the digest of the names and contents of all files below a directory."""
    digest = hashlib.sha256()
    for path in sorted(data.rglob("*")):
        digest.update(f"{path.relative_to(data)}\n".encode())
        if path.is_file():
            content = path.read_bytes()
            digest.update(f"{len(content)}\n".encode() + content)
    return digest.hexdigest()
