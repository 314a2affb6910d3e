"""The passwords of a run's databases: made for it, and each in a file that only its user can read (libpq's `passfile`).

A connection string has the path of such a file and never a password, so that none is in an environment, a command line or a log.
Two roles log in. The administrator is the superuser: the standby, the backups and the testbed's own looks use it. The services' role
owns its tables and may do nothing else: it reads no file of the server, and runs no program (`COPY … PROGRAM`).
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.errors import FacilityError
from testbed.runtime.run_directory import SPACE, make_directory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from testbed.runtime.child import Owner

ADMINISTRATOR = "postgres"
SERVICES = "flights"
ROLES = (ADMINISTRATOR, SERVICES)
BYTES = 32
ANYWHERE = "*:*:*"  # any host, port and database: a switchover changes the first two


@dataclass(frozen=True, slots=True)
class Login:
    """Who logs in: a role, and the file with its password."""

    role: str
    passfile: Path


@dataclass(frozen=True, slots=True)
class Credentials:
    """The passwords of both roles, below a directory; each has a directory of its own, so that a container can have one of them."""

    directory: Path

    def login(self, role: str) -> Login:
        """Return how a role logs in."""
        return Login(role, self.directory / role / "pgpass")

    def password(self, role: str) -> str:
        """Return a role's password; raises FacilityError when there is none yet."""
        passfile = self.login(role).passfile
        try:
            return passfile.read_text().strip().rpartition(":")[2]
        except OSError as error:
            raise FacilityError(f"the password of {role} cannot be read: {passfile}: {error.strerror}") from error

    def make(self, owners: Mapping[str, Owner] | None = None) -> None:
        """Make the passwords that are not there yet; `owners`: the users that the roles' files are for, where it is not this one."""
        for role in ROLES:
            if not self.login(role).passfile.exists():
                self.keep(role, f"{ANYWHERE}:{role}:{secrets.token_hex(BYTES)}\n", (owners or {}).get(role))

    def keep(self, role: str, text: str, owner: Owner | None = None) -> None:
        """Write a role's file as it is to be; it exists once it is complete, and only its owner can read it."""
        passfile = self.login(role).passfile
        partial = passfile.with_name(f"{passfile.name}.new")
        try:
            make_directory(passfile.parent)
            partial.unlink(missing_ok=True)
            fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "w") as file:
                if owner:
                    os.fchown(fd, owner.uid, owner.gid)
                file.write(text)
            partial.rename(passfile)
        except OSError as error:
            raise FacilityError(f"the password of {role} cannot be written: {passfile}: {error.strerror}; {SPACE}") from error
