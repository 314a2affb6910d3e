"""What was replayed on what: journal, seed, trace, machine, versions, and settings."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from testbed.report.counted import counted
from testbed.report.html import markup
from testbed.report.html.fragment import Fragment
from testbed.report.html.markup import Markup, joined
from testbed.report.settings import setting_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.journal.events import OwnService
    from testbed.report.html.judged import JudgedNight, JudgedReplay


def section(nights: Sequence[JudgedNight]) -> Fragment | None:
    """Return what is needed to replay the same again, of each replay."""
    return Fragment("origin", "What was replayed, on what", joined(*(_of(replay) for judged in nights for replay in judged.replays)))


def _of(replay: JudgedReplay) -> Markup:
    header = replay.journal.header
    rows = [
        ["journal", str(replay.journal.path)],
        ["started at", header.started_at],
        ["scenario, variant", f"{header.scenario}, {header.variant}"],
        ["runtime, seed, repetition", f"{header.runtime}, {header.seed}, {header.repetition}"],
        *([] if header.service is None else _own(header.service)),
        ["trace", f"{counted(header.trace.requests, 'request')}, {header.trace.path or 'derived'}, SHA-256 {header.trace.sha256}"],
        ["machine", _listed(header.machine)],
        ["versions", _listed(header.versions)],
        *(
            [f"settings of the {role.replace('_', ' ')}", ", ".join(setting_text(*each) for each in settings.items()) or "not told"]
            for role, settings in header.settings.items()
        ),
    ]
    return markup.details(replay.label, markup.table(f"Origin of {replay.label}", ["what", "value"], rows, class_="side"))


def _own(service: OwnService) -> list[list[str]]:
    """Return what was known of a service that is not the case's."""
    threads = "not known" if service.request_threads is None else f"{service.request_threads}"
    beside = ", which its health check needs, too" if service.health_in_request_threads else ""
    return [
        ["service of its own", shlex.join(service.command)],
        ["what it is said to tell", ", ".join(service.tells) or "nothing"],
        ["its request threads, connections", f"{threads}{beside}, at most {service.max_connections}"],
    ]


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {'not told' if value is None else value}" for name, value in values.items()) or "not told"
