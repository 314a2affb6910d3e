"""The header of a journal: what is replayed, over what, and on which machine."""

from __future__ import annotations

import datetime
import os
import platform
import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from testbed.journal.events import FacilityNames, Header, NightSpan, OwnService, TraceSource
from testbed.plan.topology import TRANSACTIONS

if TYPE_CHECKING:
    from testbed.facility.backend import Backend
    from testbed.plan.scenario import Scenario, Variant
    from testbed.plan.service import ServicePlan
    from testbed.plan.trace import Trace


PASSWORD = re.compile(r"(?<=://)[^/@\s]*:[^/\s]*(?=@)")  # with the user's name; it may have an @ of its own


def without_passwords(value: Any) -> Any:
    """Return decoded JSON in which the password of every URL is masked: a journal is shown to others, and a broker's URL may have one."""
    match value:
        case str():
            return PASSWORD.sub("***", value)
        case dict():
            return {name: without_passwords(inner) for name, inner in value.items()}
        case list():
            return [without_passwords(inner) for inner in value]
    return value


def header(scenario: Scenario, variant: Variant, sent: Trace, backend: Backend, repetition: int) -> Header:
    """Return the header of a replay's journal; the backend has to be entered."""
    plan = scenario.facility
    return Header(
        scenario=scenario.name,
        title=scenario.title,
        variant=variant.name,
        runtime=backend.name,
        seed=scenario.workload.seed,
        repetition=repetition,
        started_at=datetime.datetime.now(tz=datetime.UTC).isoformat(timespec="milliseconds"),
        facts=scenario.facts,
        night=NightSpan(scenario.night.date.isoformat(), scenario.night.from_s, scenario.night.to_s),
        facility=FacilityNames(plan.server_names, plan.callers, plan.request_threads, plan.connections),
        transactions={caller: TRANSACTIONS[caller] for caller in plan.callers},
        expect=variant.expect.model_dump(mode="json", exclude_none=True),
        settings=without_passwords(variant.settings.model_dump(mode="json")),
        trace=TraceSource(str(scenario.trace_path or ""), len(sent.requests), sent.header.sha256),
        versions={
            "testbed": version("grounded-testbed"),
            **backend.versions,
        },
        timeline=tuple(step.word for step in scenario.steps),
        service=None if plan.service is None else own_service(plan.service),
        machine={
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "cores": os.cpu_count() or 0,
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        },
    )


def own_service(service: ServicePlan) -> OwnService:
    """Return what a journal says of somebody else's service; its environment is nobody's business."""
    tells = {
        "health": service.health is not None,
        "threads": service.tells_threads,
        "pool": service.tells_pool,
        "dumps": service.dump is not None,
    }
    return OwnService(
        command=tuple(without_passwords(list(service.command))),
        request_threads=service.request_threads,
        max_connections=service.max_connections,
        timeout_s=service.timeout_s,
        health_in_request_threads=service.health_in_request_threads,
        tells=tuple(word for word, told in tells.items() if told),
    )
