"""What a thread dump tells of a process, from its stacks alone: libraries, protocols, thread pools, work in the background (P3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from testbed.errors import DumpError
from testbed.journal.events import Threads
from testbed.postmortem import dump, thread_kinds
from testbed.postmortem.libraries import installed_version, libraries
from testbed.postmortem.protocols import protocols

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.journal.reader import Journal
    from testbed.postmortem.dump import Thread
    from testbed.postmortem.libraries import Library, VersionOf
    from testbed.postmortem.protocols import Protocol
    from testbed.postmortem.thread_kinds import Sorted

IN_CONTAINERS = "containers"  # the runtime whose files are not this machine's


@dataclass(frozen=True, slots=True)
class StackReading:
    """What a dump tells of a process with so many threads."""

    threads: int
    libraries: tuple[Library, ...]
    protocols: tuple[Protocol, ...]
    kinds: Sorted


@dataclass(frozen=True, slots=True)
class ServiceDump:
    """A dump of a service: its file, when in the night it was made, and what it tells; or why it tells nothing (`error`)."""

    service: str
    file: str
    night_s: float
    reading: StackReading | None
    error: str


def of(threads: Sequence[Thread], version_of: VersionOf = installed_version) -> StackReading:
    """Return what the threads of a dump tell."""
    return StackReading(len(threads), libraries(threads, version_of), protocols(threads), thread_kinds.sort(threads))


def of_journal(journal: Journal) -> tuple[ServiceDump, ...]:
    """Return what each dump beside a journal tells, in the order of the journal. A file that cannot be read is told with its error.

    Versions are those that the journal has; of other libraries, those that are installed now where the dump says, if the replay ran here.
    """
    version_of = partial(_version, journal.header.versions, journal.header.runtime != IN_CONTAINERS)
    return tuple(_service_dump(journal, event, version_of) for event in journal.of(Threads))


def _service_dump(journal: Journal, event: Threads, version_of: VersionOf) -> ServiceDump:
    if event.error is not None:
        return ServiceDump(event.service, event.file, event.night_s, None, event.error)
    try:
        reading = of(dump.read(journal.path.parent / event.file), version_of)
    except DumpError as error:
        return ServiceDump(event.service, event.file, event.night_s, None, str(error))
    return ServiceDump(event.service, event.file, event.night_s, reading, "")


def _version(known: Mapping[str, str], here: bool, directory: str, package: str) -> str | None:  # noqa: FBT001 - bound by `partial`
    return known.get(package) or (installed_version(directory, package) if here else None)
