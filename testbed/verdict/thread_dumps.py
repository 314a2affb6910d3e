"""Where services are blocked, by the thread dumps in a journal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.journal.events import EvidenceTaken, Threads
from testbed.verdict.finding import Finding, Verdict, held_if
from testbed.verdict.stuck_spans import ended_s

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.journal.events import ThreadGroup
    from testbed.journal.reader import Journal
    from testbed.verdict.stuck_spans import Span, Spans

AFTER_S = 0.5  # real seconds: a dump stops its process for a moment, and monitoring with it


@dataclass(frozen=True, slots=True)
class Dumps:
    """The last dump of each service, and when each may have been stuck."""

    by_service: Mapping[str, Threads]
    possible_spans: Spans


def last_of(journal: Journal, service: str, stuck: Sequence[Span] = ()) -> Threads | None:
    """Return the last dump of a service from when it was stuck, or the last of all where it never was; None if there is none.

    A dump of the process that came after shows nothing of where the one before it was blocked.
    """
    dumps = [dump for dump in journal.of(Threads) if dump.service == service]
    if not stuck or not dumps:
        return dumps[-1] if dumps else None
    while_stuck = [dump for dump in dumps if any(span.from_s <= dump.t_s <= span.to_s + AFTER_S for span in stuck)]
    gone_s = min((at_s for at_s in ended_s(journal, service) if at_s >= stuck[-1].to_s), default=float("inf"))
    of_life = [dump for dump in dumps if stuck[-1].from_s <= dump.t_s <= gone_s]
    return next(iter((while_stuck or of_life)[-1:]), None)


def dump_text(dump: Threads) -> str:
    """Format in a line what most request threads of a dump do, and within which calls."""
    if dump.error:
        return dump.error
    if not dump.groups:
        return f"no request thread of {dump.service} was ever started"
    states: Counter[str] = Counter()
    for group in dump.groups:
        states[group.state] += group.count
    state, count = states.most_common(1)[0]
    calls: Counter[str] = Counter()
    for group in dump.groups:
        if group.state == state and group.within:
            calls[group.within] += group.count
    of_each = [f"{within} ({times})" if len(calls) > 1 else within for within, times in calls.most_common()]
    called = f", called from {', '.join(of_each)}" if calls else ""
    return f"{count} of {dump.request_threads} request threads of {dump.service}: {state}{called}"


def judge(journal: Journal, dumps: Dumps, check: str, services: Sequence[str], state: str, within: str, facts: tuple[str, ...]) -> Finding:
    """Return whether all request threads of all the services are blocked in a state, inside a call, at one line, as the finding of `check`.

    At one line: from that call inwards, every stack has the same calls at the same lines, on each service and across them; at the
    innermost alone, any two threads that wait for a lock would be at one. Unknown if a dump is missing or failed; and where they are not
    blocked so, if a service may have been stuck at another time than that of its dump, or at a later moment of which there is none.
    """
    of_each = [(service, dumps.by_service.get(service)) for service in services]
    missing = [f"no thread dump of {service}" if dump is None else dump.error for service, dump in of_each if dump is None or dump.error]
    if missing:
        return Finding(check, Verdict.UNKNOWN, "; ".join(map(str, missing)), facts)
    good = True
    paths: set[tuple[str, ...]] = set()
    for _, dump in of_each:
        assert dump is not None
        groups = [group for group in dump.groups if (group.state, group.within) == (state, within)]
        good = good and sum(group.count for group in groups) == journal.header.facility.request_threads
        paths |= {path_from(group) for group in groups}
    text = "; ".join(dump_text(dump) for _, dump in of_each if dump)
    others = [service for service, dump in of_each if dump is not None and _may_be_another(journal, dumps.possible_spans[service], dump)]
    if others and not (good and len(paths) == 1):
        return Finding(check, Verdict.UNKNOWN, f"{text}; no dump of when it may have been stuck later: {', '.join(others)}", facts)
    if good and len(paths) > 1:
        return Finding(check, Verdict.BROKEN, f"{text}; but not at one line: {_apart(paths)}", facts)
    return Finding(check, held_if(good), text, facts)


def _may_be_another(journal: Journal, spans: Sequence[Span], dump: Threads) -> bool:
    """Whether a service may have been stuck, but not when it was dumped; or still was when evidence was taken later."""
    if not any(span.from_s <= dump.t_s <= span.to_s + AFTER_S for span in spans):
        return bool(spans)
    later_s = [taken.t_s for taken in journal.of(EvidenceTaken) if taken.t_s > dump.t_s]
    return any(span.covers(at_s) for span in spans for at_s in later_s)


def path_from(group: ThreadGroup) -> tuple[str, ...]:
    """Return the frames of a group from the innermost call of its operation inwards; the outer ones are as different as what was asked."""
    frames = group.stack
    begins = [number for number, frame in enumerate(frames) if frame.rpartition(" ")[2].rpartition(".")[2] == group.within]
    return frames[begins[-1] :] if begins else frames


def _apart(paths: set[tuple[str, ...]]) -> str:
    """Format the first frames in which paths differ."""
    ordered = sorted(paths)
    at = next((number for number, frames in enumerate(zip(*ordered, strict=False)) if len(set(frames)) > 1), min(map(len, ordered)))
    return ", ".join(sorted({path[at] if at < len(path) else "nothing further in" for path in ordered}))
