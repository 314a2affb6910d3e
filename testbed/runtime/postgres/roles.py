"""Makes the roles of an array, and sets their passwords, while no server runs on it: by PostgreSQL's single-user mode."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from testbed.errors import FacilityError
from testbed.runtime import shared_memory
from testbed.runtime.child import spawn
from testbed.runtime.credentials import ADMINISTRATOR, AUTHENTICATION, ROLES, SERVICES
from testbed.runtime.postgres.programs import setting_words
from testbed.runtime.run_directory import SPACE

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.runtime.credentials import Credentials
    from testbed.runtime.postgres.array import Array
    from testbed.runtime.postgres.programs import Programs

WITHIN_S = 30.0
NO_LIMIT = -1
# From this version on, the number of hashes that a login costs can be set. Many make a weak password expensive to guess; these are of
# 256 random bits, and a facility logs in 120 times at its start.
ITERATIONS_SINCE = 16
# Who may log in from where, in a new array; the containers have a file of their own for this (compose/pg_hba.conf).
ACCESS = (
    f"host all {','.join(ROLES)} 127.0.0.1/32 {AUTHENTICATION}\n"
    f"host replication {ADMINISTRATOR} 127.0.0.1/32 {AUTHENTICATION}\n"  # a standby; `all` has not this one
)


async def permit(programs: Programs, array: Array, credentials: Credentials, log: Path) -> None:
    """Let both roles log in, each by its password; raises ServiceError or FacilityError when that cannot be done."""
    try:
        (array.data / "pg_hba.conf").write_text(ACCESS)
    except OSError as error:
        raise FacilityError(f"{array.data / 'pg_hba.conf'} cannot be written: {error.strerror}; {SPACE}") from error
    await set_passwords(programs, array, credentials, log)


async def set_passwords(programs: Programs, array: Array, credentials: Credentials, log: Path, connections: int = NO_LIMIT) -> None:
    """Set the passwords of both roles, and make the services' role where there is none; raises ServiceError when that fails.

    `connections`: how many the services' role may have.

    Each line is a statement. They reach the server by a pipe, and so no command line or file has the passwords.
    """
    statements = (
        f"DO 'BEGIN IF to_regrole(''{SERVICES}'') IS NULL THEN CREATE ROLE {SERVICES} LOGIN; END IF; END'",
        f"ALTER ROLE {SERVICES} CONNECTION LIMIT {connections}",
        *(f"ALTER ROLE {role} PASSWORD '{credentials.password(role)}'" for role in ROLES),
    )
    settings = {"password_encryption": AUTHENTICATION, "exit_on_error": "true", "log_min_error_statement": "panic"}
    if programs.major >= ITERATIONS_SINCE:
        settings["scram_iterations"] = "1"
    reading_fd, writing_fd = os.pipe()
    try:
        with os.fdopen(writing_fd, "w") as pipe:
            pipe.write("".join(f"{statement}\n" for statement in statements))  # a few hundred bytes: a pipe takes them unread
        lock_fd = array.lock()
        try:
            command = [programs.path("postgres"), "--single", *setting_words(settings), "-D", str(array.data), "postgres"]
            child = spawn("postgres --single", command, log, owner=programs.owner, lock_fd=lock_fd, stdin_fd=reading_fd)
        finally:
            os.close(lock_fd)
    finally:
        os.close(reading_fd)
    try:
        await child.wait_done(WITHIN_S)
    finally:
        shared_memory.remove_segment_of(array.data / "postmaster.pid")  # where it was killed, nobody else would
