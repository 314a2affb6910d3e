"""The table `[service]` of a file, and what does not go together with it: settings, expectations and transactions that it does not have."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from testbed.errors import ScenarioError
from testbed.plan.decoding import decode, found_text, is_file, read_toml, suggestion
from testbed.plan.expectation import WHATEVER
from testbed.plan.scenario import Variant
from testbed.plan.service import ServicePlan
from testbed.plan.settings import ServerSettings, Settings
from testbed.plan.topology import TRANSACTIONS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from testbed.plan.scenario import PlannedStep, Scenario, WorkloadPlan

SECTION = "service"
LONGEST_NAME = 40
DISK_FULL, SERVER = "disk_full", "cf-"
NEED = "processes"  # what it needs of a runtime: in containers every application server is of one image
# What an expectation or a condition needs to be told; None: nobody but flight_search tells it.
OF_THREADS = "`busy` below [service.readings], and `request_threads`"
OF_POOL = "`pool_out` below [service.readings]"
OF_DUMPS = "a table [service.dump]"
OF_HEALTH = "`health` below [service]"
EXPECTATIONS: dict[str, str | None] = {
    "leaked_connections": OF_POOL,
    "errors_per_server": None,
    "servers_blocked_at": OF_DUMPS,
    "callers_blocked_at": None,
    "health_green": OF_HEALTH,
    "served_by_hosts": None,
    "ledger": None,
    "full_first": OF_THREADS,
    "errors_counted": None,
    "root": OF_DUMPS,
}
CONDITIONS: dict[str, str] = {"servers_hung": OF_THREADS, "pool_empty": OF_POOL}


def read(path: Path) -> ServicePlan:
    """Read a file that has the table `[service]` and nothing else; raises ScenarioError with every mistake in it."""
    data, mistakes = read_toml(path), list[str]()
    mistakes += [f"{key}: unknown key{suggestion(key, (SECTION,))}; allowed: [{SECTION}]" for key in data if key != SECTION]
    if SECTION not in data:
        mistakes.append(f"{SECTION}: missing; it is required")
    service = section(data[SECTION], path, mistakes) if SECTION in data else None
    if service is None or mistakes:
        raise ScenarioError(str(path), tuple(mistakes))
    return service


def section(value: Any, path: Path, mistakes: list[str]) -> ServicePlan | None:
    """Return the service of a file, its paths relative to that; None, with every mistake added, when it is wrong."""
    plan = decode(ServicePlan, value, SECTION, mistakes)
    if plan is None:
        return None
    before, home = len(mistakes), path.parent.absolute()
    needing = [name for transactions in TRANSACTIONS.values() for name, needs in transactions.items() if needs]
    mistakes += [
        f"{SECTION}.requests.{name}: no transaction that needs the facility{suggestion(name, needing)}; allowed: {', '.join(needing)}"
        for name in plan.requests
        if name not in needing
    ]
    directory, script = home / plan.directory, None if plan.sql is None else home / plan.sql
    if not directory.is_dir():
        mistakes.append(
            f"{SECTION}.directory: {found_text(str(directory))} is no directory; allowed: one, by its path from that of the file"
        )
    if script is not None and not is_file(script):
        mistakes.append(
            f"{SECTION}.schema: {found_text(str(script))} is no file; allowed: an SQL script, by its path from that of the file"
        )
    if len(mistakes) > before:
        return None
    return plan.model_copy(update={"directory": str(directory), "sql": None if script is None else str(script)})


def in_place(scenario: Scenario, service: ServicePlan, name: str, variants: Collection[Variant] = ()) -> Scenario:
    """Return a scenario with this service in the place of its application servers: any outcome is reported, and none is expected.

    What it expects of its own variants is about another service. Without `variants` there is one, with the callers of the case, and with
    this `name`. Raises ScenarioError with what of the scenario does not go together with the service.
    """
    over = [replace(variant, expect=WHATEVER) for variant in variants] or [Variant(name, Settings(), WHATEVER)]
    if mistakes := tuple(misfits(service, scenario.workload, scenario.steps, over)):
        raise ScenarioError(f"{scenario.path} over the service {name}", mistakes)
    facility = scenario.facility.model_copy(update={"service": service})
    needs = scenario.needs if NEED in scenario.needs else (*scenario.needs, NEED)
    return replace(scenario, facility=facility, needs=needs, variants=tuple(over))


def name_of(path: Path) -> str:
    """Return the name of the variant that the service of a file is, from that of the file."""
    name = re.sub(r"[^a-z0-9_-]+", "_", path.stem.lower()).strip("_-")[:LONGEST_NAME]
    return name if name[:1].isalpha() else f"service_{name}".rstrip("_")


def misfits(
    service: ServicePlan, workload: WorkloadPlan | None, steps: Iterable[PlannedStep], variants: Iterable[Variant]
) -> Iterator[str]:
    """Yield a mistake for what of a night is about another service: a transaction, a condition, a setting, an expectation."""
    for caller, shares in ({} if workload is None else workload.shares).items():
        for name in shares:
            if TRANSACTIONS.get(caller, {}).get(name) and name not in service.requests:
                yield (
                    f"{SECTION}.requests.{name}: missing; workload.shares.{caller} has it, and it needs the facility; "
                    f"allowed: a table [{SECTION}.requests.{name}]"
                )
    for number, step in enumerate(steps):
        if step.word == DISK_FULL:
            yield f"timeline.{number}: found {DISK_FULL}; the log of a service of your own is not on that disk; allowed: without it"
        if (door := getattr(step.action, "door", "")).startswith(SERVER):
            yield f"timeline.{number}.door: found {door!r}, which is asked what flight_search answers; allowed: a caller"
        if step.when in CONDITIONS and not _tells(service, CONDITIONS[step.when]):
            yield f"timeline.{number}.when: found {step.when!r}, which the service does not tell; allowed: with {CONDITIONS[step.when]}"
    for variant in variants:
        yield from _of_variant(service, variant)


def _of_variant(service: ServicePlan, variant: Variant) -> Iterator[str]:
    key = f"variants.{variant.name}"
    own = ServerSettings()
    for name in ServerSettings.model_fields:
        if (value := getattr(variant.settings.application_server, name)) != getattr(own, name):
            yield (
                f"{key}.settings.application_server.{name}: found {value!r}; only flight_search knows it, which [{SECTION}] replaces; "
                f"allowed: settings of callers and of the facility"
            )
    if variant.settings.facility.other_psycopg is not None:
        yield f"{key}.settings.facility.other_psycopg: found in a facility without flight_search; allowed: without [{SECTION}]"
    for name, value in variant.expect.checks.items():
        if name not in EXPECTATIONS or _tells(service, EXPECTATIONS[name]):
            continue
        needed = EXPECTATIONS[name]
        allowed = f"without [{SECTION}]: only flight_search tells it" if needed is None else f"with {needed}"
        yield f"{key}.expect.{name}: found {found_text(value)}, of which the service tells nothing; allowed: {allowed}"


def _tells(service: ServicePlan, needed: str | None) -> bool:
    return {
        OF_THREADS: service.tells_threads,
        OF_POOL: service.tells_pool,
        OF_DUMPS: service.dump is not None,
        OF_HEALTH: service.health is not None,
        None: False,
    }[needed]
