"""Expectations that no replay can meet, whatever the airline does: the facility has too little for them, or the timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan.topology import HOSTS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from testbed.plan.expectation import Expectation
    from testbed.plan.scenario import Variant
    from testbed.plan.topology import FacilityPlan

MEASURED = ("memory_rise_mib", "longevity")  # of the resource usage of services
HEARTBEAT_SETTINGS = {"heartbeats_missed", "heartbeat_link"}
EVIDENCE = "collect_evidence"  # what hangs is looked at anyway, and what does not is not
# What a timeline must have, for an expectation of this value (None: any).
STEPS: dict[str, tuple[object, str]] = {
    "switchover": (None, "switchover"),
    "served_by_hosts": (None, "switchover"),
    "evidence_within_s": (None, "restart"),
    "restored": (True, "restart"),
}


def of(variant: Variant, facility: FacilityPlan | None, words: Collection[str] | None) -> Iterator[str]:
    """Yield a mistake for each expectation of a variant that cannot be met: its key, what was found, and what is allowed.

    `words`: the faults and operations of the timeline. What is None is wrong itself, and nothing is compared with it.
    """
    expect, key = variant.expect, f"variants.{variant.name}.expect"
    if facility is not None:
        most = facility.connections + variant.settings.application_server.overflow
        if expect.leaked_connections is not None and expect.leaked_connections > most:
            yield (
                f"{key}.leaked_connections: found {expect.leaked_connections}; allowed: at most {most:.0f}, all that a pool of "
                f"{variant.name} can have (pool_size and pool_max_overflow)"
            )
        if facility.resources_every_s is None:
            for name in MEASURED:
                if (value := getattr(expect, name)) is not None:
                    yield f"{key}.{name}: found {value!r} without samples; allowed: with `resources_every_s` below [facility]"
    if expect.served_by_hosts is not None and expect.served_by_hosts > len(HOSTS):
        yield f"{key}.served_by_hosts: found {expect.served_by_hosts}; allowed: at most {len(HOSTS)}, as the pair has {' and '.join(HOSTS)}"
    if words is not None and expect.root is not None and expect.root.code == "nobody" and EVIDENCE not in words:
        yield f"{key}.root: found nobody in a timeline without `{EVIDENCE}`; allowed: with a step that asks how all are"
    if facility is not None and facility.heartbeat_every_s is None:
        yield from _without_heartbeats(variant)
    if words is not None:
        moves = () if facility is None or facility.heartbeat_every_s is None else ("switchover",)  # the cluster may order one
        yield from _without_steps(expect, key, {*words, *moves})


def _without_heartbeats(variant: Variant) -> Iterator[str]:
    """Yield a mistake for what a variant sets or expects of heartbeats where the facility has none."""
    allowed = "allowed: with `heartbeat_every_s` below [facility]"
    if (expected := variant.expect.cluster_switchovers) is not None:
        yield f"variants.{variant.name}.expect.cluster_switchovers: found {expected} without heartbeats; {allowed}"
    for name in sorted(HEARTBEAT_SETTINGS & variant.settings.facility.model_fields_set):
        found = getattr(variant.settings.facility, name)
        yield f"variants.{variant.name}.settings.facility.{name}: found {found!r} without heartbeats; {allowed}"


def _without_steps(expect: Expectation, key: str, words: Collection[str]) -> Iterator[str]:
    for name, (wanted, word) in STEPS.items():
        value = getattr(expect, name)
        if value is not None and wanted in (None, value) and word not in words:
            yield f"{key}.{name}: found {str(value).lower()} in a timeline without `{word}`; allowed: with a step that is one"
