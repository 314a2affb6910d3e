"""The secrets of a run: passwords and a token, made for it, and each in a file that only its user can read.

A connection string has the path of the file with a password (libpq's `passfile`) and never the password, so that none is in an
environment, a command line or a log. Two roles log in to the databases. The administrator is the superuser: the standby, the backups and
the testbed's own looks use it. The services' role owns its tables and may do nothing else: it reads no file of the server, and runs no
program (`COPY … PROGRAM`). The token is for the fault proxy, and for the database hosts of the containers.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.errors import FacilityError
from testbed.runtime.run_directory import SPACE, make_directory, write_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from testbed.runtime.owner import Owner

ADMINISTRATOR = "postgres"
SERVICES = "flights"
ROLES = (ADMINISTRATOR, SERVICES)
AUTHENTICATION = "scram-sha-256"  # each side proves to the other that it knows the password, and tells nothing of it
BYTES = 32
ANYWHERE = "*:*:*"  # any host, port and database: a switchover changes the first two


@dataclass(frozen=True, slots=True)
class Login:
    """Who logs in: a role, and the file with its password."""

    role: str
    passfile: Path


@dataclass(frozen=True, slots=True)
class Credentials:
    """The secrets below a directory. Each role has a directory of its own, so that a container can have the one and not the other."""

    directory: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that have a secret."""
        return (*(self.login(role).passfile for role in ROLES), self.token_file)

    @property
    def token_file(self) -> Path:
        """The file with the token."""
        return self.directory / ADMINISTRATOR / "token"

    def login(self, role: str) -> Login:
        """Return how a role logs in."""
        return Login(role, self.directory / role / "pgpass")

    def password(self, role: str) -> str:
        """Return a role's password; raises FacilityError when there is none yet."""
        return _read(self.login(role).passfile).rpartition(":")[2]

    def token(self) -> str:
        """Return the token; raises FacilityError when there is none yet."""
        return _read(self.token_file)

    def make(self, owners: Mapping[str, Owner] | None = None) -> None:
        """Make the secrets that are not there yet; `owners`: the users that the roles' files are for, where it is not this one."""
        for role in ROLES:
            if not self.login(role).passfile.exists():
                self.keep(self.login(role).passfile, f"{ANYWHERE}:{role}:{secrets.token_hex(BYTES)}\n", (owners or {}).get(role))
        if not self.token_file.exists():
            self.keep(self.token_file, f"{secrets.token_hex(BYTES)}\n")

    def keep(self, file: Path, text: str, owner: Owner | None = None) -> None:
        """Write one of the files; it exists once it is complete, and only its owner can read it."""
        try:
            make_directory(file.parent)
            write_private(file, text, owner)
        except OSError as error:
            raise FacilityError(f"a secret of this run cannot be written: {file}: {error.strerror}; {SPACE}") from error


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError as error:
        raise FacilityError(f"a secret of this run cannot be read: {file}: {error.strerror}") from error
