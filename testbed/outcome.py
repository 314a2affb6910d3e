"""What became of the airline, and how far the crack went: pure functions of the journal."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.events import Observed, Operation, Sample, Service, Step

if TYPE_CHECKING:
    from testbed.journal import Journal, Transaction

UNHARMED = "unharmed"
CONTAINED = "contained"
GROUNDED = "grounded"
CRACK = ("nothing", "lookup", "pool", "server", "facility", "caller", "airline")
NOTHING = "nothing"
RESTART = "restart"
STUCK_SAMPLES = 3  # in a row, with every request thread at work and not one result; the same as the replay's own watch


@dataclass(frozen=True, slots=True)
class Span:
    """A time during which a service was stuck: its first sample of that kind and its last (`t_s`), and the first's `night_s`."""

    from_s: float
    to_s: float
    night_s: float

    def covers(self, t_s: float) -> bool:
        """Whether a moment lies in it."""
        return self.from_s <= t_s <= self.to_s


def samples_of(journal: Journal, service: str) -> tuple[Sample, ...]:
    """Give the samples of a service in the order of time."""
    return tuple(sorted((one for one in journal.of(Sample) if one.service == service), key=lambda one: one.t_s))


def stuck(journal: Journal, service: str) -> tuple[Span, ...]:
    """Give the spans in which every request thread of a service was at work and nothing came out.

    A busy service is not stuck: its results move on from sample to sample.
    """
    spans: list[Span] = []
    run: list[Sample] = []
    for sample in (*samples_of(journal, service), None):
        if sample is not None and sample.is_full and (not run or run[-1].results == sample.results):
            run.append(sample)
            continue
        if len(run) > STUCK_SAMPLES:
            spans.append(Span(run[0].t_s, run[-1].t_s, run[0].night_s))
        run = [sample] if sample is not None and sample.is_full else []
    return tuple(spans)


def services(journal: Journal) -> tuple[str, ...]:
    """Give every service that has request threads."""
    return (*journal.header.facility.application_servers, *journal.header.facility.callers)


def hang(journal: Journal) -> Span | None:
    """Give the first time at which every application server and every caller was stuck."""
    spans = {service: stuck(journal, service) for service in services(journal)}
    starts = sorted((one for group in spans.values() for one in group), key=lambda one: one.from_s)
    for start in starts:
        together = [next((one for one in group if one.covers(start.from_s)), None) for group in spans.values()]
        if all(together):
            return Span(start.from_s, min(one.to_s for one in together if one), start.night_s)
    return None


def first_fault(journal: Journal) -> Operation | None:
    """Give the begin of the first fault or operation that did something."""
    return next((one for one in journal.of(Operation) if one.state == "begin" and one.operation != NOTHING), None)


def last_change(journal: Journal) -> Operation | None:
    """Give the end of the last fault or operation that did something."""
    done = [one for one in journal.of(Operation) if one.state != "begin" and one.operation != NOTHING]
    return done[-1] if done else None


def restarted_by_hand(journal: Journal) -> bool:
    """Whether an operator restarted anything."""
    return any(one.operation == RESTART for one in journal.of(Step))


def time_to_hang_s(journal: Journal) -> float | None:
    """Give the night's seconds from the end of the first fault to the hang; None when nothing hung, or nothing was done."""
    begin, hung = first_fault(journal), hang(journal)
    if begin is None or hung is None:
        return None
    end = next((one for one in journal.of(Operation) if one.id == begin.id and one.state != "begin"), begin)
    return hung.night_s - end.night_s


def is_stuck_at_end(journal: Journal, service: str) -> bool:
    """Whether a service was stuck in its last sample, and nothing came back from it in the closing window."""
    spans, samples, window = stuck(journal, service), samples_of(journal, service), journal.of(Observed)
    if not spans or not window or spans[-1].to_s < samples[-1].t_s:
        return False
    answered = (one.response for one in journal.transactions if one.request.caller == service and one.response)
    return not any(response.answered_s >= window[-1].since_s for response in answered)


