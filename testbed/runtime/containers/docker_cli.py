"""The container engine's command line: the one file that runs it for its output, and raises EngineError when it fails.

The command `docker` is used and not the engine's API, because the compose plug-in is a command too: the same set-up
(contexts, rights, a remote engine) serves both.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from testbed.errors import EngineError

COMMAND = "docker"
ANSWERS_WITHIN_S = 10.0
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # the engine uses Go's names, wheels use the kernel's
LAST_CHARACTERS = 300  # of what a command in a container printed, in a message
LABEL = "org.grounded-testbed"  # the beginning of every label of ours
USER_LABEL = f"{LABEL}.user"
RUN_LABEL = f"{LABEL}.run"

START = "start it (as root: `.ci/engine` of a checkout installs and starts one on Debian, `systemctl start docker` an installed one)"


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers: its version, and the machine that its containers run on, by its name in wheels."""

    version: str
    machine: str


def find() -> Engine:
    """Return the engine's version and machine; raises EngineError within seconds, with what to do, when none answers."""
    words = run("version", "--format", "{{.Server.Version}} {{.Server.Arch}}", within_s=ANSWERS_WITHIN_S).split()
    if len(words) != 2:  # noqa: PLR2004 - version and architecture
        raise EngineError(f"the container engine does not state its version and architecture: {' '.join(words)!r}; {START}")
    return Engine(words[0], MACHINES.get(words[1], words[1]))


def compose_version() -> str:
    """Return the compose plug-in's version; raises EngineError with what to do when it is missing."""
    try:
        return run("compose", "version", "--short", within_s=ANSWERS_WITHIN_S).strip().removeprefix("v")
    except EngineError as error:
        raise EngineError(
            "the compose plug-in is missing; install it (`.ci/engine` of a checkout does; Debian and others have it as "
            "docker-compose-plugin or docker-compose-v2)"
        ) from error


def run(*arguments: str, within_s: float = 60.0) -> str:
    """Run a command of the engine and return what it printed; raises EngineError with the engine's own words."""
    what = " ".join([COMMAND, *(word for word in arguments[:2] if not word.startswith("-"))])
    try:
        done = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=within_s)
    except FileNotFoundError as error:
        raise EngineError(f"no container engine: the command {COMMAND} is not installed; {START}") from error
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"the container engine did not answer within {within_s:.0f} s to {what}; {START}") from error
    if done.returncode != 0:
        raise EngineError(_with_advice(what, done.stderr or done.stdout))
    return done.stdout


def _with_advice(what: str, output: str) -> str:
    """Return the engine's words with the next step, where that is known."""
    words = output.strip()[-1000:]
    if "permission denied" in words.lower():
        return (
            f"no right to use the container engine; run it as root, or add your user to the group docker and log in again\n{what}: {words}"
        )
    if "cannot connect" in words.lower() or "is the docker daemon running" in words.lower():
        return f"no container engine answers; {START}\n{what}: {words}"
    return f"{what}: {words}"
