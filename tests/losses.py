"""Ways in which a busy machine loses what was to be seen of a night: looks that come seldom, late or not at all, and evidence not had.

None of them changes what happened: requests, answers, and what was done stay as they are. So no verdict may become another, but unknown.
Each takes a journal and a seeded source of chance, and returns the journal with less in it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from testbed.journal.events import (
    EvidenceTaken,
    HeartbeatCount,
    OperationEvent,
    Pressure,
    Recovery,
    ResourceUsage,
    Sample,
    Size,
    Threads,
)
from testbed.plan.expectation import Root
from testbed.verdict import checks, figures, outcome
from testbed.verdict.finding import Verdict
from testbed.verdict.stuck_spans import services

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from testbed.journal.events import Event
    from testbed.journal.reader import Journal
    from testbed.plan.expectation import Crack, Outcome

    Loss = Callable[[Journal, Random], Journal]

LATE = "no answer within 2 s"
LATEST_S = 2.0  # that a sample is late
SELDOM = 50  # of as many looks one is left, at the least: 5 s apart
LONGEST_S = 8.0  # without a look
MOST_LOOKS = 30  # that are missing at the end


def _with(journal: Journal, events: Sequence[Event]) -> Journal:
    return replace(journal, events=tuple(events))


def _some(journal: Journal, chance: Random) -> frozenset[str]:
    """Return one service, or all of a kind, or all."""
    facility = journal.header.facility
    one = (chance.choice(services(journal)),)
    return frozenset(chance.choice((one, one, services(journal), facility.application_servers, facility.callers)))


def _window(journal: Journal, chance: Random) -> tuple[float, float]:
    """Return a span anywhere in the night: around an operation, just before the end, or at any time."""
    end_s = max(event.t_s for event in journal.events)
    long_s = chance.choice((chance.uniform(0.2, 2.0), chance.uniform(0.2, LONGEST_S)))
    moments = [event.t_s for event in journal.of(OperationEvent)] or [0.0]
    from_s = chance.choice((chance.uniform(0.0, end_s), chance.choice(moments) - chance.uniform(0.0, long_s), end_s - long_s))
    return from_s, from_s + long_s


def seldom(journal: Journal, chance: Random) -> Journal:
    """Leave one look in so many, of one service or of all."""
    some, of, seen = _some(journal, chance), chance.randint(2, SELDOM), defaultdict[str, int](lambda: chance.randrange(SELDOM))
    kept = []
    for event in journal.events:
        if isinstance(event, Sample) and event.service in some:
            seen[event.service] += 1
            if seen[event.service] % of:
                continue
        kept.append(event)
    return _with(journal, kept)


def some_not_at_all(journal: Journal, chance: Random) -> Journal:
    """Leave out each look with a chance of its own."""
    some, share = _some(journal, chance), chance.uniform(0.1, 0.98)
    lost = {id(look) for look in journal.of(Sample) if look.service in some and chance.random() < share}
    return _with(journal, [event for event in journal.events if id(event) not in lost])


def not_for_a_while(journal: Journal, chance: Random) -> Journal:
    """Leave out the looks at one service, or at all, in one span or several."""
    some = _some(journal, chance)
    spans = [_window(journal, chance) for _ in range(chance.randint(1, 3))]
    lost = {id(look) for look in journal.of(Sample) if look.service in some and any(a <= look.t_s <= b for a, b in spans)}
    return _with(journal, [event for event in journal.events if id(event) not in lost])


def last_looks(journal: Journal, chance: Random) -> Journal:
    """Leave out the last looks at one service, or at all."""
    some, count = _some(journal, chance), chance.randint(1, MOST_LOOKS)
    lost: set[int] = set()
    for service in some:
        lost |= {id(look) for look in [look for look in journal.of(Sample) if look.service == service][-count:]}
    return _with(journal, [event for event in journal.events if id(event) not in lost])


def late(journal: Journal, chance: Random) -> Journal:
    """Delay looks by up to two seconds; meanwhile nobody looks at that service."""
    some, most_s, share = _some(journal, chance), chance.uniform(0.1, LATEST_S), chance.choice((0.1, 0.5, 1.0))
    clock = sorted({(event.t_s, event.night_s) for event in journal.events})
    end_s, last_s = clock[-1][0], defaultdict[str, float](lambda: -1.0)
    changed = []
    for event in journal.events:
        if not isinstance(event, Sample) or event.service not in some:
            changed.append(event)
            continue
        t_s = event.t_s + (chance.uniform(0.0, most_s) if chance.random() < share else 0.0)
        if event.t_s <= last_s[event.service] or t_s > end_s:
            continue
        last_s[event.service] = t_s
        changed.append(replace(event, t_s=t_s, night_s=_night_s(clock, t_s)))
    return _with(journal, changed)


def _night_s(clock: Sequence[tuple[float, float]], t_s: float) -> float:
    """Return when of the night a moment was, between two others of the journal."""
    place = min(max(bisect_left(clock, (t_s, float("-inf"))), 1), len(clock) - 1)
    (from_s, from_night_s), (to_s, to_night_s) = clock[place - 1], clock[place]
    share = 0.0 if to_s <= from_s else min(1.0, max(0.0, (t_s - from_s) / (to_s - from_s)))
    return from_night_s + share * (to_night_s - from_night_s)


def _chosen(journal: Journal, chance: Random) -> set[int]:
    """Return the identity of samples of some services: of a share of them, or of a span."""
    some, share, (from_s, to_s) = _some(journal, chance), chance.uniform(0.05, 1.0), _window(journal, chance)
    whole = chance.random() < 0.5
    looks = (look for look in journal.of(Sample) if look.service in some and look.busy is not None)
    return {id(look) for look in looks if (chance.random() < share if whole else from_s <= look.t_s <= to_s)}


def no_numbers(journal: Journal, chance: Random) -> Journal:
    """Take the numbers from looks, and leave that the service is healthy."""
    lost = _chosen(journal, chance)
    none = {"request_threads": None, "busy": None, "waiting": None, "pool": None, "internal_errors": None, "log": None, "breaker": None}
    return _with(
        journal,
        [replace(event, **none, results={}, error=LATE) if id(event) in lost else event for event in journal.events],  # type: ignore[type-var,arg-type]
    )


def no_answer(journal: Journal, chance: Random) -> Journal:
    """Take all answers from looks for the whole of which the machine had no processor free."""
    lost, told_s = _chosen(journal, chance), [event.t_s for event in journal.of(Pressure)] or [0.0]
    lost &= {id(look) for look in journal.of(Sample) if told_s[0] + LATEST_S <= look.t_s <= told_s[-1]}
    none = {"request_threads": None, "busy": None, "waiting": None, "pool": None, "internal_errors": None, "log": None, "breaker": None}
    silent = {**none, "results": {}, "error": LATE, "health": False}
    changed = [
        replace(event, **silent, health_s=LATEST_S) if id(event) in lost else event  # type: ignore[type-var,arg-type]
        for event in journal.events
    ]
    return _stalled(_with(journal, changed), 1.0)


def a_field(journal: Journal, chance: Random) -> Journal:
    """Take the answer to one of the questions of looks: about the pool, the log, the circuit breaker, or errors."""
    lost, field = _chosen(journal, chance), chance.choice(("pool", "log", "breaker", "internal_errors"))
    return _with(journal, [replace(event, **{field: None}) if id(event) in lost else event for event in journal.events])  # type: ignore[type-var,arg-type]


def dumps_gone(journal: Journal, chance: Random) -> Journal:
    """Leave out thread dumps: all, those of a service, or some."""
    some, share = _some(journal, chance), chance.choice((0.5, 1.0))
    lost = {id(dump) for dump in journal.of(Threads) if dump.service in some and chance.random() <= share}
    return _with(journal, [event for event in journal.events if id(event) not in lost])


def dumps_late(journal: Journal, chance: Random) -> Journal:
    """Replace thread dumps by the error that they were not had in time."""
    some, share = _some(journal, chance), chance.choice((0.5, 1.0))
    lost = {id(dump) for dump in journal.of(Threads) if dump.service in some and chance.random() <= share}
    return _with(
        journal,
        [replace(event, groups=(), error=LATE, took_s=None) if id(event) in lost else event for event in journal.events],  # type: ignore[type-var,arg-type]
    )


def evidence_gone(journal: Journal, chance: Random) -> Journal:
    """Leave out evidence, or say that it was not had."""
    lost = {id(taken) for taken in journal.of(EvidenceTaken) if chance.random() < 0.7}
    if chance.random() < 0.5:
        return _with(journal, [event for event in journal.events if id(event) not in lost])
    return _with(journal, [replace(event, file="", error=LATE) if id(event) in lost else event for event in journal.events])  # type: ignore[type-var,arg-type]


def measurements(journal: Journal, chance: Random) -> Journal:
    """Leave out measurements of one kind: of processes, of tables and logs, of the standby, or of heartbeats."""
    kind = chance.choice((ResourceUsage, Size, Recovery, HeartbeatCount))
    share, (from_s, to_s) = chance.uniform(0.1, 1.0), _window(journal, chance)
    whole = chance.random() < 0.5
    lost = {id(event) for event in journal.of(kind) if (chance.random() < share if whole else from_s <= event.t_s <= to_s)}
    return _with(journal, [event for event in journal.events if id(event) not in lost])


def stalled(journal: Journal, chance: Random) -> Journal:
    """Tell of a machine that had no processor free for a share of the time."""
    return _stalled(journal, chance.uniform(0.1, 1.0))


def _stalled(journal: Journal, share: float) -> Journal:
    """Add to what the kernel told so much of the time that went by."""
    told = journal.of(Pressure)
    if len(told) < 2:
        return journal
    total_s, waited = 0.0, {id(told[0]): told[0].cpu_stalled_s}
    for before, after in pairwise(told):
        total_s += max(after.cpu_stalled_s - before.cpu_stalled_s, share * (after.t_s - before.t_s))
        waited[id(after)] = told[0].cpu_stalled_s + total_s
    return _with(
        journal, [replace(event, cpu_stalled_s=waited[id(event)]) if isinstance(event, Pressure) else event for event in journal.events]
    )


LOSSES: dict[str, Loss] = {
    loss.__name__: loss
    for loss in (
        seldom,
        some_not_at_all,
        not_for_a_while,
        last_looks,
        late,
        no_numbers,
        no_answer,
        a_field,
        dumps_gone,
        dumps_late,
        evidence_gone,
        measurements,
        stalled,
    )
}


# What may be expected of a night, by the check that judges it: of each complete journal, some of it holds, and some is broken.
ASKED: tuple[tuple[str, Any], ...] = (
    *(("outcome", (word,)) for word in ("unharmed", "contained", "grounded")),
    *(("crack", (level,)) for level in range(7)),
    *(("leaked_connections", count) for count in (0, 10, 40)),
    *(("errors_per_server", count) for count in (0, 10, 40)),
    *(("health_green", green) for green in (True, False)),
    *(("full_first", layer) for layer in ("pools", "application_servers", "callers", "nobody")),
    *(("served_by_hosts", count) for count in (1, 2)),
    *(("root", Root(code=code)) for code in ("nobody", "lost", "no_answer", "statement", "lock", "retries")),
    *(("restored", back) for back in (True, False)),
    ("servers_blocked_at", "checkout"),
    ("callers_blocked_at", "lookup_by_city"),
    ("evidence_within_s", 10.0),
    ("answered_within_s", 5.0),
    ("answered_after", 0.9),
    ("errors_counted", "complete"),
    ("recovery_lag_s", 300.0),
    ("cluster_switchovers", 0),
    ("memory_rise_mib", 50.0),
)


@dataclass(frozen=True)
class Meaning:
    """What a journal means: the verdict of each of ASKED, the outcome, and each level that the crack may have reached."""

    verdicts: dict[tuple[str, str], Verdict]
    outcome: Outcome | None
    cracks: tuple[Crack, ...]
    is_at_least: bool  # the crack may be any that is further, because a service was not seen


def meaning(journal: Journal) -> Meaning:
    """Return what a journal means; of one that cannot be believed, every verdict is unknown."""
    computed = figures.of(journal)
    believed = all(checks.load(name)(journal, computed, None).verdict is Verdict.HELD for name in checks.ALWAYS)
    verdicts = {
        (name, str(value)): checks.load(name)(journal, computed, value).verdict if believed else Verdict.UNKNOWN for name, value in ASKED
    }
    return Meaning(verdicts, outcome.outcome(journal, computed), outcome.possible_cracks(journal, computed), bool(computed.evidence.unseen))


def contradictions(before: Meaning, after: Meaning) -> list[str]:
    """Return what a journal with less in it claims, and the whole one does not: a verdict, an outcome, or a crack."""
    other = {Verdict.HELD: Verdict.BROKEN, Verdict.BROKEN: Verdict.HELD}
    found = [
        f"{name} = {value}: {verdict}, and {after.verdicts[name, value]} with less"
        for (name, value), verdict in before.verdicts.items()
        if after.verdicts[name, value] is other.get(verdict)
    ]
    if before.outcome is not None and after.outcome not in (before.outcome, None):
        found.append(f"outcome {before.outcome}, and {after.outcome} with less")
    if before.cracks[0] not in after.cracks and not (after.is_at_least and after.cracks[0] < before.cracks[0]):
        found.append(f"crack {before.cracks[0]}, and {after.cracks} with less")
    return found


def lost(journal: Journal, name: str, chance: Random) -> Journal:
    """Return a journal after one of the losses, or after two at once in one of three cases."""
    less = LOSSES[name](journal, chance)
    if chance.random() < 1 / 3:
        less = LOSSES[chance.choice(list(LOSSES))](less, chance)
    return less
