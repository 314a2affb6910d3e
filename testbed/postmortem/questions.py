"""The five questions of the case (P1), each with an answer, the evidence for it, and how sure it is.

What evidence does not tell is said so. Of what was done to the facility only the log of the operators, and that of the cluster, are looked
at: switchovers and restarts. The faults of the scenario are not, and the variant's name only so that it is no remedy for itself.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from testbed.journal.events import OperationEvent
from testbed.journal.evidence import HEARTBEATS, VIRTUAL_IP
from testbed.plan.clock import clock_text, span_text
from testbed.plan.expectation import Outcome
from testbed.postmortem.request_alarms import is_derived
from testbed.verdict import who_waits
from testbed.verdict.causes import wrong_package
from testbed.verdict.causes.seen import NOBODY_ASKED, Seen
from testbed.verdict.checks import switchover
from testbed.verdict.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from testbed.journal.events import FacilityNames
    from testbed.journal.evidence import About, DatabaseSide, Evidence, Heartbeats, Missing, Route
    from testbed.journal.reader import Journal
    from testbed.postmortem.alarm import Moment
    from testbed.postmortem.service_stop import Stop
    from testbed.postmortem.warning_time import WarningTimes
    from testbed.verdict.judge import Judgement
    from testbed.verdict.who_waits import Blamed, Look

Sure = Literal["certain", "likely", "not told"]
MOVE = "switchover"
UNORDERED = "No operator ordered the switchover: the cluster did."
OWN_SETTINGS = {"name", "host", "port", "listen_fd", "log_file"}  # a service has these to itself
SHOWN = 3
NOT_TAKEN = "no evidence was taken"
# Roots that lie in something else, whatever the switchover left behind, and why.
NOT_THE_MOVE = {
    "lost": "No. It left what every move leaves, connections whose server is gone; what took them out of the pools for good is the code.",
    "wrong_address": "No. It moved the virtual IP with the database, and the servers that are not served any more do not use it.",
}
LEAST_MISSED = 3  # heartbeats until a host counts as dead, as VRRP has it (RFC 5798, 6.1: the master is down after three intervals)


@dataclass(frozen=True, slots=True)
class Answer:
    """A question, its answer, what was seen that says so, and how sure that is.

    `codes`: what was found, for programs, of the first three questions; empty where it is not told. README.md has them all.
    """

    question: str
    answer: str
    evidence: tuple[str, ...]
    sure: Sure
    codes: tuple[str, ...] = ()


def of(
    journal: Journal, judgement: Judgement, looks: Sequence[Look], times: WarningTimes, contained_by: Sequence[str] | None
) -> tuple[Answer, ...]:
    """Return the five answers.

    `looks`: who waited for whom, of this journal. `contained_by`: the variants of the kept matrix over which this scenario did not ground
    the airline; None if there is no such matrix.
    """
    worst = who_waits.worst_of(looks)
    evidence = None if worst is None else worst.evidence
    known = known_root(worst, times.stop.at)
    root = known.root
    apart = wrong_package.differences(evidence, root.cause.where) if root is not None and root.cause.code == "lost" else ()
    answers = (
        _cause(journal, times, known, apart),
        _cluster(journal, worst),
        _operators(journal, judgement),
        _detection(times),
        _prevention(root, evidence, contained_by, judgement, times.stop),
    )
    return tuple(_in_doubt(answer, judgement) for answer in answers) if judgement.doubts else answers


def _in_doubt(answer: Answer, judgement: Judgement) -> Answer:
    """Return an answer as what it is worth of a replay that cannot be believed: nothing of that is certain."""
    if answer.sure != "certain":
        return answer
    return replace(answer, sure="likely", evidence=(*answer.evidence, f"the replay cannot be believed: {judgement.doubts[0].text}"))


@dataclass(frozen=True, slots=True)
class Known:
    """The root, None where it is not known; what was seen of it, in sentences; and whether it is only likely."""

    root: Blamed | None
    told: tuple[str, ...] = ()
    only_likely: bool = False


def known_root(worst: Look | None, stop: Moment | None) -> Known:
    """Return what the worst moment tells of the root.

    It is not known where the evidence of that moment could not be read, or where at least as many threads wait for what was not seen. It
    is only likely where threads wait for something else as well, where the cause itself says so, or where that was before service stopped.
    """
    if worst is None:
        return Known(None, (NOT_TAKEN,))
    blamed = worst.who_waits.blamed
    told = (*filter(None, (worst.unread, worst.who_waits.not_known)), *map(str, blamed[: SHOWN + 1]))
    if worst.unread or not worst.who_waits.knows_root:
        return Known(None, told)
    root, *others = blamed
    if stop is not None and worst.night_s < stop.night_s:
        return Known(root, (*told, f"that was seen at {clock_text(worst.night_s)}, before service stopped"), only_likely=True)
    return Known(root, told, only_likely=bool(others) or root.cause.only_likely)


def _cause(journal: Journal, times: WarningTimes, known: Known, different: tuple[str, ...]) -> Answer:
    question = "Did the switchover cause the outage, and if not, what did?"
    stop = times.stop.at
    if stop is None:
        if times.stop.known:
            return Answer(question, "Service did not stop, so there is nothing to explain.", (times.stop.text,), "certain", ("no_stop",))
        return Answer(question, "It is not known whether service stopped.", (times.stop.text,), "not told")
    named = (*known.told, *different)
    moves = _moves(journal)
    before = [move for move in moves if move.begin.t_s <= stop.t_s]
    if not before:
        late = min(moves, key=lambda move: move.begin.t_s, default=None)
        text = "No: there was none." if late is None else "No: it began only after service had stopped."
        after = () if late is None else (f"{_began(late)}, {_apart(stop, late.begin)} after service had stopped",)
        if known.root is None:
            return Answer(question, f"{text} What did is not known.", (*after, *named), "not told", ("none",))
        return Answer(question, text, (*after, *named), "likely" if known.only_likely else "certain", ("none",))
    last = max(before, key=lambda move: float("inf") if move.end is None else move.end.t_s)
    text, sure, code = _part_of(last, stop, known)
    seen = (*_reasons(last.begin), *_order(last, stop), *named)
    codes = (code,) if known.root is not None else ()
    return Answer(question, f"{text} {UNORDERED}" if last.begin.by == "cluster" else text, seen, sure, codes)


@dataclass(frozen=True, slots=True)
class _Move:
    """A switchover as the log has it: where its begin is missing, that is its end; without an `end`, nobody saw it end."""

    begin: OperationEvent
    end: OperationEvent | None

    def ended_by(self, moment: Moment) -> bool:
        """Whether it had ended, or failed, by a moment."""
        return self.end is not None and self.end.t_s <= moment.t_s


def _moves(journal: Journal) -> list[_Move]:
    events = [event for event in journal.of(OperationEvent) if event.operation == MOVE]
    begins = {event.id: event for event in events if event.state == "begin"}
    ends = {event.id: event for event in events if event.state != "begin"}
    return [_Move(first, ends.get(id_)) for id_, first in (ends | begins).items()]


def _order(move: _Move, stop: Moment) -> Iterator[str]:
    """Yield when a switchover began or ended, and when service stopped, in the order of time."""
    stopped, end = f"service stopped at {clock_text(stop.night_s)}", move.end
    if end is not None and move.ended_by(stop):
        yield _ended(end)
        yield f"{stopped}, {_apart(stop, end)} later"
        return
    yield _began(move)
    yield f"{stopped}, {_apart(stop, move.begin)} later"
    yield "that it ended is not in the log" if end is None else f"{_ended(end)}, {_apart(stop, end)} after service had stopped"


def _began(move: _Move) -> str:
    return f"it began at {clock_text(move.begin.night_s)}"


def _ended(end: OperationEvent) -> str:
    return f"it {'failed' if end.state == 'failed' else 'ended'} at {clock_text(end.night_s)}: {end.detail}"


def _apart(stop: Moment, event: OperationEvent) -> str:
    return span_text(abs(stop.night_s - event.night_s))


def _part_of(move: _Move, stop: Moment, known: Known) -> tuple[str, Sure, str]:
    """Return what part a switchover had in what all wait for, how sure that is, and its code."""
    code = "no"
    if not move.ended_by(stop):
        text, code = "It was under way when service stopped", "under_way"
    elif move.end is not None and move.end.state == "failed":
        text, code = "It failed, and service stopped after it", "failed"
    elif known.root is None:
        text = "It was carried out, and service stopped after it"
    elif known.root.cause.code in NOT_THE_MOVE:
        return NOT_THE_MOVE[known.root.cause.code], "likely" if known.only_likely else "certain", code
    else:
        return "Not by itself: it was carried out, and what all wait for is something else.", "likely", code
    if known.root is None:
        return f"{text}; what lies between was not seen.", "not told", code
    return f"{text}.", "likely", code


def _reasons(*begins: OperationEvent) -> tuple[str, ...]:
    """Return why the cluster ordered those of the switchovers that it did."""
    return tuple(f"the cluster ordered it at {clock_text(begin.night_s)}: {begin.reason}" for begin in begins if begin.by == "cluster")


def _cluster(journal: Journal, worst: Look | None) -> Answer:
    question = "Was the cluster configured correctly?"
    evidence = None if worst is None else worst.evidence
    if worst is None or evidence is None:
        return Answer(question, "That is not told.", ((worst.unread if worst else "") or NOT_TAKEN,), "not told")
    servers = journal.header.facility.application_servers
    found = [*_addresses(evidence), *_differences(evidence.services, servers), *_wrong_heartbeats(evidence)]
    codes, wrong = tuple(dict.fromkeys(code for code, _ in found)), [text for _, text in found]
    untold = tuple(_untold(evidence, journal.header.facility))
    callers = tuple(f"callers have settings of their own: {text}" for text in _settings(evidence.services, servers, are_servers=False))
    heartbeats = tuple(_right_heartbeats(evidence))
    if not evidence.heartbeats and not Seen(evidence).is_missing(HEARTBEATS):
        heartbeats = ("how the database hosts watch each other is not told: they exchange no heartbeats here",)
    if wrong:
        return Answer(question, "No.", (*wrong, *untold, *heartbeats, *callers), "certain", codes)
    if untold:
        return Answer(question, "That is not told: not all of it was seen.", (*untold, *heartbeats, *callers), "not told")
    alike = "the application servers" if callers else "those of a kind"
    right = (
        "every application server connects to the virtual IP",
        *(f"{route.name} at {route.address} leads to {_host_at(evidence, route)}" for route in evidence.routes if route.is_virtual_ip),
        f"{len(evidence.services)} services have the same packages, and {alike} the same settings",
    )
    return Answer(question, "Yes, as far as it was asked.", (*right, *heartbeats, *callers), "likely", ("correct",))


def _host_at(evidence: Evidence, route: Route) -> str:
    """Return where a virtual IP leads, with the name of the host where the address does not tell it."""
    host = next((side.host for side in _sides(evidence, route) if side.address == route.leads_to), "")
    return route.leads_to if not host or host in route.leads_to else f"{route.leads_to}, which is {host}"


def _untold(evidence: Evidence, facility: FacilityNames) -> Iterator[str]:
    """Yield what of a cluster was not seen, and why: a service's settings, a virtual IP, the database server behind one, or heartbeats."""
    seen = Seen(evidence)
    for service in (*facility.application_servers, *facility.callers):
        about = seen.about(service)
        if about is None:
            yield f"what {service} is: {seen.why_missing(f'what {service} is')}"
        elif service in facility.application_servers and not about.database_address:
            yield f"which database {service} connects to: its settings name none"
    virtual_ips = [route for route in evidence.routes if route.is_virtual_ip]
    missing = _missing_virtual_ips(evidence)
    yield from (f"{each.what}: {each.reason}" for each in missing)
    if not virtual_ips and not missing:
        yield f"where the virtual IP leads: {NOBODY_ASKED}"
    for route in virtual_ips:
        server = f"database server of {route.name.removeprefix(VIRTUAL_IP)}"
        if not route.listens:
            yield f"{route.name} at {route.address}: it takes no connections"
        if not _sides(evidence, route):
            yield f"{server}, to which {route.name} leads at {route.leads_to}: {seen.why_missing(server)}"
    if seen.is_missing(HEARTBEATS):
        yield f"{HEARTBEATS}: {seen.why_missing(HEARTBEATS)}"


