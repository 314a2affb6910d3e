"""What became of the airline, and how far the crack went: pure functions of the journal."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING

from testbed.events import Observed, Operation, Sample, Service, Step
from testbed.expectation import OUTCOMES
from testbed.standstill import follow

if TYPE_CHECKING:
    from testbed.journal import Journal, Transaction
    from testbed.standstill import Standstill

UNHARMED, CONTAINED, GROUNDED = map(str, OUTCOMES)  # plain words: a kept matrix or a journal is compared with them
CRACK = ("nothing", "lookup", "pool", "server", "facility", "caller", "airline")
NOTHING = "nothing"
RESTART = "restart"
HEAL = "heal"
HARMLESS = (NOTHING, "backup")  # they change nothing, and no trouble comes of them
SLOW_S = 5.0  # who waits longer for an answer does not call it slow


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


def lives(journal: Journal, service: str) -> list[list[Sample]]:
    """Give the samples of a service that have numbers, in the order of time: a list for each of its processes.

    A process that was restarted counts from nothing, so its numbers must not be compared with those of the one before.
    """
    ends = [one.t_s for one in journal.of(Service) if one.service == service and one.state in ("stopped", "died")]
    grouped: list[list[Sample]] = []
    for sample in samples_of(journal, service):
        if sample.busy is None:
            continue
        before = grouped[-1][-1] if grouped else None
        if before is None or any(before.t_s <= end_s < sample.t_s for end_s in ends) or _ended(sample) < _ended(before):
            grouped.append([])
        grouped[-1].append(sample)
    return grouped


def _ended(sample: Sample) -> int:
    """Give how many operations have ended since the process started."""
    return sum(one.answered + one.failed for one in sample.results.values())


def stuck(journal: Journal, service: str) -> tuple[Span, ...]:
    """Give the spans in which every request thread of a service was at work and nothing came out (`standstill.py`).

    A busy service is not stuck: its results move on from sample to sample. Nor is a slow one: what it was at came out as answers, and
    within `SLOW_S` seconds. Where errors came out, as of a time-out, or a restart ended it, it was stuck. What goes on at the end has to
    have gone on for the whole of the closing window, which is as long as anything could take.
    """
    spans: list[Span] = []
    window = journal.of(Observed)
    since_s = window[-1].since_s if window else float("inf")
    for samples in lives(journal, service):
        run: Standstill | None = None
        for sample in samples:
            before, run = run, follow(run, sample)
            if before is not None and (run is None or run.first is not before.first) and _was_stuck(before, sample):
                spans.append(Span(before.first.t_s, before.last.t_s, before.first.night_s))
        if run is not None and run.is_stuck and (run.first.t_s <= since_s or run.last.t_s < since_s):
            spans.append(Span(run.first.t_s, run.last.t_s, run.first.night_s))
    return tuple(spans)


def _was_stuck(standstill: Standstill, after: Sample) -> bool:
    """Tell of a standstill that ended by itself, with the sample after it, whether the service had been stuck or only slow."""
    errors = sum(one.failed for one in after.results.values()) - sum(one.failed for one in standstill.last.results.values())
    return standstill.is_stuck and (errors > 0 or after.t_s - standstill.first.t_s > SLOW_S)


def services(journal: Journal) -> tuple[str, ...]:
    """Give every service that has request threads."""
    return (*journal.header.facility.application_servers, *journal.header.facility.callers)


def hang(journal: Journal) -> Span | None:
    """Give the first time at which every caller was stuck: the airline stood still."""
    spans = {caller: stuck(journal, caller) for caller in journal.header.facility.callers}
    starts = sorted((one for group in spans.values() for one in group), key=lambda one: one.from_s)
    for start in starts:
        together = [next((one for one in group if one.covers(start.from_s)), None) for group in spans.values()]
        if all(together):
            return Span(start.from_s, min(one.to_s for one in together if one), start.night_s)
    return None


def first_change(journal: Journal) -> Operation | None:
    """Give the begin of the first fault or operation that did something."""
    return next((one for one in journal.of(Operation) if one.state == "begin" and one.operation not in HARMLESS), None)


def first_fault(journal: Journal) -> Operation | None:
    """Give the begin of the first fault that did something; a restart or a healing by hand is none."""
    return next((one for one in journal.of(Operation) if one.state == "begin" and one.operation not in (*HARMLESS, RESTART, HEAL)), None)


def last_change(journal: Journal) -> Operation | None:
    """Give the end of the last fault or operation that did something."""
    done = [one for one in journal.of(Operation) if one.state != "begin" and one.operation not in HARMLESS]
    return done[-1] if done else None


def full_since_s(journal: Journal) -> dict[str, float]:
    """Give when each service first had every request thread at work since the first fault began, on the night's clock; the first first.

    To within a look: what a layer that fills at once does, the next may do before anybody looks again. Those that never had are left out.
    """
    begin = first_fault(journal)
    if begin is None:
        return {}
    found: dict[str, float] = {}
    for one in sorted(journal.of(Sample), key=lambda sample: sample.t_s):
        if one.t_s >= begin.t_s and one.is_full and one.service in services(journal):
            found.setdefault(one.service, one.night_s)
    return found


def longest_queue(journal: Journal) -> dict[str, int]:
    """Give the most requests that waited for a request thread at one time, of each service."""
    return {one: max((sample.waiting or 0 for sample in samples_of(journal, one)), default=0) for one in services(journal)}


def restarted_by_hand(journal: Journal) -> bool:
    """Whether an operator restarted anything after trouble had begun, so that nobody can tell whether service would have come back.

    Trouble is a leak, a service that was stuck, or after a fault a transaction that had failed or was waiting in vain. A restart while all
    is well, as for maintenance, is another thing.
    """
    restarted = {one.id for one in journal.of(Step) if one.operation == RESTART}
    begins = [one.t_s for one in journal.of(Operation) if one.operation == RESTART and one.state == "begin" and one.id in restarted]
    if not begins:
        return False
    fault = first_fault(journal)
    since_s = float("inf") if fault is None else fault.t_s
    bad = (one for one in journal.transactions if one.ended != "answered")
    troubles = [
        *(one.t_s for one in journal.of(Sample) if one.pool and one.pool.leaked),
        *(span.from_s for service in services(journal) for span in stuck(journal, service)),
        *(at_s for one in bad if (at_s := one.request.due_s if one.response is None else one.response.answered_s) >= since_s),
    ]
    return min(troubles, default=float("inf")) < begins[-1]


def time_to_hang_s(journal: Journal) -> float | None:
    """Give the night's seconds from the end of the first fault to the hang; 0 when it came before that end.

    None when nothing hung, or nothing was done before it did.
    """
    begin, hung = first_fault(journal), hang(journal)
    if begin is None or hung is None or hung.from_s < begin.t_s:
        return None
    end = next((one for one in journal.of(Operation) if one.id == begin.id and one.state != "begin"), begin)
    return max(0.0, hung.night_s - end.night_s)


def is_stuck_at_end(journal: Journal, service: str) -> bool:
    """Whether a service was stuck in its last sample, and nothing came back from it in the closing window."""
    spans, processes, window = stuck(journal, service), lives(journal, service), journal.of(Observed)
    if not spans or not window or spans[-1].to_s < processes[-1][-1].t_s:
        return False
    ended = (one for one in journal.of(Service) if one.service == service and one.state in ("stopped", "died"))
    if any(one.t_s > spans[-1].to_s for one in ended):
        return False
    answered = (one.response for one in journal.transactions if one.request.caller == service and one.response)
    return not any(response.answered_s >= window[-1].since_s for response in answered)


def outcome(journal: Journal) -> str | None:
    """Tell what became of the airline; None where the journal does not tell.

    `grounded`: at the end a caller was out of service (stuck, or served no more), or a hand was needed. `contained`: some transactions
    failed or were never answered, and transactions that need the facility were answered again. `unharmed`: every transaction was answered.
    A night that ends with requests waiting or failing, nobody out of service and no sign that service came back is none of these: it was
    too short, or its load too light, to tell.
    """
    if journal.end is None or journal.end.reason != "complete" or not journal.transactions:
        return None
    callers = journal.header.facility.callers
    if restarted_by_hand(journal) or any(is_stuck_at_end(journal, caller) for caller in callers) or served_no_more(journal):
        return GROUNDED
    bad = [one for one in journal.transactions if one.ended != "answered"]
    if not bad:
        return UNHARMED
    waiting = [one.request.due_s for one in bad if one.ended == "unanswered"]
    asked = {one.request.caller for one in journal.transactions if needs_facility(journal, one)}
    if waiting and not all(_came_back(journal, caller, max(waiting)) for caller in asked):
        return None
    first_s = min(one.request.due_s for one in bad)
    if asked and not any(_came_back(journal, caller, first_s) for caller in asked):
        return None
    return CONTAINED


def served_no_more(journal: Journal) -> bool:
    """Whether up to the night's end nothing that needs the facility was answered any more, of all callers together or of one of them.

    Nobody need be stuck for that: a time-out at the pool turns the hang into errors, and the airline stands still all the same. Each stale
    connection may cost a transaction, so more must have gone unserved, in a row and to the last, than there are connections.
    """
    facility = journal.header.facility
    connections = facility.pool_size * len(facility.application_servers)
    asked = [one for one in sorted(journal.transactions, key=lambda one: one.request.due_s) if needs_facility(journal, one)]
    groups = [asked, *([one for one in asked if one.request.caller == caller] for caller in facility.callers)]
    return any(sum(1 for _ in takewhile(lambda one: one.ended != "answered", reversed(group))) > connections for group in groups)


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
    if any(most_leaked_connections(journal).values()):
        return 2
    return int(any(one.ended != "answered" for one in journal.transactions))


def leaked_connections(journal: Journal) -> dict[str, int]:
    """Give how many connections each application server had lost for good when it was seen last."""
    leaked = {}
    for server in journal.header.facility.application_servers:
        pools = [one.pool for one in samples_of(journal, server) if one.pool]
        leaked[server] = pools[-1].leaked if pools else 0
    return leaked


def most_leaked_connections(journal: Journal) -> dict[str, int]:
    """Give the most connections that were seen leaked at once, by application server: a restart by hand gives them back."""
    return {
        server: max((one.pool.leaked for one in samples_of(journal, server) if one.pool), default=0)
        for server in journal.header.facility.application_servers
    }


def failed_operations(journal: Journal, operation: str | None = None) -> dict[str, int]:
    """Give how many operations, or how many of one, failed after the first fault began, by application server.

    A process that was restarted counts anew; what it and those before it counted is added up.
    """
    begin = first_fault(journal)
    since_s = float("-inf") if begin is None else begin.t_s
    failed = {}
    for server in journal.header.facility.application_servers:
        failed[server] = 0
        for samples in lives(journal, server):
            counts = [(one.t_s, sum(c.failed for name, c in one.results.items() if operation in (None, name))) for one in samples]
            failed[server] += sum(later - earlier for (_, earlier), (t_s, later) in pairwise([(0.0, 0), *counts]) if t_s >= since_s)
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


@dataclass(frozen=True, slots=True)
class Recovered:
    """How long trouble lasted: from the first fault to the last transaction that was not answered, in real and in the night's seconds."""

    took_s: float
    took_night_s: float


def recovery(journal: Journal) -> Recovered | None:
    """Tell how long it took until every caller was served again for good; None where nothing was done, or it never was.

    For good is to the night's end: a caller that asked for nothing more after the last failure shows nothing.
    """
    fault = first_fault(journal)
    if fault is None:
        return None
    after = [one for one in journal.transactions if one.request.due_s >= fault.t_s]
    bad = [one.request for one in after if one.ended != "answered"]
    if not bad:
        return Recovered(0.0, 0.0)
    last = max(bad, key=lambda one: one.due_s)
    troubled = {one.caller for one in bad}
    if not all(_came_back(journal, caller, last.due_s) for caller in troubled):
        return None
    return Recovered(last.due_s - fault.t_s, last.night_s - fault.night_s)
