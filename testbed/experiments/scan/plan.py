"""What a scan replays: each link of the map with each fault that it can have. Data, no effects."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from testbed import faults, scenario_file
from testbed.errors import FacilityError, UsageError
from testbed.experiments.scan.effect import NEEDED
from testbed.facility.link import DATABASE
from testbed.faults.nothing import NoFault
from testbed.plan import passengers
from testbed.plan.decoding import suggestion
from testbed.plan.expectation import WHATEVER
from testbed.plan.scenario import PlannedStep, Variant
from testbed.plan.topology import TRANSACTIONS, integration_points

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from testbed.facility.backend import Backend
    from testbed.plan.scenario import Scenario
    from testbed.plan.settings import Settings
    from testbed.plan.topology import FacilityPlan, IntegrationPoint
    from testbed.plan.trace import Trace
    from testbed.replay.actions import Fault

CONTROL = "nothing"
# Values of required parameters. The time is real, as that of every time-out: W5's two minutes outlast the small morning.
VALUES: dict[str, dict[str, int]] = {"latency": {"latency_ms": 120_000}}


@dataclass(frozen=True, slots=True)
class Injection:
    """One link of one variant with one fault, as a scenario to be replayed; the control run has no link, and the fault `nothing`."""

    variant: str
    link: str
    fault: str
    scenario: Scenario


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """All injections, variant by variant, and the one trace that is sent to all. `left_out`: a line for what is not tried, with why."""

    scenario: str
    transaction: str
    sent: Trace
    points: dict[str, tuple[IntegrationPoint, ...]]
    breaks: tuple[Injection, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be scanned: variants, fault words and links (all, if none is named), and the transaction."""

    variants: Sequence[str] = ("original",)
    faults: Sequence[str] = ()
    links: Sequence[str] = ()
    transaction: str = "check_in"


def plan(base: Scenario, wanted: Wanted, backend: Backend) -> ScanPlan:
    """Return the plan of scanning a scenario: its facility, night and passengers, with one fault at the time of its first step.

    Raises UsageError for an unknown name, with those that are known, and FacilityError for what the runtime does not provide.
    """
    if lacking := backend.lacks(base):
        raise FacilityError(lacking)
    base = base.slowed(backend.slowdown)
    settings = _settings(base, wanted.variants)
    _require_known(base, wanted.transaction)
    at_s = _first_s(base)
    sent = passengers.of(base)
    _require_enough(base, wanted.transaction, at_s, sent)
    links, left_links = _links(base, wanted.links, backend)
    words, left_words = _words(wanted.faults, backend)
    pairs = [(link, word, made) for link in links for word in words if (made := fault_on(link, word, base.facility)) is not None]
    if not pairs:
        raise UsageError(
            f"none of {', '.join(words)} can be on the link to {' or '.join(links)}; a service's fault is for links to application servers"
        )

    def broken(variant: str, link: str, word: str, fault: Fault, proxies: Iterable[str]) -> Injection:
        scenario = replace(
            base,
            facility=base.facility.model_copy(
                update={"links": tuple(proxy for proxy in proxies if proxy != DATABASE)}
            ),  # it has the virtual IP
            steps=(PlannedStep(word, fault, at_s, None, 0.0),),
            variants=(Variant(variant, settings[variant], WHATEVER),),
        )
        return Injection(variant, link, word, scenario)

    breaks = []
    for name in settings:
        breaks.append(broken(name, "", CONTROL, NoFault(), links))  # with every proxy, to show that they do no harm
        # A fault of a service has none: its probe has to reach the service's own listen queue.
        breaks += [broken(name, link, word, made, [link] if hasattr(made, "link") else []) for link, word, made in pairs]
    return ScanPlan(
        base.name,
        wanted.transaction,
        sent,
        {name: integration_points(base.facility, of_variant.facility) for name, of_variant in settings.items()},
        tuple(breaks),
        (*left_links, *left_words),
    )


def fault_on(link: str, word: str, facility: FacilityPlan) -> Fault | None:
    """Return a fault on a link, or on the application server behind it if the fault takes a service; None if it can have neither."""
    kind: Any = faults.load(word)
    taken = {field.name for field in fields(kind)}
    values = VALUES.get(word, {})
    if "link" in taken:
        made: Fault = kind(link=link, **values)
    elif "service" in taken and link in facility.server_names:
        made = kind(service=link, **values)
    else:
        return None
    return made


