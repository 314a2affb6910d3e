"""What the thread dumps in a journal say of where services are blocked."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from testbed.journal.events import Threads
from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.journal.reader import Journal


def last_of(journal: Journal, service: str) -> Threads | None:
    """Give the last dump of a service."""
    dumps = [one for one in journal.of(Threads) if one.service == service]
    return dumps[-1] if dumps else None


def dump_text(dump: Threads) -> str:
    """Tell in a line what most request threads of a dump do."""
    if dump.error:
        return dump.error
    if not dump.groups:
        return f"no request thread of {dump.service} was ever started"
    counts: Counter[tuple[str, str]] = Counter()
    for group in dump.groups:
        counts[group.state, group.within] += group.count
    (state, within), count = counts.most_common(1)[0]
    called = f", called from {within}" if within else ""
    return f"{count} of {dump.request_threads} request threads of {dump.service}: {state}{called}"


def judge(journal: Journal, check: str, services: Sequence[str], state: str, within: str, facts: tuple[str, ...]) -> Finding:
    """Judge whether all request threads of all the services are blocked in a state, inside a call.

    Without a dump, or with one that was not permitted, nothing is known.
    """
    dumps = [(service, last_of(journal, service)) for service in services]
    missing = [f"no threads of {service} were dumped" if one is None else one.error for service, one in dumps if one is None or one.error]
    if missing:
        return Finding(check, Verdict.UNKNOWN, "; ".join(map(str, missing)), facts)
    good = True
    for _, dump in dumps:
        assert dump is not None
        there = sum(group.count for group in dump.groups if (group.state, group.within) == (state, within))
        good = good and there == journal.header.facility.request_threads
    return Finding(check, held_if(good), "; ".join(dump_text(dump) for _, dump in dumps if dump), facts)
