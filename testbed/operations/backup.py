"""An off-site backup, as one is taken twice a day (C2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from testbed.journal import events

if TYPE_CHECKING:
    from testbed.replay.actions import Actions


@dataclass(frozen=True, slots=True)
class Backup:
    """Takes an off-site backup of the running database over the virtual IP, and verifies it. It changes and stops nothing.

    A backup that is under way when the database moves to the other host fails: a switchover does not wait for it.
    """

    needs: ClassVar[str] = "backups"

    async def perform(self, actions: Actions) -> str:
        """Run the backup; the step's end and the journal's `backup` event have its size in bytes and its duration in seconds."""
        began_s = actions.recorder.t_s()
        async with actions.step(1, "take an off-site backup over the virtual IP and verify it") as details:
            taken = await actions.facility.redundancy.take_backup(began_s)
            size = f"{taken.size_bytes / 1e6:.1f} MB in {taken.took_s:.2f} s"
            details.append(size)
        actions.recorder.add(
            events.BackupTaken(
                **actions.recorder.stamp(), backup=taken.backup, began_s=began_s, took_s=taken.took_s, size_bytes=taken.size_bytes
            )
        )
        return f"backup {taken.backup}: {size}"
