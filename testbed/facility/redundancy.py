"""The redundancy around a facility's services, where its runtime has it: balancers, a recovery standby, off-site backups (C2, C3).

`Redundancy` is what the replay and the operations know of it. `NoRedundancy` is the do-nothing twin, for a runtime without these
parts, and the guide to writing another.
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
    """A backup that was taken: its name, its size, and how long it took in real seconds."""

    backup: str
    size_bytes: int
    took_s: float


class Redundancy(Protocol):
    """Balancers, standby and backups of a runtime. `now` returns the time on both clocks."""

    async def look(self, now: Now) -> Sequence[Balancer | Recovery]:
        """Sample every part once; the event of a part that does not answer says so, without an error."""

    async def take_backup(self, began_s: float) -> TakenBackup:
        """Take an off-site backup, which began at `began_s` on the journal's `t_s`; raises FacilityError when that fails."""

    async def count(self, answers: Sequence[AnsweredRequest], now: Now) -> Sequence[Ledger | Restored]:
        """Count the answered requests in the database, on the standby, and in every backup, each restored as a database of its own.

        Bounded, and without an error: an event says what could not be counted.
        """


@dataclass(slots=True)
class NoRedundancy:
    """The do-nothing twin: there is no redundancy."""

    async def look(self, now: Now) -> Sequence[Balancer | Recovery]:  # noqa: ARG002 - the protocol's signature
        """Return nothing."""
        return ()

    async def take_backup(self, began_s: float) -> TakenBackup:  # noqa: ARG002 - the protocol's signature
        """Raise FacilityError: there is nowhere to take it to."""
        raise FacilityError('this runtime has no off-site backups; add needs = ["backups"] to the scenario')

    async def count(self, answers: Sequence[AnsweredRequest], now: Now) -> Sequence[Ledger | Restored]:  # noqa: ARG002 - the protocol's signature
        """Return nothing."""
        return ()
