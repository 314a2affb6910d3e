"""What stands around a facility's services, where its runtime has it: balancers, a recovery standby, off-site backups (C2, C3).

`Surroundings` is what the replay and the operations know of it. `Nothing` is the do-nothing twin: what a runtime has that
has none of these parts, and the guide to writing another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from testbed.errors import FacilityError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.facility.load_generator import AnsweredRequest
    from testbed.journal.events import Balancer, Ledger, Now, Recovery, Restored


@dataclass(frozen=True, slots=True)
class TakenBackup:
    """A backup that was taken: its name, its size, and what it took in real seconds."""

    backup: str
    size_bytes: int
    took_s: float


class Redundancy(Protocol):
    """What a runtime has around the services. `now` gives the time on both clocks."""

    async def look(self, now: Now) -> Sequence[Balancer | Recovery]:
        """Look at all of it once; a part that does not answer gives an event that says so, and no error."""

    async def take_backup(self, began_s: float) -> TakenBackup:
        """Take an off-site backup, which began at `began_s` on the journal's `t_s`; raises FacilityError when it cannot be taken."""

    async def count(self, answers: Sequence[AnsweredRequest], now: Now) -> Sequence[Ledger | Restored]:
        """Count what was answered in the database and on the standby, and in every backup that was taken, restored beside.

        Bounded, and without an error: what cannot be told is told as that.
        """


@dataclass(slots=True)
class NoRedundancy:
    """The do-nothing twin: there is nothing around the services."""

    async def look(self, now: Now) -> Sequence[Balancer | Recovery]:  # noqa: ARG002 - the protocol's signature
        """See nothing."""
        return ()

    async def take_backup(self, began_s: float) -> TakenBackup:  # noqa: ARG002 - the protocol's signature
        """Refuse: there is nowhere to take one to."""
        raise FacilityError('this runtime has no off-site backups; a scenario that takes one says needs = ["backups"]')

    async def count(self, answers: Sequence[AnsweredRequest], now: Now) -> Sequence[Ledger | Restored]:  # noqa: ARG002 - the protocol's signature
        """Count nothing."""
        return ()