def _missing_virtual_ips(evidence: Evidence) -> list[Missing]:
    return [missing for missing in evidence.missing if missing.what.startswith(VIRTUAL_IP)]


def _sides(evidence: Evidence, route: Route) -> list[DatabaseSide]:
    """Return what the server of the database told to which a virtual IP leads."""
    return [side for side in evidence.databases if side.database == route.name.removeprefix(VIRTUAL_IP)]


def _wrong_heartbeats(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Yield, with its code, where too few missed heartbeats are enough to move the database, and where they go with the service traffic."""
    for beats in evidence.heartbeats:
        if beats.take_over_after < LEAST_MISSED:
            text = (
                f"too few heartbeats: {beats.watcher} takes over after {_counted(beats.take_over_after)} missed in a row, "
                f"one due every {beats.every_s:g} s; fewer than {LEAST_MISSED} make a hiccup a death; {_came(beats)}"
            )
            yield "few_heartbeats", text
        if beats.link in _service_links(evidence):
            text = f"heartbeats go over the link {beats.link}, with the service traffic: what stops that stops them; {_came(beats)}"
            yield "shared_heartbeats", text


def _right_heartbeats(evidence: Evidence) -> Iterator[str]:
    """Yield with numbers that the heartbeats are as they should be, where they are."""
    for beats in evidence.heartbeats:
        if beats.take_over_after >= LEAST_MISSED:
            yield (
                f"{beats.watcher} takes over after {_counted(beats.take_over_after)} missed in a row, one due every {beats.every_s:g} s; "
                f"{_came(beats)}"
            )
        services = _service_links(evidence)
        if services and beats.link not in services:
            yield f"heartbeats go over the link {beats.link}, and the service traffic over {', '.join(sorted(services))}"


def _service_links(evidence: Evidence) -> set[str]:
    """Return the links that lead to databases, and carry the service traffic."""
    return {route.name.removeprefix(VIRTUAL_IP) for route in evidence.routes if route.is_virtual_ip}


def _counted(heartbeats: int) -> str:
    return "1 heartbeat" if heartbeats == 1 else f"{heartbeats} heartbeats"


def _came(beats: Heartbeats) -> str:
    return f"{beats.received} came, {beats.missed} missed, longest gap {beats.longest_gap_s:.2f} s"


def _addresses(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Yield, with its code, each server that goes to another address than a virtual IP, and each virtual IP that leads to no database."""
    virtual_ips = {route.address: route for route in evidence.routes if route.is_virtual_ip}
    hosts = [*((side.address, side.host) for side in evidence.databases), *((own.address, own.host) for own in evidence.hosts)]
    may_be_one = bool(_missing_virtual_ips(evidence))  # what is at an address that nobody told of
    for about in evidence.services:
        address = about.database_address
        whose = next((f", which is {host}'s own" for at, host in hosts if at == address), "")
        if virtual_ips and address and address not in virtual_ips and (whose or not may_be_one):
            yield "address", f"{about.service} connects to {address}{whose}, and not to the virtual IP at {' or '.join(virtual_ips)}"
    for route in virtual_ips.values():
        sides = _sides(evidence, route)
        if sides and route.leads_to not in {side.address for side in sides}:
            yield "virtual_ip", f"{route.name} leads to {route.leads_to}, where no database server was found"


def _differences(services: Sequence[About], servers: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield, with its code, each package of which services have different versions, and each setting in which servers differ."""
    # What is installed is compared with what is installed, and what is loaded with what is loaded: a package may say another version of
    # itself than its metadata does.
    packages: defaultdict[tuple[str, bool], defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for about in services:
        for loaded, found in enumerate((about.installed, about.loaded)):
            for package, version in found.items():
                packages[package, bool(loaded)][version].append(about.service)
    told = [
        f"{package}: {'; '.join(f'{version} in {_some(names)}' for version, names in versions.items())}"
        for (package, _), versions in sorted(packages.items())
        if len(versions) > 1
    ]
    yield from (("package", text) for text in dict.fromkeys(told))
    yield from (("settings", text) for text in _settings(services, servers, are_servers=True))


def _settings(services: Sequence[About], servers: Sequence[str], *, are_servers: bool) -> Iterator[str]:
    """Yield each setting in which the application servers differ, or the callers of a kind: these are systems of their own, and may."""
    kinds: defaultdict[frozenset[str], list[About]] = defaultdict(list)
    for about in services:
        if (about.service in servers) is are_servers:
            kinds[frozenset(about.settings)].append(about)
    for alike in kinds.values():
        for name in sorted(set(alike[0].settings) - OWN_SETTINGS - {"database", "flight_search_urls"}):
            values: defaultdict[str, list[str]] = defaultdict(list)
            for about in alike:
                values[str(about.settings[name])].append(about.service)
            if len(values) > 1:
                yield f"{name}: {'; '.join(f'{value} in {_some(names)}' for value, names in values.items())}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _operators(journal: Journal, judgement: Judgement) -> Answer:
    question = "Did the operators do the maintenance by the book?"
    moves = [event for event in journal.of(OperationEvent) if event.operation == MOVE]
    if not moves:
        return Answer(question, "There was no maintenance.", ("no switchover is in the log",), "certain", ("none",))
    if all(event.by == "cluster" for event in moves):
        begins = (event for event in moves if event.state == "begin")
        return Answer(question, f"There was no maintenance. {UNORDERED}", _reasons(*begins), "certain", ("none",))
    unended = [move for move in _moves(journal) if move.end is None and move.begin.by == "operator"]
    if unended:
        seen = tuple(f"{_began(move)}, and that it ended is not in the log" for move in unended)
        return Answer(question, "That is not told: it did not come to its end.", seen, "not told")
    of_operators = replace(journal, events=tuple(event for event in journal.events if getattr(event, "by", "operator") == "operator"))
    finding = switchover.check(of_operators, judgement.figures, "success")
    words: dict[Verdict, tuple[str, Sure, tuple[str, ...]]] = {
        Verdict.HELD: ("Yes.", "certain", ("by_the_book",)),
        Verdict.BROKEN: ("No, or it did not succeed.", "certain", ("not_by_the_book",)),
        Verdict.UNKNOWN: ("That is not told.", "not told", ()),
    }
    text, sure, codes = words[finding.verdict]
    return Answer(question, text, (finding.text,), sure, codes)


def _detection(times: WarningTimes) -> Answer:
    question = "How could it have been detected before service stopped?"
    if times.stop.at is None and times.stop.known:
        return Answer(question, "Service did not stop.", (times.stop.text,), "certain")
    if times.stop.at is None:
        return Answer(question, "That is not told.", (times.stop.text,), "not told")
    rang = [(lead, alarm) for alarm in times.alarms if (lead := times.lead(alarm)) is not None]
    leads = [(lead, alarm) for lead, alarm in rang if lead.t_s > 0.0]
    silent = [alarm.what for alarm in times.alarms if alarm.rang is None and not alarm.is_unknown]
    never = (f"never rang: {', '.join(silent)}",) if silent else ()
    if not leads and rang:
        lead, alarm = max(rang, key=lambda pair: pair[0].night_s)
        late = f"{alarm.what}: {span_text(-lead.night_s)} after service had stopped"
        return Answer(question, "By nothing that was looked at: the first alarm came too late.", (late, *never), "likely")
    if not leads:
        return Answer(question, "By nothing that was looked at: no alarm rang.", never, "likely")
    ordered = sorted(leads, key=lambda pair: -pair[0].night_s)
    first, alarm = ordered[0]
    measured = [pair for pair in ordered if not is_derived(pair[1])][:1]
    shown = dict.fromkeys((*ordered[:SHOWN], *measured))
    seen = tuple(f"{alarm.what}: {span_text(lead.night_s)} before{' (derived)' if is_derived(alarm) else ''}" for lead, alarm in shown)
    text = f"By {alarm.what}, {span_text(first.night_s)} before."
    return Answer(question, text, (*seen, *never), "likely" if is_derived(alarm) else "certain")


def _mended(root: Blamed | None, evidence: Evidence | None) -> Iterator[str]:
    """Yield what would mend the root, and what in the cluster let it move by itself."""
    where, services = ("", "") if root is None else (root.cause.where, _some(root.services))
    match "" if root is None else root.cause.code:
        case "lost":
            yield f"mend {where}: check in what was taken, whatever raises"
        case "wrong_address":
            yield f"set the virtual IP as the database's address on {services}, and compare what each says of its settings"
        case "no_answer" | "late_answer":
            over = f"the {where}" if where.startswith("link ") else where
            yield f"wait only so long for what comes over {over}, and do without it when it does not"
        case "full_queue" | "frozen":
            yield f"wait only so long for {where.removeprefix('listen queue of ')}, and send calls elsewhere while it answers none"
        case "lock":
            yield "end transactions that hold a lock and do nothing, and wait only so long for a lock"
        case "deadlock":
            yield "take what is held in one order everywhere, and wait for nothing else meanwhile"
        case "retries":
            yield f"let {where} make fewer attempts, each after a longer wait, and give up what nobody waits for any more"
        case "exhausted":
            yield f"read or close every answer that {services} gets, and wait only so long for a connection"
    if evidence is not None and any(_wrong_heartbeats(evidence)):
        yield f"miss at least {LEAST_MISSED} heartbeats before a host counts as dead, over a network of their own"


def _prevention(
    root: Blamed | None, evidence: Evidence | None, contained_by: Sequence[str] | None, judgement: Judgement, stop: Stop
) -> Answer:
    question = "How is it kept from ever happening again?"
    mended = tuple(_mended(root, evidence))
    if stop.at is None and stop.known:
        return Answer(question, "Service did not stop.", (stop.text, *mended), "certain")
    if contained_by is None or judgement.figures.header.service is not None:  # the kept matrix is of the case's own service
        if not mended:
            return Answer(question, "That is not told.", (), "not told")
        return Answer(question, "By mending what was wrong; what else contains it was not measured.", mended, "likely")
    here = judgement.figures.header.variant
    others = [variant for variant in contained_by if variant != here]
    kept = f"The airline was not grounded over {', '.join(others)}." if others else "No other variant that was measured keeps it."
    seen = (*mended, "the kept matrix has each of them over this scenario")
    if here in contained_by and judgement.outcome is Outcome.GROUNDED:
        seen = (*seen, f"the kept matrix says that over {here} it was not grounded, and here it was")
    return Answer(question, kept, seen, "likely")