def words() -> tuple[str, ...]:
    """Return the words of all faults that a link, or the server behind it, can have."""
    return tuple(word for word in faults.names() if {"link", "service"} & {field.name for field in fields(_kind(word))})


def no_value(word: str) -> tuple[str, ...]:
    """Return the parameters of a fault that have neither a default nor a value in VALUES."""
    available = {"link", "service", *VALUES.get(word, {})}
    needed = [field for field in fields(_kind(word)) if field.default is MISSING and field.default_factory is MISSING]
    return tuple(field.name for field in needed if field.name not in available)


def _kind(word: str) -> Any:
    return faults.load(word)


def _settings(base: Scenario, names: Sequence[str]) -> dict[str, Settings]:
    """Return the settings of variants by name: the scenario's own, or kept ones."""
    known = scenario_file.variants_of(base, names)
    return {name: known[name].settings for name in _chosen("--variant", names, known)}


def _require_known(base: Scenario, transaction: str) -> None:
    sent = [name for shares in base.workload.shares.values() for name in shares]
    _chosen("--transaction", [transaction], sent)
    if not any(needs for kinds in TRANSACTIONS.values() for name, needs in kinds.items() if name == transaction):
        needing = [name for name in sent if any(kinds.get(name) for kinds in TRANSACTIONS.values())]
        raise UsageError(
            f"--transaction: {transaction} does not need the facility; of scenario {base.name} choose one of {', '.join(needing)}"
        )


def _require_enough(base: Scenario, transaction: str, at_s: float, sent: Trace) -> None:
    """Raise UsageError if so few transactions are due after the fault that every effect would be unknown, after all the work."""
    half_s = (at_s + base.night.to_s) / 2
    due = sum(request.transaction == transaction and request.due_night_s >= half_s for request in sent.requests)
    if due < NEEDED:
        raise UsageError(
            f"--transaction: of scenario {base.name} only {due} {transaction} are due in the second half of the time from the fault to the "
            f"night's end, {NEEDED} are needed to tell what stops them; give it a higher `rate_per_minute`, or choose another"
        )


def _first_s(base: Scenario) -> float:
    times = [step.at_night_s for step in base.steps if step.at_night_s is not None]
    if not times:
        raise UsageError(f"scenario {base.name} has no step with `at`; a scan injects each fault at the time of the first such step")
    return times[0]


def _links(base: Scenario, names: Sequence[str], backend: Backend) -> tuple[list[str], list[str]]:
    """Return the links to break, in the order of the map from the database on, and a line for those left out."""
    chosen = _chosen("--link", names, base.facility.link_names) or list(base.facility.link_names)
    if "links" in backend.capabilities:
        return chosen, []
    cannot = [link for link in chosen if link != DATABASE]
    why = f"runtime {backend.name!r} has a proxy on the link to the database only"
    if cannot and (names or len(cannot) == len(chosen)):
        raise FacilityError(f"{why}: {', '.join(cannot)} cannot be broken there; choose another with --runtime")
    return [DATABASE], [f"links {', '.join(cannot)}: {why}"] if cannot else []


def _words(names: Sequence[str], backend: Backend) -> tuple[list[str], list[str]]:
    """Return the words of the faults to try, and a line for each left out."""
    left: dict[str, str] = {}
    for word in _chosen("--fault", names, words()) or words():
        need = getattr(_kind(word), "needs", None)
        if need is not None and need not in backend.capabilities:
            left[word] = f"fault {word!r} needs {need!r}, which runtime {backend.name!r} does not provide"
        elif missing := no_value(word):
            left[word] = f"fault {word}: there is no value for its {', '.join(missing)} in testbed/experiments/scan/plan.py, VALUES"
    if names and left:
        raise FacilityError("; ".join(left.values()))
    return [word for word in _chosen("--fault", names, words()) or words() if word not in left], list(left.values())


def _chosen(option: str, names: Iterable[str], allowed: Iterable[str]) -> list[str]:
    """Return the names, each once; raises UsageError for a name that is not allowed."""
    allowed = list(allowed)
    for name in names:
        if name not in allowed:
            raise UsageError(f"{option}: found {name!r}{suggestion(name, allowed)}; allowed: {', '.join(allowed)}")
    return list(dict.fromkeys(names))
