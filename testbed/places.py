"""Which runtimes there are, by name, and what each needs to build facilities on."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from testbed.errors import UsageError
from testbed.runtime.workshop import Workshop
from testbed.session import PROCESSES, Place

if TYPE_CHECKING:
    from testbed.runtime import Address

SLOWER_IN_CONTAINERS = 2.0


@dataclass(frozen=True, slots=True)
class Where:
    """A place, and what all replays of one command share there, entered once.

    `slower`: how many times as slowly the night goes by there unless a speed is given. In containers the same steps take longer, each
    behind a command of the engine and more hops of the network, and a switchover must fit into its minute of the night.
    """

    place: Place
    shop: AbstractAsyncContextManager[Any]
    slower: float = 1.0


def of(runtime: str, toxiproxy: Address | None = None, postgres: str | None = None) -> Where:
    """Give the place of a runtime; raises UsageError for a setting that the runtime does not know."""
    if runtime == PROCESSES.runtime:
        return Where(PROCESSES, Workshop(toxiproxy, postgres))
    for option, value in (("--toxiproxy", toxiproxy), ("--postgres", postgres)):
        if value is not None:
            raise UsageError(f"{option} is for --runtime processes; in containers both come from the image (compose/compose.yaml)")
    from testbed.runtime.containers import CAPABILITIES  # noqa: PLC0415 - nobody else pays for testcontainers and its imports
    from testbed.runtime.dock import ContainersBuilder, Dock  # noqa: PLC0415

    return Where(Place(runtime, ContainersBuilder, CAPABILITIES), Dock(), SLOWER_IN_CONTAINERS)
