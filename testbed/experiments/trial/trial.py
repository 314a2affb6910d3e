"""What is tried, as a scenario: written as a file, so that it can be replayed, changed, and kept."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from testbed import scenario_file
from testbed.errors import ScenarioError, UsageError
from testbed.plan.clock import clock_text
from testbed.plan.scenario import Scenario
from testbed.plan.template import names_in

NAME = "try"
VARIANT = "yours"
CALLER, TRANSACTION = "partner", "search"
SPEED = 60.0  # of the night: a minute of it is a second, and so is a rate in either
FROM_S = 7 * 3600.0  # of the morning, when there are always passengers
BEFORE = 0.25  # the part of the load that comes before the fault
LAST_LOOK_S = 30.0  # of the night, before its end: the evidence is taken then
PLACES = ("host", "port", "listen_port")  # what tells a service its port
DATABASE = ("dsn", "db_port")  # and what its database
PYTHON = re.compile(r"^(python|pypy)[0-9.]*$")
SHEBANG = re.compile(rb"^#!.*\bpython[0-9.]*\b")
# Of which option a mistake in a key is.
OPTIONS = {
    "service.command": "--command",
    "service.environment": "--env",
    "service.ready": "--health",
    "service.health": "--health",
    "service.start_within_s": "--start-within",
    "service.timeout_s": "--timeout",
    "service.max_connections": "--connections",
    "service.schema": "--schema",
    f"service.requests.{TRANSACTION}": "--url",
    "timeline.0": "--fault",
    "timeline": "--fault",
    "needs": "--fault",
    "facility.application_servers": "--servers",
    "workload.rate_per_minute": "--rate",
}


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried: how the service is started, its request, and what is done to the facility.

    `environment`: by variable, a template. `fault`: a word, and what it takes as `KEY=VALUE`. `rate`: requests a second; `for_s`: for how
    many seconds. `timeout_s`: see `ServicePlan`.
    """

    command: str
    url: str
    environment: dict[str, str]
    fault: str = "switchover"
    rate: float = 10.0
    for_s: float = 20.0
    servers: int = 2
    health: str | None = None
    start_within_s: float = 60.0
    timeout_s: float = 30.0
    connections: int = 40
    schema: str | None = None

    def scenario(self) -> Scenario:
        """Return it as a scenario; raises UsageError with the options that are wrong."""
        self._require_places()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{NAME}.toml"
            path.write_text(self.text(), encoding="utf-8")
            try:
                return scenario_file.load(path)
            except ScenarioError as error:
                raise UsageError("\n".join(dict.fromkeys(_of_option(mistake) for mistake in error.mistakes))) from error

    def require_program(self) -> None:
        """Raise UsageError where there is no program of the command here: that is told before anything is built."""
        program = shlex.split(self.command)[0]
        if shutil.which(program) is None:
            raise UsageError(f"--command: found no program {program!r}; allowed: the name of one on the PATH, or a path from {Path.cwd()}")

    def _require_places(self) -> None:
        """Raise UsageError where nothing tells the service its port, or its database."""
        told = set(names_in([self.command, self.environment]))
        if not told & set(PLACES):
            raise UsageError(
                "--command: found no {port} in it, and no --port-env; allowed: one of them, to tell the service where to listen"
            )
        if not told & set(DATABASE):
            raise UsageError(
                "--command: found no {dsn} in it, and no --dsn-env; allowed: one of them, or {db_host}, {db_port}, {db_name}, {db_user} "
                "and {db_password} in --env, to tell the service where its database is"
            )

    def text(self) -> str:
        """Return the file of the scenario."""
        to_s, night_s = FROM_S + self.for_s * SPEED, self.for_s * SPEED
        dump = '\n[service.dump]\nby = "py_spy"\n' if _is_python(self.command) else ""
        optional = {
            "health": self.health,
            "ready": self.health,
            "schema": None if self.schema is None else str(Path(self.schema).absolute()),
        }
        return f"""title = {_quoted(f"One fault over {shlex.split(self.command)[0] if _splits(self.command) else self.command}")}
summary = "A load of one request, and a fault in the middle of it: whoever asks is served again by itself, or not."
needs = ["processes"]
matrix = false

[facility]
application_servers = {self.servers}
callers = ["{CALLER}"]

[night]                          # a minute of it is a second
date = 2013-10-07
from = "{clock_text(FROM_S)}"
to = "{clock_text(to_s)}"
speed = {SPEED:g}

[workload]
rate_per_minute = {self.rate:g}

[workload.shares]
{CALLER} = {{ {TRANSACTION} = 1 }}

[service]
command = {_quoted(self.command)}
directory = {_quoted(str(Path.cwd()))}
environment = {{ {", ".join(f"{_quoted(name)} = {_quoted(value)}" for name, value in self.environment.items())} }}
start_within_s = {self.start_within_s:g}
timeout_s = {self.timeout_s:g}
max_connections = {self.connections}
{"".join(f"{key} = {_quoted(value)}" + chr(10) for key, value in optional.items() if value is not None)}{dump}
[service.requests]
{TRANSACTION} = {_quoted(self.url)}

[[timeline]]
at = "{clock_text(FROM_S + night_s * BEFORE)}"
{_step(self.fault)}
[[timeline]]
at = "{clock_text(to_s - LAST_LOOK_S)}"
operation = "collect_evidence"

[variants.{VARIANT}.settings]

[variants.{VARIANT}.expect]
outcome = ["unharmed", "contained"]
"""


def _quoted(text: str) -> str:
    """Return a text as TOML has it; what JSON escapes, TOML reads alike."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _step(fault: str) -> str:
    """Return the lines of the step of a fault, such as `latency latency_ms=300`."""
    if not fault.split():
        raise UsageError(f"--fault: found {fault!r}; allowed: a word, such as switchover")
    word, *arguments = fault.split()
    lines = [f"fault = {_quoted(word)}"]
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or not re.fullmatch(r"[a-z_]+", key):
            raise UsageError(
                f"--fault: found {argument!r}; allowed: a word, and what it takes as KEY=VALUE, such as 'latency latency_ms=300'"
            )
        lines.append(f"{key} = {value if re.fullmatch(r'true|false|[0-9]+([.][0-9]+)?', value) else _quoted(value)}")
    return "\n".join(lines) + "\n"


def _of_option(mistake: str) -> str:
    """Return a mistake in the scenario as one of the option that it comes from."""
    for key, option in OPTIONS.items():
        if mistake.startswith(key):
            within, _, told = mistake.removeprefix(key).partition(": ")
            name = within.removeprefix(".")
            return f"{option}: {told}" if name in ("", "fault", "path") else f"{option}: {name}: {told}"
    return mistake


def _splits(command: str) -> bool:
    try:
        return bool(shlex.split(command))
    except ValueError:
        return False


def _is_python(command: str) -> bool:
    """Whether the program of a command is Python, or a script of it, so that py-spy can dump its threads."""
    found = shutil.which(shlex.split(command)[0]) if _splits(command) else None
    if found is None:
        return False
    if PYTHON.match(Path(found).name):
        return True
    try:
        with Path(found).open("rb") as file:
            return SHEBANG.match(file.readline(200)) is not None
    except OSError:
        return False
