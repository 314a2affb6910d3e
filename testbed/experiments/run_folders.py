"""The folders of journals: one for each run, none of which another has, and `latest` beside them, which leads to the last."""

from __future__ import annotations

import datetime
import fcntl
import itertools
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.errors import TestbedError, UsageError
from testbed.plan.decoding import path_text
from testbed.plan.trace import FULL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

LATEST = "latest"


def runs_home(runs: str | PathLike[str] | None) -> Path:
    """Return the directory that holds one directory for each run."""
    return Path(runs or ".testbed/runs")


def runs_directory(given: str | PathLike[str] | None, scenario: str, *, leads: bool = True) -> Path:
    """Make a directory for the journals of this command, which no other run has.

    `latest` beside it then leads to it, where links can be made, unless it is part of another run (`leads` False). Raises UsageError when
    it cannot be made, TestbedError on a full disk.
    """
    home = runs_home(None if given is None else path_text("runs", given))
    stamp = datetime.datetime.now(tz=datetime.UTC).strftime("%Y%m%d-%H%M%S")
    name = f"{stamp}-{scenario}-{os.getpid()}"
    try:
        path = _make_next(home, name)
    except OSError as error:
        kind = TestbedError if error.errno in FULL else UsageError
        raise kind(f"no directory for journals at {home / name}: {error.strerror}; give another with --runs") from error
    except ValueError as error:  # a null character, or one that no file name has
        raise UsageError(f"runs: found {given!r}; allowed: a path that the system can have ({error})") from error
    if leads:
        _lead_to(path)
    return path


def _make_next(home: Path, name: str) -> Path:
    """Make a directory of this name, or with a number after it: this process may have begun another replay in the same second."""
    for number in itertools.count(1):
        path = home / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            if not os.path.lexists(path):  # something above it is no directory
                raise
        else:
            break
    return path


def drop_if_empty(directory: Path) -> None:
    """Remove the directory of a run that kept no journal; `latest` then leads to the run that is left whose journal is the newest."""
    try:
        directory.rmdir()
    except OSError:  # something is in it, and stays
        return
    latest = directory.parent / LATEST
    with suppress(OSError), _link_locked(directory.parent):
        if latest.readlink() != Path(directory.name):  # another run's
            return
        newest_s = {path: made_s for path in directory.parent.iterdir() if not path.is_symlink() and (made_s := _newest_s(path))}
        if newest_s:
            _replace_link(max(newest_s, key=lambda path: newest_s[path]))
        else:
            latest.unlink()


def _newest_s(run: Path) -> float:
    """Return the time of the newest journal in a run's directory; 0 if it has none."""
    return max((journal.stat().st_mtime for journal in run.rglob("*.jsonl")), default=0.0) if run.is_dir() else 0.0


def _lead_to(directory: Path) -> None:
    """Make `latest` beside a run's directory lead to it, in one step, so that no other run sees it missing; no link is no error."""
    with suppress(OSError), _link_locked(directory.parent):
        _replace_link(directory)


def _replace_link(directory: Path) -> None:
    link, latest = directory.parent / f".{LATEST}-{directory.name}", directory.parent / LATEST
    if os.path.lexists(latest) and not latest.is_symlink():
        return  # something of the user's has that name
    try:
        link.symlink_to(directory.name)
        link.replace(latest)
    except OSError:  # a file system without links
        with suppress(OSError):
            link.unlink()


@contextmanager
def _link_locked(home: Path) -> Iterator[None]:
    """Wait until no other run changes `latest`: what it makes of it between a look and a replacement would be lost."""
    opened = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)
