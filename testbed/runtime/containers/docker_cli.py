"""The container engine: the one door to its command line, and the file that turns what goes wrong there into EngineError.

The command `docker` is used and not the engine's API, because the compose plug-in is a command too: whoever has the one
has set up the other (contexts, rights, a remote engine) with it.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from testbed.errors import EngineError

COMMAND = "docker"
ANSWERS_WITHIN_S = 10.0
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # the engine has Go's names, wheels have the kernel's

LAST_CHARACTERS = 300  # of what a command in a container printed, in a message
LABEL = "org.grounded-testbed"  # begins every label of ours
USER_LABEL = f"{LABEL}.user"
RUN_LABEL = f"{LABEL}.run"

START = "start it (as root: `.ci/engine` of a checkout installs and starts one on Debian, `systemctl start docker` an installed one)"


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers: its version, and the machine that its containers run on, as wheels name it."""

    version: str
    machine: str


def find() -> Engine:
    """Ask the engine who it is; raises EngineError within seconds, with what to do, when there is none that answers."""
    told = run("version", "--format", "{{.Server.Version}} {{.Server.Arch}}", within_s=ANSWERS_WITHIN_S).split()
    if len(told) != 2:  # noqa: PLR2004 - version and architecture
        raise EngineError(f"the container engine does not say who it is: {' '.join(told)!r}; {START}")
    return Engine(told[0], MACHINES.get(told[1], told[1]))


def compose_version() -> str:
    """Give the compose plug-in's version; raises EngineError with what to do when it is missing."""
    try:
        return run("compose", "version", "--short", within_s=ANSWERS_WITHIN_S).strip().removeprefix("v")
    except EngineError as error:
        raise EngineError(
            "the compose plug-in is missing; install it (`.ci/engine` of a checkout does; Debian and others have it as "
            "docker-compose-plugin or docker-compose-v2)"
        ) from error


def run(*arguments: str, within_s: float = 60.0) -> str:
    """Run a command of the engine and give what it printed; raises EngineError with the engine's own words."""
    what = f"{COMMAND} {' '.join(arguments[:2])}"
    try:
        done = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=within_s)
    except FileNotFoundError as error:
        raise EngineError(f"no container engine: the command {COMMAND} is not installed; {START}") from error
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"{what}: the container engine did not answer within {within_s:.0f} s; {START}") from error
    if done.returncode != 0:
        raise EngineError(_told(what, done.stderr or done.stdout))
    return done.stdout


def _told(what: str, words: str) -> str:
    """Give the engine's words with what to do about them, where that is known."""
    said = words.strip()[-1000:]
    if "permission denied" in said.lower():
        return (
            f"{what}: no right to use the container engine; run it as root, or add your user to the group docker and log in again\n{said}"
        )
    if "cannot connect" in said.lower() or "is the docker daemon running" in said.lower():
        return f"{what}: no container engine answers; {START}\n{said}"
    return f"{what}: {said}"
