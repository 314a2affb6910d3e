"""Whose a running facility is: its name, its user, the checkout whose code built it, and when."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from testbed.errors import FacilityError
from testbed.interactive.control_socket import DEFAULT


def checkout() -> str:
    """Return the directory that this testbed was imported from: its checkout, or where it is installed."""
    return str(Path(__file__).resolve().parents[2])


def user() -> str:
    """Return the name of this user, whatever $LOGNAME says; the number where there is no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user of a container may have none
        return str(os.getuid())


@dataclass(frozen=True, slots=True)
class Identity:
    """A facility's name, its owner, the checkout that built it, and when it was started."""

    name: str = DEFAULT
    owner: str = field(default_factory=user)
    checkout: str = field(default_factory=checkout)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def age_s(self) -> float:
        """Return for how many seconds it has been up."""
        return (datetime.now(UTC) - self.started_at).total_seconds()

    def require(self, sender: str, *, force: bool) -> None:
        """Raise FacilityError when a command comes from another checkout, and is not forced."""
        if sender != self.checkout and not force:
            raise FacilityError(
                f"facility {self.name} was built by {self.checkout}, and this command comes from {sender}; give --force if you mean it"
            )
