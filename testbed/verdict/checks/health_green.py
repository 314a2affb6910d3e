"""Whether every health check was green (O8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import Sample
from testbed.verdict.busyness import MACHINE_BUSY, stalled_s
from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures

NO_ANSWER = "no answer within "  # the begin of what a look says that was given up
ANSWER_S = 1.0  # real seconds; health checks take milliseconds


def check(journal: Journal, figures: Figures, expected: bool) -> Finding:  # noqa: FBT001 - the expectation's value
    """Compare the health checks from first to last that were green with all; unknown without one.

    Unknown also where those that were not green had no answer only because no processor was free for it.
    """
    green = sum(checks.green for checks in figures.health.values())
    count = sum(checks.count for checks in figures.health.values())
    text = f"{green} of {count} health checks green, expected {'all' if expected else 'fewer'}"
    if not count:
        return Finding("health_green", Verdict.UNKNOWN, text, ("O8",))
    red = [sample for sample in journal.of(Sample) if sample.health is False]
    untold = [service for service, checks in figures.health.items() if not checks.count]
    if untold and green == count:
        return Finding("health_green", Verdict.UNKNOWN, f"{text}; without a health check: {', '.join(untold)}", ("O8",))
    if red and all(for_want_of_a_processor(journal, sample) for sample in red):
        text = f"{text}: the others had no answer, while the machine had no processor free"
        return Finding("health_green", Verdict.UNKNOWN, text, ("O8",), MACHINE_BUSY)
    own = journal.header.service
    facts = () if own is not None and own.health_in_request_threads else ("O8", "C6")  # such a check hangs with the calls
    return Finding("health_green", held_if((green == count) == expected), text, facts)


def for_want_of_a_processor(journal: Journal, sample: Sample) -> bool:
    """Whether a look had no answer, and would have waited for less than `ANSWER_S` with a processor free all the time."""
    return sample.error.startswith(NO_ANSWER) and sample.health_s - stalled_s(journal, sample.t_s - sample.health_s, sample.t_s) < ANSWER_S
