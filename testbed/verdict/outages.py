"""When the facility was out of service though nobody hung, by the rule of `journal/failures.py`: a pure function of a journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.journal.failures import OUT_S, Failures
from testbed.journal.header_settings import connections
from testbed.verdict.recovery import needs_facility

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.journal.reader import Journal


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which every caller failed, and nothing that needs the facility was answered (`t_s`; infinity: to the end)."""

    from_s: float
    to_s: float
    night_s: float


def of(journal: Journal) -> tuple[Outage, ...]:
    """Return each outage of which evidence is due: one that lasted for `OUT_S`, or to the end."""
    return tuple(_of(journal))


def _of(journal: Journal) -> Iterator[Outage]:
    needing = [asked for asked in journal.transactions if needs_facility(journal, asked)]
    ended = [(asked.response, asked) for asked in needing if asked.response is not None]
    failures, most = Failures(frozenset(asked.request.caller for asked in needing)), connections(journal)
    since: tuple[float, float] | None = None
    for response, asked in sorted(ended, key=lambda each: each[0].answered_s):
        answered = asked.ended == "answered"
        if answered and since is not None:
            if failures.last_s >= since[0] + OUT_S:
                yield Outage(since[0], response.answered_s, since[1])
            since = None
        failures.take(asked.request.caller, response.answered_s, answered=answered)
        if since is None and (since_s := failures.since_s(most)) is not None:
            since = since_s, response.night_s
    if since is not None:
        yield Outage(since[0], float("inf"), since[1])
