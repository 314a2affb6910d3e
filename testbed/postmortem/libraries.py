"""The third-party libraries on the stacks of a dump, and their versions where they can still be read (P3)."""

from __future__ import annotations

import functools
from collections import defaultdict
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from testbed.postmortem.dump import Thread

    VersionOf = Callable[[str, str], str | None]  # of a directory of installed packages, and a package in it


@dataclass(frozen=True, slots=True)
class Library:
    """An installed package by the name that it is imported by, with its version (None: unknown), and how many threads were in it."""

    package: str
    version: str | None
    threads: int


def libraries(threads: Iterable[Thread], version_of: VersionOf) -> tuple[Library, ...]:
    """Return the libraries on any stack, by name."""
    seen: defaultdict[tuple[str, str], int] = defaultdict(int)
    for thread in threads:
        for key in {(call.module.partition(".")[0], call.installed_in) for call in thread.calls if call.installed_in}:
            seen[key] += 1
    return tuple(Library(package, version_of(directory, package), count) for (package, directory), count in sorted(seen.items()))


def installed_version(directory: str, package: str) -> str | None:
    """Return the version of a package that is installed in a directory now; None where nothing there says so.

    The dump may be older, or of another machine.
    """
    return _versions(directory).get(package)


@functools.cache
def _versions(directory: str) -> dict[str, str]:
    """Return the version of each package in a directory by the name that it is imported by, from the lists of files beside them."""
    versions: dict[str, str] = {}
    for found in metadata.distributions(path=[directory]):
        if not (found.read_text("METADATA") or found.read_text("PKG-INFO")):
            continue  # what pip left of something that it could not remove
        # Read by hand: `found.files` makes an object of each of some ten thousand files, which takes half a minute.
        tops = {line.split(",", 1)[0].split("/", 1)[0] for line in (found.read_text("RECORD") or "").splitlines()}
        tops.update((found.read_text("top_level.txt") or "").split())  # all that there is of what Debian installs
        for top in tops:
            versions.setdefault(top.removesuffix(".py"), found.version)
    return versions
