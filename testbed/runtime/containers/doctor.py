"""Checks what the containers runtime needs of this machine, and says what to do about what is missing."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from testbed.errors import EngineError
from testbed.load.clock_offset import RoundTrip, clock_offset
from testbed.runtime.containers import docker_cli, image

if TYPE_CHECKING:
    from collections.abc import Sequence

BUILD = "`testbed image build` builds it"
# What the firewall and thread dumps need: some engines and some systems deny one or the other.
RIGHTS = (
    *("--network", "none", "--cap-add", "NET_ADMIN", "--cap-add", "SYS_PTRACE"),
    *("--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "net.netfilter.nf_conntrack_tcp_loose=0"),
)
RULES = "table ip probe { chain one { type nat hook prerouting priority dstnat; tcp dport 1 dnat to 127.0.0.1; ct state new accept; }; }"
READ_CLOCK = "import time; print(time.monotonic())"


@dataclass(frozen=True, slots=True)
class Need:
    """One need: its name, whether it is met (None: not known yet), what was found, and what to do."""

    name: str
    met: bool | None
    found: str
    to_do: str = ""


def examine() -> list[Need]:
    """Check each need; one that depends on another that is not met is not known."""
    engine = _engine()
    built = _image() if engine.met else Need("image", None, "needs the engine")
    rights = _rights() if built.met else Need("rights", None, "needs the image, in which they are tried")
    clock = _clock() if built.met else Need("clock", None, "needs the image, in which it is read")
    return [engine, _compose(), built, rights, clock]


def _engine() -> Need:
    try:
        engine = docker_cli.find()
    except EngineError as error:
        return Need("engine", met=False, found="none that answers", to_do=str(error))
    return Need("engine", met=True, found=f"docker {engine.version} on {engine.machine}")


def _compose() -> Need:
    try:
        return Need("compose plug-in", met=True, found=docker_cli.compose_version())
    except EngineError as error:
        return Need("compose plug-in", met=False, found="none", to_do=str(error))


def _image() -> Need:
    try:
        engine = docker_cli.find()
        wanted = image.name_for_code(engine.machine)
        built = image.current(engine)
        there = image.look(wanted)
        latest = image.look(f"{image.NAME}:latest")
    except EngineError as error:
        return Need("image", met=False, found="unknown", to_do=str(error))
    if built is not None:
        return Need("image", met=True, found=f"{wanted}, {built.size_bytes / 1e6:.0f} MB, up to date with code, libraries and base")
    if there is not None:
        return Need("image", met=False, found=f"{wanted}, on another base than the engine has now", to_do=f"{BUILD}, in a minute or two")
    if latest is not None:
        other = "one of other code or libraries"
        return Need("image", met=False, found=f"{other}; this code needs {wanted}", to_do=f"{BUILD}, in a minute or two, or in seconds")
    return Need("image", met=False, found="none", to_do=f"{BUILD}, in a minute or two")


def _rights() -> Need:
    """Check in a container whether it may do what a facility does."""
    try:
        _run_once(*RIGHTS, _image_name(), "nft", RULES)
    except EngineError as error:
        return Need(
            "rights",
            met=False,
            found="a container may not do what the facility's firewall does (NET_ADMIN, nftables, sysctls of connection tracking)",
            to_do=f"use an engine that runs as root on a kernel with nf_tables and nf_conntrack; {error}",
        )
    return Need("rights", met=True, found="containers may have NET_ADMIN and SYS_PTRACE, nftables and connection tracking work")


def _clock() -> Need:
    """Compare the monotonic clock of a container with this machine's; that it is another is no obstacle, and is said."""
    asked_s = time.monotonic()
    try:
        read_s = float(_run_once("--network", "none", _image_name(), "python", "-c", READ_CLOCK))
    except (EngineError, ValueError) as error:
        return Need("clock", met=False, found="a container does not tell its monotonic clock", to_do=str(error))
    offset = clock_offset([RoundTrip(asked_s, read_s, time.monotonic())])
    if offset.ahead_s == 0.0:
        return Need("clock", met=True, found="containers have this machine's monotonic clock")
    apart = f"{abs(offset.ahead_s):,.0f} s {'ahead' if offset.ahead_s > 0 else 'behind'}"
    return Need(
        "clock",
        met=True,
        found=f"containers have another machine's monotonic clock, {apart}; the load generator compares the two, and starts by its own",
    )


def _image_name() -> str:
    return image.name_for_code(docker_cli.find().machine)


def _run_once(*command: str) -> str:
    """Run a command in a container of its own, and return what it printed; raises EngineError."""
    labels = ("--label", f"{docker_cli.USER_LABEL}={os.getuid()}", "--label", f"{docker_cli.RUN_LABEL}=doctor")
    return docker_cli.run("run", "--rm", *labels, *command)


def table(needs: Sequence[Need]) -> Table:
    """Format the needs as a table."""
    formatted = Table(box=box.SIMPLE_HEAD, title="What the containers runtime needs")
    for heading in ("need", "", "found", "what to do"):
        formatted.add_column(heading, overflow="fold")
    for need in needs:
        state = {True: Text("there", "green"), False: Text("missing", "red"), None: Text("?", "yellow")}[need.met]
        formatted.add_row(need.name, state, Text(need.found), Text(need.to_do))
    return formatted