def outcome(journal: Journal) -> str | None:
    """Tell what became of the airline; None where the journal does not tell.

    `grounded`: a caller was stuck at the end, or a hand was needed. `contained`: some transactions failed or were never answered, and every
    caller's transactions that need the facility were answered again. `unharmed`: every transaction was answered. A night that ends with
    requests waiting, no caller stuck and no sign that service came back is none of these: it was too short, or its load too light, to tell.
    """
    if journal.end is None or journal.end.reason != "complete" or not journal.transactions:
        return None
    callers = journal.header.facility.callers
    if restarted_by_hand(journal) or any(is_stuck_at_end(journal, caller) for caller in callers):
        return GROUNDED
    bad = [one for one in journal.transactions if one.ended != "answered"]
    if not bad:
        return UNHARMED
    waiting = [one for one in bad if one.ended == "unanswered"]
    if waiting and not all(_came_back(journal, caller, max(one.request.due_s for one in waiting)) for caller in callers):
        return None
    return CONTAINED


def _came_back(journal: Journal, caller: str, after_s: float) -> bool:
    """Whether a transaction of the caller that needs the facility, due after a moment, was answered."""
    return any(
        one.ended == "answered" and one.request.due_s > after_s and needs_facility(journal, one)
        for one in journal.transactions
        if one.request.caller == caller
    )


def needs_facility(journal: Journal, transaction: Transaction) -> bool:
    """Whether a transaction calls the facility."""
    request = transaction.request
    return journal.header.transactions.get(request.caller, {}).get(request.transaction, True)


def crack(journal: Journal) -> int:
    """Tell how far the crack went at its worst, 0 to 6; CRACK has the words."""
    facility = journal.header.facility
    spans = {service: stuck(journal, service) for service in services(journal)}
    if all(spans[caller] for caller in facility.callers):
        return 6
    if any(spans[caller] for caller in facility.callers):
        return 5
    if all(spans[server] for server in facility.application_servers):
        return 4
    if any(spans[server] for server in facility.application_servers):
        return 3
    if any(leaked_connections(journal).values()):
        return 2
    return int(any(one.ended != "answered" for one in journal.transactions))


def leaked_connections(journal: Journal) -> dict[str, int]:
    """Give the most connections that were seen leaked, by application server."""
    return {
        server: max((one.pool.leaked for one in samples_of(journal, server) if one.pool), default=0)
        for server in journal.header.facility.application_servers
    }


def failed_lookups(journal: Journal) -> dict[str, int]:
    """Give how many lookups failed after the first fault began, by application server."""
    begin = first_fault(journal)
    failed = {}
    for server in journal.header.facility.application_servers:
        counts = [
            (one.t_s, one.results["lookup_by_city"].failed if "lookup_by_city" in one.results else 0)
            for one in samples_of(journal, server)
            if one.busy is not None
        ]
        before = [count for t_s, count in counts if begin is not None and t_s < begin.t_s]
        failed[server] = max((count for _, count in counts), default=0) - (before[-1] if before else 0)
    return failed


def blocked_request_threads(journal: Journal) -> dict[str, int]:
    """Give how many request threads of each service were blocked when it was stuck last; 0 where it never was."""
    blocked = {}
    for service in services(journal):
        spans = stuck(journal, service)
        busy = [one.busy or 0 for one in samples_of(journal, service) if spans and spans[-1].covers(one.t_s)]
        blocked[service] = busy[-1] if busy else 0
    return blocked


def health_green(journal: Journal) -> dict[str, bool]:
    """Tell of each service whether its last health check was green."""
    return {service: bool(samples) and samples[-1].health for service in services(journal) if (samples := samples_of(journal, service))}


Ends = dict[str, int]


def transactions(journal: Journal) -> dict[str, dict[str, dict[str, Ends]]]:
    """Count by caller, transaction, `before` or `after` the first fault (by when a request was due), and how it ended."""
    begin = first_fault(journal)
    counts: dict[str, dict[str, dict[str, Counter[str]]]] = defaultdict(
        lambda: defaultdict(lambda: {"before": Counter(), "after": Counter()})
    )
    for one in journal.transactions:
        when = "after" if begin is not None and one.request.due_s >= begin.t_s else "before"
        counts[one.request.caller][one.request.transaction][when][one.ended] += 1
    return {
        caller: {
            name: {when: {ended: ends[ended] for ended in ("answered", "failed", "unanswered")} for when, ends in halves.items()}
            for name, halves in by_name.items()
        }
        for caller, by_name in counts.items()
    }


def died(journal: Journal) -> tuple[Service, ...]:
    """Give the services that died by themselves."""
    return tuple(one for one in journal.of(Service) if one.state == "died")
