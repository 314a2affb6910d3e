"""Who waits for whom, over all processes of a facility, and for what all of them wait in the end.

From the dumps and the evidence of one moment alone: neither the scenario's timeline nor the variant's name is looked at. Each group of
request threads leads to what it waits for, and that to what it waits for in turn: a service that works on the call, a pool, the line where
its connections were lost, a session in the database and the lock of another, or another end that does not answer. Where a way ends is a
cause. What was not seen ends a way, too, and is named as such.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from testbed.errors import JournalError
from testbed.journal import evidence as evidence_file
from testbed.journal.events import EvidenceTaken, Threads
from testbed.journal.thread_states import CHECKOUT, DATABASE, HTTP_CONNECTION, IDLE, LOCK, RUNNING, SOCKET
from testbed.verdict.busyness import stalled_s
from testbed.verdict.causes import callers_load, loss, own_connections, slowness, wrong_address
from testbed.verdict.causes.cause import Cause, most, unseen
from testbed.verdict.causes.databases import DatabaseCauses
from testbed.verdict.causes.locks import LockCauses
from testbed.verdict.causes.seen import Seen, in_use

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from testbed.journal.events import GroupWait, ThreadGroup, Why
    from testbed.journal.evidence import ConnectionOut, Evidence, PoolTable
    from testbed.journal.reader import Journal
    from testbed.plan.expectation import CauseCode
    from testbed.verdict.causes.wrong_address import WrongAddress

UNKNOWN_ADDRESS = "an address that is not known"
NOT_TAKEN = "no evidence was taken beside the dumps"
STOPPED = "is stopped (state T)"  # the error of a dump of a process that a signal has stopped


@dataclass(frozen=True, slots=True)
class Edge:
    """So many threads, sessions or connections of `source` wait for `target`, or are held there; `how` says what they do."""

    source: str
    target: str
    count: int
    how: str


@dataclass(frozen=True, slots=True)
class Blamed:
    """A cause, how many request threads wait for it in the end, and of which services; none wait where it makes requests fail at once."""

    cause: Cause
    threads: int
    services: tuple[str, ...]

    def __str__(self) -> str:
        if not self.threads:
            return self.cause.text
        waiting = f"{self.threads} threads wait" if self.threads > 1 else "one thread waits"
        through = f"{len(self.services)} services ({', '.join(self.services)})" if len(self.services) > 1 else self.services[0]
        return f"{self.cause.text}; {waiting} for it, of {through}"


@dataclass(frozen=True, slots=True)
class WhoWaits:
    """The graph, and what is blamed: the cause that most threads wait for first, and what was not seen last."""

    edges: tuple[Edge, ...] = ()
    blamed: tuple[Blamed, ...] = ()

    @property
    def root(self) -> Blamed | None:
        """What most threads wait for in the end; None if nothing is blocked."""
        return self.blamed[0] if self.blamed else None

    @property
    def knows_root(self) -> bool:
        """Whether something is blamed that was seen."""
        return self.root is not None and self.root.cause.code != "unseen"


@dataclass(frozen=True, slots=True)
class Look:
    """Who waited for whom at one moment of a night; `why`: why evidence was taken then. `unread`: why the evidence could not be read.

    `busy_s`: for how many seconds of that the machine had no processor free for all.
    """

    night_s: float
    why: Why
    who_waits: WhoWaits
    unread: str = ""
    evidence: Evidence | None = None
    busy_s: float = 0.0

    @property
    def machine_busy(self) -> str:
        """Why what was not seen then shows nothing, in words; empty where the machine was not too busy for it."""
        return Seen(self.evidence, self.busy_s).machine_busy

    @property
    def blocked(self) -> int:
        """How many request threads waited for anything in the end."""
        return sum(blamed.threads for blamed in self.who_waits.blamed)


def worst_of(looks: Sequence[Look]) -> Look | None:
    """Return the moment with the most blocked threads; of several, the first of which the root is known, or the first of all."""
    return max(looks, key=lambda look: (look.blocked, look.who_waits.knows_root), default=None)


def of_journal(journal: Journal) -> tuple[Look, ...]:
    """Return who waited for whom at each moment at which evidence was taken, in the order of time.

    A service that was not dumped then is as its last dump shows it: nothing was dumped twice of one hang. A journal from before evidence
    was taken has one moment, that of its last dump.
    """
    dumps = sorted(journal.of(Threads), key=lambda dump: dump.t_s)
    looks = []
    for taken in sorted(journal.of(EvidenceTaken), key=lambda taken: taken.t_s):
        read, unread = None, taken.error or ""
        try:
            read = None if unread else evidence_file.read(journal.path.parent / taken.file, taken)
        except JournalError as error:
            unread = str(error)
        busy_s = 0.0 if read is None else stalled_s(journal, read.t_s, read.t_s + read.took_s)
        looks.append(Look(taken.night_s, taken.why, of(_last_of_each(dumps, taken.t_s), read, busy_s, unread), unread, read, busy_s))
    if not looks and dumps:
        last = of(_last_of_each(dumps, dumps[-1].t_s), None, unread=NOT_TAKEN)
        looks.append(Look(dumps[-1].night_s, "hung", last, NOT_TAKEN))
    return tuple(looks)


def _last_of_each(dumps: Sequence[Threads], until_s: float) -> dict[str, Threads]:
    """Return the last dump of each service that had begun by a moment."""
    return {dump.service: dump for dump in dumps if dump.t_s - (dump.took_s or 0.0) <= until_s}


def of(dumps: Mapping[str, Threads], evidence: Evidence | None, busy_s: float = 0.0, unread: str = "") -> WhoWaits:
    """Return who waits for whom, from a dump of each service and the evidence of the same moment.

    `busy_s`: for how many seconds of that the machine had no processor free for all. `unread`: why the evidence could not be read.

    Services whose request threads are all at work are followed; the others only where somebody waits for them. Servers whose checkouts
    fail at once block no thread: of these, the evidence itself tells whether they go to a wrong address.
    """
    walk = _Walk(dict(dumps), evidence, busy_s, unread)
    threads: Counter[Cause] = Counter()
    services: dict[Cause, list[str]] = {}
    for service, dump in dumps.items():
        if is_blocked(dump):
            for cause, count in walk.causes_of(service).items():
                threads[cause] += count
                services.setdefault(cause, []).append(service)
    for wrong in walk.wrong:
        if wrong.failed:
            walk.edges[" and ".join(wrong.servers), wrong.address, "checkouts that failed"] += wrong.failed
            services.setdefault(_wrong(wrong), list(wrong.servers))
            threads[_wrong(wrong)] += 0
    blamed = [Blamed(cause, count, tuple(services[cause])) for cause, count in threads.items()]
    edges = (Edge(source, target, count, how) for (source, target, how), count in walk.edges.items())
    return WhoWaits(tuple(edges), tuple(sorted(blamed, key=lambda each: (each.cause.code == "unseen", -each.threads, each.cause.text))))


def is_blocked(dump: Threads) -> bool:
    """Whether every request thread of a service was at work in a dump."""
    return dump.request_threads > 0 and count_at_work(dump) >= dump.request_threads


def at_work(dump: Threads) -> Sequence[ThreadGroup]:
    """Return the groups of request threads that do something, or wait for something."""
    return [group for group in dump.groups if group.state != IDLE]


def count_at_work(dump: Threads) -> int:
    """Return how many request threads do something, or wait for something."""
    return sum(group.count for group in at_work(dump))


@dataclass(frozen=True, slots=True)
class _Server(Cause):
    """A service that others wait for, in the place of what its own threads wait for in the end."""


@dataclass(frozen=True, slots=True)
class _End:
    """The address of another end, and the service there, or one of those behind it; an empty name if none is known."""

    peer: str
    target: str

    def __str__(self) -> str:
        return self.target or self.peer


@dataclass(slots=True)
class _Walk:
    """The way from each service to what its threads wait for in the end.

    First, what the threads of a service wait for by themselves (`_own`): a cause, or another service. Then services are followed
    (`causes_of`), all that call one another in a circle together, so that it makes no difference with which of them the walk begins.
    """

    dumps: dict[str, Threads]
    evidence: Evidence | None
    busy_s: float
    unread: str = ""
    edges: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    known: dict[str, Counter[Cause]] = field(default_factory=dict)
    own: dict[str, Counter[Cause]] = field(default_factory=dict)
    pools_under_way: list[str] = field(default_factory=list)
    callers: Counter[str] = field(default_factory=Counter)
    seen: Seen = field(init=False)
    wrong: tuple[WrongAddress, ...] = field(init=False)
    databases: DatabaseCauses = field(init=False)
    locks: LockCauses = field(init=False)

    def __post_init__(self) -> None:
        self.seen = Seen(self.evidence, self.busy_s)
        self.wrong = wrong_address.found(self.evidence)
        self.databases = DatabaseCauses(self.seen, self.edges)
        self.locks = LockCauses(self.seen, self.edges, lambda service, group: self._of_groups(service, [group]))
        for service, dump in self.dumps.items():
            for (ends, _), count in self._calls(service, at_work(dump)).items():
                self.callers.update({end.target: share for end, share in _shares(ends, count)})

    def causes_of(self, service: str) -> Counter[Cause]:
        """Return what the request threads of a service wait for in the end, and how many."""
        if service not in self.known:
            circle, found = self._circle(service), Counter[Cause]()
            for cause, count in self._own(service).items():
                found.update(share_out(count, self._round(circle) if _is_one_of(cause, circle) else self._followed(cause)))
            storm = self._storm(service, most(found).code) if found else None
            self.known[service] = found if storm is None else Counter({storm: found.total()})
        return self.known[service]

    def _followed(self, cause: Cause) -> Counter[Cause]:
        """Return a cause itself, or of a service, what most of its threads wait for; of several, all, in equal shares."""
        return _mostly(self.causes_of(cause.where)) if isinstance(cause, _Server) else Counter({cause: 1})

    def _own(self, service: str) -> Counter[Cause]:
        """Return what the request threads of a service wait for: causes, and services that are not followed yet."""
        if service not in self.own:
            groups = at_work(self.dumps[service])
            found, table = self._of_groups(service, groups), self.seen.pool(service)
            if slowness.gets_on(table, count_at_work(self.dumps[service])):
                young = unseen(service, f"all its calls have come within the last {slowness.LEAST_S} s, which is no wait")
                found = _renamed(found, {cause: young for cause in found if cause.code in slowness.TAKES_TIME})
            self.own[service] = found
        return self.own[service]

    def _calls_on(self, service: str) -> set[str]:
        """Return the services that threads of a service wait for, and those that they wait for in turn."""
        reached: set[str] = set()
        left = [service]
        while left:
            targets = {cause.where for cause in self._own(left.pop()) if isinstance(cause, _Server)} - reached
            reached |= targets
            left += sorted(targets)
        return reached

    def _circle(self, service: str) -> set[str]:
        """Return the services that wait for one another with this one among them; none if it is in no circle."""
        return {other for other in self._calls_on(service) if service in self._calls_on(other)}

    def _round(self, circle: set[str]) -> Counter[Cause]:
        """Return what those wait for that wait for one another in a circle: whatever the others of its threads do, if any do.

        While one of them is at something else, or is free, calls within the circle may still be answered, and it is no deadlock.
        """
        found: Counter[Cause] = Counter()
        for service in sorted(circle):
            for cause, count in self._own(service).items():
                if not _is_one_of(cause, circle):
                    found.update(share_out(count, self._followed(cause)))
        if found:
            return _mostly(found)
        names = ", ".join(sorted(circle))
        for service in sorted(circle):
            if not is_blocked(self.dumps[service]):
                return Counter({unseen(names, f"they call one another, and {service} has {self._free(service)}"): 1})
        wait = "wait for one another" if len(circle) > 1 else "waits for itself"
        return Counter({Cause("deadlock", names, f"a deadlock: {names} {wait}"): 1})

    def _free(self, service: str) -> str:
        dump = self.dumps[service]
        return f"{dump.request_threads - count_at_work(dump)} of {dump.request_threads} request threads free"

    def _of_groups(self, service: str, groups: Sequence[ThreadGroup]) -> Counter[Cause]:
        """Return what groups of threads wait for; those that wait for a pool, or for another end, are shared out together."""
        found: Counter[Cause] = Counter()
        for group in groups:
            if group.state == CHECKOUT:
                continue
            if group.state == HTTP_CONNECTION:
                found.update(self._through_own_connections(service, group))
            elif group.state == DATABASE:
                found[self._through_database(service, group)] += group.count
            elif (left := _without_calls(group)) is not None:
                found.update(self._within(service, left))
        for (ends, state), count in self._calls(service, groups).items():
            found.update(self._through_sockets(service, ends, state, count))
        if asking := sum(group.count for group in groups if group.state == CHECKOUT):
            self.edges[service, f"pool of {service}", CHECKOUT] += asking
            found.update(share_out(asking, self._through_pool(service)))
        return found

    def _within(self, service: str, group: ThreadGroup) -> Counter[Cause]:
        """Return what threads wait for that wait for nobody outside of their service, as far as it is known."""
        if (found := self.locks.of_group(service, group)) is not None:
            return found
        at = group.stack[-1] if group.stack else "a line that is not known"
        self.edges[service, f"{service}, {at}", group.state] += group.count
        if group.state == LOCK:
            return Counter({Cause("monitor", f"{service}, {at}", f"a lock in {service} that threads take at {at}"): group.count})
        return Counter({self._work(at, group.within): group.count})

    def _through_database(self, service: str, group: ThreadGroup) -> Cause:
        wrong = next((wrong for wrong in self.wrong if service in wrong.servers), None)
        if wrong is None:
            return self.databases.of_group(service, group)
        self.edges[service, wrong.address, group.state] += group.count
        return _wrong(wrong)

    def _work(self, at: str, within: str) -> Cause:
        """Return the cause of threads that work at a line, of all services whose threads are there."""
        there = {
            service: sum(group.count for group in at_work(dump) if group.state == RUNNING and group.stack[-1:] == (at,))
            for service, dump in self.dumps.items()
        }
        pools = self.seen.pools
        return Cause("work", *slowness.work(at, within, {service: count for service, count in there.items() if count}, pools))

    # Repetitions

    def _storm(self, service: str, code: CauseCode) -> Cause | None:
        """Return the caller whose repetitions keep the threads of a server busy, if there is one; `code`: of what they are at."""
        table = self.seen.pool(service) if code in callers_load.OF_LOAD else None
        if self.evidence is None or table is None or not callers_load.is_mostly_repetitions([table]):
            return None
        return Cause("retries", *callers_load.blamed(self.evidence.pools)) if callers_load.is_storm(self.evidence, code) else None

    # A caller's own connections

    def _through_own_connections(self, service: str, group: ThreadGroup) -> Counter[Cause]:
        at, about = own_connections.called_at(group.stack), self.seen.about(service)
        self.edges[service, f"HTTP connections of {service}", group.state] += group.count
        if about is None:
            return Counter({unseen(f"HTTP connections of {service}", self.seen.why_missing(f"what {service} is")): group.count})
        pool = about.connections
        using = [other for other in at_work(self.dumps[service]) if other.state != HTTP_CONNECTION]
        if using and not own_connections.are_lost(pool):
            return share_out(group.count, self._users(service, using))  # they have them
        waiting = sum(other.count for other in self.dumps[service].groups if other.state == HTTP_CONNECTION)
        servers = {} if self.evidence is None else {table.service: self.dumps.get(table.service) for table in self.evidence.pools}
        free = {name: (dump.request_threads - count_at_work(dump), dump.request_threads) for name, dump in servers.items() if dump}
        return Counter({Cause("exhausted", f"{service}, {at}", own_connections.exhausted(service, at, waiting, pool, free)): group.count})

    # The pool

    def _through_pool(self, service: str) -> Counter[Cause]:
        """Return what holds the connections of a pool for which threads wait, and how many of them."""
        pool, table = f"pool of {service}", self.seen.pool(service)
        if table is None:
            return Counter({unseen(pool, self.seen.why_missing(pool)): 1})
        if (free := max(table.in_pool, capacity(table) - table.out)) > 0 and free >= table.waiting:
            return Counter({unseen(pool, f"{free} of its {capacity(table)} connections are not out, and nobody need wait for one"): 1})
        lost, running = loss.losses(table.connections_out, table.sources), in_use(table)
        if lost and lost.total() >= len(running):
            found: Counter[Cause] = Counter()
            for where, count in lost.items():
                self.edges[pool, where.at, "lost"] = sum(each for other, each in lost.items() if other.at == where.at)
                found[self._lost(where)] += count
            return found
        if not running:
            out = f"{table.out} of its {capacity(table)} connections are out, and nobody recorded who has them"
            return Counter({unseen(pool, out): 1})
        using = [group for group in at_work(self.dumps[service]) if group.state != CHECKOUT]
        if not using:
            return Counter({unseen(pool, f"{len(running)} requests have its connections, and none of them was seen"): 1})
        self.edges[pool, service, "held by requests that run"] = len(running)
        return self._held(service, table, using)

    def _held(self, service: str, table: PoolTable, using: Sequence[ThreadGroup]) -> Counter[Cause]:
        """Return what those wait for that have the connections of a pool, and of how many connections it was not seen who has them."""
        running = in_use(table)
        elsewhere = [row for row in running if not _is_held_by(row, table, using)]
        operations = {row.operation for row in running}
        holding = [group for group in using if not group.within or group.within in operations or "" in operations or table.calls]
        found = self._users(service, holding) if len(elsewhere) < len(running) else Counter()
        unaccounted = max(len(elsewhere), len(running) - found.total() if 2 * found.total() < len(running) else 0)
        held = share_out(len(running) - unaccounted, found)
        if unaccounted:
            what = f"{unaccounted} of {len(running)} requests that have its connections are none of the request threads that were seen"
            held[unseen(f"pool of {service}", what)] += unaccounted
        return held

    def _users(self, service: str, using: Sequence[ThreadGroup]) -> Counter[Cause]:
        """Return what those wait for that have what others wait for; their edges are counted where they themselves are followed.

        Of those that lead back to the same pool, as through a lock whose holder waits for a connection, only the largest group is followed.
        """
        if service in self.pools_under_way:
            using = [max(using, key=lambda group: group.count)]
            if using[0].state in (CHECKOUT, HTTP_CONNECTION):  # back and forth between two pools
                return Counter({unseen(f"pools of {service}", "who has connections of one waits for those of another"): 1})
        edges = self.edges.copy()
        self.pools_under_way.append(service)
        found = self._of_groups(service, using)
        self.pools_under_way.pop()
        self.edges.clear()
        self.edges.update(edges)
        return found

    def _lost(self, worst: loss.Loss) -> Cause:
        """Return the cause of connections that were lost at one line in one way, in all servers."""
        text, tables = str(worst), self.seen.pools
        lost = {
            table.service: sum(count for each, count in loss.losses(table.connections_out, table.sources).items() if str(each) == text)
            for table in tables
        }
        of = [table for table in tables if lost[table.service]]
        servers, connections = " and ".join(table.service for table in of), sum(map(capacity, of))
        return Cause("lost", worst.at, f"{sum(lost.values())} of {connections} connections of {servers} were lost in {text}")

    # Other services

    def _calls(self, service: str, groups: Sequence[ThreadGroup]) -> Counter[tuple[tuple[_End, ...], str]]:
        """Return for which other ends the threads of some groups wait, in which state, and how many; of several ends, it may be any.

        Where nobody looked at a thread that reads a socket, those of the settings.
        """
        found: Counter[tuple[tuple[_End, ...], str]] = Counter()
        for group in groups:
            calls = _calls_seen(group)
            for wait in calls:
                found[self._ends(dict.fromkeys(wait.peer.split(", "))), group.state] += wait.count
            if group.state == SOCKET and (left := group.count - sum(wait.count for wait in calls)) > 0:
                about = self.seen.about(service)
                called = [] if about is None else _addresses(about.settings.get("flight_search_urls"))
                found[self._ends(called or [UNKNOWN_ADDRESS]), group.state] += left
        return found

    def _ends(self, peers: Iterable[str]) -> tuple[_End, ...]:
        return tuple(_End(peer, target) for peer in peers for target in self.seen.parts_at(peer))

    def _through_sockets(self, service: str, ends: Sequence[_End], state: str, count: int) -> Counter[Cause]:
        """Return what threads wait for that wait for one of several other ends.

        Calls are sent to all in turn, but those that still wait are with the ones that do not answer: a service that has request threads
        free is passed over as long as another explains the wait. Where none does, it is not known which of them it is.
        """
        explain = [end for end in ends if self._is_stuck(end)] or [end for end in ends if not self._is_free(end)]
        found: Counter[Cause] = Counter()
        for end, share in _shares(explain or ends, count):
            self.edges[service, str(end), state] += share
            found[self._other_end(end)] += share
        if explain or len(ends) == 1:
            return found
        at = " and ".join(dict.fromkeys(end.peer for end in ends))
        free = " and ".join(f"{end.target} has {self._free(end.target)}" for end in ends)
        return Counter({unseen(at, f"which of those behind it does not answer; {free}"): count})

    def _is_silent(self, target: str) -> bool:
        dump = self.dumps.get(target)
        return dump is None or bool(dump.error) or self.seen.is_missing(f"what {target} is")

    def _is_stuck(self, end: _End) -> bool:
        """Whether a service answers nobody, or has no request thread free and does not get on."""
        if not end.target or self._is_silent(end.target):
            return bool(end.target)
        dump = self.dumps[end.target]
        return is_blocked(dump) and not slowness.gets_on(self.seen.pool(end.target), count_at_work(dump))

    def _is_free(self, end: _End) -> bool:
        """Whether a service answered, has request threads free, and less at work than half of those that wait for it."""
        if not end.target or self._is_silent(end.target):
            return False
        dump = self.dumps[end.target]
        working = count_at_work(dump)
        return not is_blocked(dump) and (not working or 2 * working < self.callers[end.target])

    def _other_end(self, end: _End) -> Cause:
        """Return what those wait for that wait for another end: a cause, or the service there."""
        if end.peer == UNKNOWN_ADDRESS:
            return unseen("the sockets that threads read", "nobody looked at them")
        if not end.target and (self.evidence is None or not self.evidence.addresses):
            return unseen(end.peer, f"no evidence was read{f': {self.unread}' if self.unread else ''}")
        if not end.target:
            return Cause("no_answer", end.peer, f"{end.peer}, which is no part of the facility that was seen, does not answer")
        if self._is_silent(end.target):
            return self._silent(end.target, self.dumps.get(end.target))
        if not self._is_free(end):
            return _Server("unseen", end.target, end.target)  # it works on these calls
        text = f"the link to {end.target}: it has {self._free(end.target)}, and does not answer over it"
        return Cause("no_answer", f"link to {end.target}", text)

    def _silent(self, target: str, dump: Threads | None) -> Cause:
        """Return what is wrong with a service whose threads could not be dumped, or that did not tell what it is.

        That its threads could not be dumped alone shows nothing: whoever dumps may lack the permission, or the time.
        """
        error, what = None if dump is None else dump.error, f"what {target} is"
        if (full := self.locks.full_queue(target, error)) is not None:
            return full
        reason, listeners = error or self.seen.why_missing(what), self.seen.listeners(target)
        if (error and STOPPED in error) or (listeners is not None and listeners.is_stopped):
            return Cause("frozen", target, f"{target} answers nobody: {reason}")
        if not self.seen.is_missing(what):
            return unseen(target, error or "its threads were not dumped")
        was_dumped = dump is not None and not error  # so it is there, and may only have been late
        if self.seen.may_only_be_late(what) or (was_dumped and self.seen.machine_busy):
            return unseen(target, f"{reason}, but {self.seen.machine_busy}")
        return Cause("frozen", target, f"{target} answers nobody: {reason}")


def capacity(table: PoolTable) -> int:
    """Return how many connections a pool may have out at once."""
    return table.size + max(0, table.max_overflow)


def share_out(count: int, among: Mapping[Cause, int]) -> Counter[Cause]:
    """Return a number of threads shared out among causes, in proportion to their own numbers, the largest remainders first."""
    total = sum(among.values())
    found = Counter({cause: count * part // total for cause, part in among.items() if part})
    rest = sorted(found, key=lambda cause: (-(count * among[cause] % total), cause.text))
    found.update(rest[: count - found.total()])
    return +found


def _mostly(causes: Mapping[Cause, int]) -> Counter[Cause]:
    """Return the causes that most threads wait for, of which there may be several, with the same number each."""
    return Counter([cause for cause, count in causes.items() if count == max(causes.values())])


def _is_one_of(cause: Cause, services: set[str]) -> bool:
    """Whether a cause stands for one of some services."""
    return isinstance(cause, _Server) and cause.where in services


def _renamed(causes: Counter[Cause], names: Mapping[Cause, Cause]) -> Counter[Cause]:
    found: Counter[Cause] = Counter()
    for cause, count in causes.items():
        found[names.get(cause, cause)] += count
    return found


def _is_held_by(row: ConnectionOut, table: PoolTable, using: Sequence[ThreadGroup]) -> bool:
    """Whether a request thread has a connection: its thread is at a call, or where that is not known, a group is within its operation."""
    if table.calls is not None and table.calls.running and row.thread_id:
        return any(call.thread_id == row.thread_id for call in table.calls.running)
    return not row.operation or any(group.within in ("", row.operation) for group in using)


def _calls_seen(group: ThreadGroup) -> list[GroupWait]:
    """Return the waits of a group for other ends; none of threads whose stack tells that they wait for something else."""
    if group.state in (CHECKOUT, HTTP_CONNECTION, DATABASE):
        return []
    waits = [wait for wait in group.waits if wait.peer]
    return waits if group.state == SOCKET or any(wait.kind == "socket" for wait in waits) else []


def _without_calls(group: ThreadGroup) -> ThreadGroup | None:
    """Return the threads of a group that do not wait for another end; None if all of them do, or nothing tells of the rest."""
    calls = _calls_seen(group)
    left = group.count - sum(wait.count for wait in calls)
    if group.state == SOCKET or left <= 0:
        return None
    return replace(group, count=left, waits=tuple(wait for wait in group.waits if wait not in calls)) if calls else group


def _shares(of: Sequence[_End], count: int) -> Iterator[tuple[_End, int]]:
    """Yield each end with its share of a count: they are taken in turn."""
    for number, end in enumerate(of):
        if share := count // len(of) + (number < count % len(of)):
            yield end, share


def _addresses(urls: object) -> list[str]:
    """Return the addresses of URLs as a service's settings have them; none where they are something else."""
    try:
        found = [urlsplit(url).netloc for url in urls if isinstance(url, str)] if isinstance(urls, list | tuple) else []
    except ValueError:  # no URL
        return []
    return [address for address in found if address]


def _wrong(wrong: WrongAddress) -> Cause:
    return Cause("wrong_address", wrong.address, str(wrong))
