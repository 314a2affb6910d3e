"""Inspects services from inside their containers: thread dumps, what threads wait for, listen queues and locks."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError

from testbed.errors import DumpError, EngineError, FacilityError
from testbed.journal.evidence import Listeners, ThreadLocks
from testbed.observe.py_spy import keep_dump, lacks_permission
from testbed.observe.thread_waits import Wait

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from testbed.journal.events import ThreadGroup
    from testbed.runtime.containers.runtime import Containers

    Read = TypeVar("Read")

PROGRAM = ("python", "-m", "testbed.runtime.containers.programs.inspect_service")
WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Dumped:
    """What the program prints of threads: py-spy's dump, and what each thread waits for, by the number it has in its container."""

    dump: str
    waits: dict[int, Wait]


_dumped: TypeAdapter[Dumped] = TypeAdapter(Dumped)
_listeners: TypeAdapter[Listeners] = TypeAdapter(Listeners)
_locks: TypeAdapter[ThreadLocks] = TypeAdapter(ThreadLocks)


@dataclass(frozen=True, slots=True)
class ContainerInspector:
    """Inspects the services of a project, each from inside its container, where that is permitted (P4).

    Other ends of connections have the names by which services know them, as in their settings, and not the addresses of this run.
    """

    runtime: Containers

    async def dump(self, service: str, pid: int, file: Path) -> tuple[ThreadGroup, ...]:  # noqa: ARG002 - in the container, it is 1
        """Dump the threads of a service; see `Dump`."""
        try:
            dumped = _read(_dumped, service, await self.runtime.run_in(service, *PROGRAM, "dump", within_s=WITHIN_S))
        except EngineError as error:
            raise DumpError(f"the threads of {service} cannot be dumped: {error}") from error
        except FacilityError as error:
            permit = "; its container needs the capability SYS_PTRACE" if lacks_permission(str(error)) else ""
            raise DumpError(f"the threads of {service} cannot be dumped: {error}{permit}") from error
        names = self.runtime.names_by_host()
        waits = {thread: _named(wait, names) for thread, wait in dumped.waits.items()}
        return keep_dump(service, dumped.dump.encode(), file, lambda _: waits)

    async def listeners(self, service: str) -> Listeners:
        """Return the sockets on which a service listens."""
        found = _read(_listeners, service, await self.runtime.run_in(service, *PROGRAM, "listeners", service, within_s=WITHIN_S))
        if not found.sockets:
            raise FacilityError("none is seen: none is there, or its process may not be looked into")
        return found

    async def thread_locks(self, service: str, seen: Collection[str]) -> ThreadLocks:
        """Return the locks between the threads of a service; it is paused for a moment."""
        lines = json.dumps(sorted(seen))
        found = _read(_locks, service, await self.runtime.run_in(service, *PROGRAM, "locks", service, lines, within_s=WITHIN_S))
        names = self.runtime.names_by_host()
        holders = tuple(
            replace(holder, peer=", ".join(_name(peer, names) for peer in holder.peer.split(", ") if peer)) for holder in found.holders
        )
        return replace(found, holders=holders)


def _read(adapter: TypeAdapter[Read], service: str, printed: str) -> Read:
    try:
        return adapter.validate_json(printed)
    except ValidationError as error:
        raise FacilityError(f"the program that inspects {service} printed something else: {printed[:80]!r}") from error


def _named(wait: Wait, names: Mapping[str, str]) -> Wait:
    return replace(wait, descriptors=tuple(replace(each, peer=_name(each.peer, names)) for each in wait.descriptors))


def _name(peer: str, names: Mapping[str, str]) -> str:
    host, colon, port = peer.rpartition(":")
    return f"{names.get(host, host)}{colon}{port}"
