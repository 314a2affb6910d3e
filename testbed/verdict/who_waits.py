"""Who waits for whom, over all processes of a facility, and for what all of them wait in the end.

From the dumps and the evidence of one moment alone: neither the scenario's timeline nor the variant's name is looked at. Each group of
request threads leads to what it waits for, and that to what it waits for in turn: a service that works on the call, a pool, the line where
its connections were lost, a session in the database and the lock of another, or another end that does not answer. Where a way ends is a
cause. What was not seen ends a way, too, and is named as such.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from testbed.errors import JournalError
from testbed.journal import evidence as evidence_file
from testbed.journal.events import EvidenceTaken, Threads
from testbed.journal.thread_states import CHECKOUT, DATABASE, HTTP_CONNECTION, LOCK, RUNNING
from testbed.verdict.busyness import stalled_s
from testbed.verdict.causes import callers_load, own_connections, slowness, wrong_address
from testbed.verdict.causes.calls import CallCauses, Server, without_calls
from testbed.verdict.causes.cause import Cause, Waiting, most, share_out, unseen
from testbed.verdict.causes.databases import DatabaseCauses
from testbed.verdict.causes.locks import LockCauses
from testbed.verdict.causes.pools import PoolCauses
from testbed.verdict.causes.request_threads import at_work, count_at_work, free_text, is_full
from testbed.verdict.causes.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.journal.events import ThreadGroup, Why
    from testbed.journal.evidence import Evidence
    from testbed.journal.reader import Journal
    from testbed.plan.expectation import CauseCode
    from testbed.verdict.causes.wrong_address import WrongAddress

NOT_TAKEN = "no evidence was taken beside the dumps"
FAILED = "checkouts that failed"  # of those that wait for nothing, in the graph


@dataclass(frozen=True, slots=True)
class Edge:
    """So many threads, sessions or connections of `source` wait for `target`, or are held there; `how` says what they do."""

    source: str
    target: str
    count: int
    how: str


@dataclass(frozen=True, slots=True)
class Blamed:
    """A cause, how many request threads wait for it in the end, and of which services; none wait where it makes requests fail at once.

    `share`: how many exactly, where calls that may wait for several were shared out among these; None: `threads`.
    """

    cause: Cause
    threads: int
    services: tuple[str, ...]
    share: Fraction | None = None

    @property
    def exactly(self) -> Fraction:
        """How many threads wait for it, not rounded."""
        return Fraction(self.threads) if self.share is None else self.share

    def __str__(self) -> str:
        if not self.threads:
            return self.cause.text
        waiting = f"{self.threads} threads wait" if self.threads > 1 else "one thread waits"
        through = f"{len(self.services)} services ({', '.join(self.services)})" if len(self.services) > 1 else self.services[0]
        return f"{self.cause.text}; {waiting} for it, of {through}"


@dataclass(frozen=True, slots=True)
class WhoWaits:
    """The graph, and what is blamed: the cause that most threads wait for first, and what was not seen last.

    `undumped`: the services whose threads could not be dumped: whether they had one free is not known.
    """

    edges: tuple[Edge, ...] = ()
    blamed: tuple[Blamed, ...] = ()
    undumped: tuple[str, ...] = ()

    @property
    def root(self) -> Blamed | None:
        """What most threads wait for in the end, of what was seen; None if nothing is blocked."""
        return self.blamed[0] if self.blamed else None

    @property
    def unseen(self) -> tuple[Blamed, ...]:
        """What was not seen, and how many threads wait for it."""
        return tuple(blamed for blamed in self.blamed if blamed.cause.code == "unseen")

    @property
    def knows_root(self) -> bool:
        """Whether something is blamed that was seen, and more threads wait for it than for all that was not: one more at least.

        Less than that may come of how calls were shared out.
        """
        if self.root is None or self.root.cause.code == "unseen":
            return False
        return not self.unseen or self.root.exactly >= self._unseen_threads + 1

    @property
    def doubt(self) -> str:
        """Why something is blamed that was seen, and is not known to be the root, in words; empty where that is not so."""
        if self.root is None or self.knows_root or self.root.cause.code == "unseen":
            return ""
        shared = "" if self._unseen_threads.denominator == 1 else ", when calls are shared out evenly"
        total = sum(blamed.threads for blamed in self.blamed)
        return f"of {total} threads, {float(self._unseen_threads):.3g} wait for what was not seen{shared}"

    @property
    def not_known(self) -> str:
        """The doubt as a sentence of its own; empty where there is none."""
        return f"the root is not known: {self.doubt}" if self.doubt else ""

    @property
    def _unseen_threads(self) -> Fraction:
        return sum((blamed.exactly for blamed in self.unseen), Fraction(0))


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
        """How many request threads were blocked: they waited for one of the causes in the end."""
        return sum(blamed.threads for blamed in self.who_waits.blamed)


def worst_of(looks: Sequence[Look]) -> Look | None:
    """Return the moment with the most blocked threads; of several, the first of which the root is known, or the first of all."""
    return max(looks, key=lambda look: (look.blocked, look.who_waits.knows_root), default=None)


def of_journal(journal: Journal) -> tuple[Look, ...]:
    """Return who waited for whom at each moment at which evidence was taken, in the order of time.

    A service that was not dumped then is as its last dump shows it: nothing was dumped twice of one hang. A journal from before evidence
    was taken has one moment, that of its last dump.
    """
    looks = [at(journal, taken) for taken in sorted(journal.of(EvidenceTaken), key=lambda taken: taken.t_s)]
    dumps = sorted(journal.of(Threads), key=lambda dump: dump.t_s)
    if not looks and dumps:
        last = of(_last_of_each(journal, dumps[-1].t_s), None, unread=NOT_TAKEN)
        looks.append(Look(dumps[-1].night_s, "hung", last, NOT_TAKEN))
    return tuple(looks)


def at(journal: Journal, taken: EvidenceTaken) -> Look:
    """Return who waited for whom at one moment at which evidence was taken; the journal may have been read before its night is over."""
    read, unread = None, taken.error or ""
    try:
        read = None if unread else evidence_file.read(journal.path.parent / taken.file, taken)
    except JournalError as error:
        unread = str(error)
    busy_s = 0.0 if read is None else stalled_s(journal, read.t_s, read.t_s + read.took_s)
    return Look(taken.night_s, taken.why, of(_last_of_each(journal, taken.t_s), read, busy_s, unread), unread, read, busy_s)


def _last_of_each(journal: Journal, until_s: float) -> dict[str, Threads]:
    """Return the last dump of each service that had begun by a moment."""
    dumps = sorted(journal.of(Threads), key=lambda dump: dump.t_s)
    return {dump.service: dump for dump in dumps if dump.began_s <= until_s}


def of(dumps: Mapping[str, Threads], evidence: Evidence | None, busy_s: float = 0.0, unread: str = "") -> WhoWaits:
    """Return who waits for whom, from a dump of each service and the evidence of the same moment.

    `busy_s`: for how many seconds of that the machine had no processor free for all. `unread`: why the evidence could not be read.

    Services whose request threads are all at work tell what is blamed; of the others those threads are counted that wait for the same.
    Servers whose checkouts fail block no thread: of these, the evidence itself tells whether they go to a wrong address; and where no
    thread waits for anything that is blamed, whether all of their connections were lost.
    """
    walk = _Walk(dict(dumps), evidence, busy_s, unread)
    full = [service for service, dump in dumps.items() if is_full(dump)]
    threads = Waiting()
    for service in full:
        threads.add(walk.causes_of(service))
    apart = replace(walk, edges=Counter(), known={}, own={}, pools_under_way=[])  # what waits for nothing of that is in no graph
    partly = [name for name in dumps if threads and name not in full and not threads.keys().isdisjoint(apart.causes_of(name))]
    for service in partly:
        threads.add({cause: count for cause, count in walk.causes_of(service).items() if cause in threads})
    services = {cause: [name for name in dumps if name in (*full, *partly) and cause in walk.causes_of(name)] for cause in threads}
    for wrong in walk.wrong:
        if wrong.failed:
            walk.edges[" and ".join(wrong.servers), wrong.address, FAILED] += wrong.failed
            services.setdefault(_wrong(wrong), list(wrong.servers))
            threads[_wrong(wrong)] += 0
    if not threads:
        for cause, servers in walk.pools.given_up().items():
            services[cause] = servers
            threads[cause] += 0
    whole = threads.in_whole()
    blamed = [Blamed(cause, whole[cause], tuple(services[cause]), count) for cause, count in threads.items() if whole[cause] or not count]
    edges = (Edge(source, target, count, how) for (source, target, how), count in walk.edges.items())
    blamed.sort(key=lambda each: (each.cause.code == "unseen", -each.threads, each.cause.text))
    return WhoWaits(tuple(edges), tuple(blamed), tuple(service for service, dump in dumps.items() if dump.error))


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
    known: dict[str, Waiting] = field(default_factory=dict)
    own: dict[str, Waiting] = field(default_factory=dict)
    pools_under_way: list[str] = field(default_factory=list)
    seen: Seen = field(init=False)
    wrong: tuple[WrongAddress, ...] = field(init=False)
    databases: DatabaseCauses = field(init=False)
    locks: LockCauses = field(init=False)
    pools: PoolCauses = field(init=False)
    calls: CallCauses = field(init=False)

    def __post_init__(self) -> None:
        self.seen = Seen(self.evidence, self.busy_s)
        self.wrong = wrong_address.found(self.evidence)
        self.databases = DatabaseCauses(self.seen, self.edges)
        self.locks = LockCauses(self.seen, self.edges, lambda service, group: self._of_groups(service, [group]))
        self.pools = PoolCauses(self.seen, self.edges, self._users)
        self.calls = CallCauses(self.seen, self.edges, self.dumps, self.locks, self.unread)

    def causes_of(self, service: str) -> Waiting:
        """Return what the request threads of a service wait for in the end, and how many."""
        if service not in self.known:
            circle, found = self._circle(service), Waiting()
            for cause, count in self._own(service).items():
                found.add(share_out(count, self._round(circle) if _is_one_of(cause, circle) else self._followed(cause)))
            storm = self._storm(service, most(found).code) if found else None
            self.known[service] = found if storm is None else Waiting({storm: found.total()})
        return self.known[service]

    def _followed(self, cause: Cause) -> Waiting:
        """Return a cause itself, or of a service, what most of its threads wait for; of several, all, in equal shares."""
        return _mostly(self.causes_of(cause.where)) if isinstance(cause, Server) else Waiting.of({cause: 1})

    def _own(self, service: str) -> Waiting:
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
            targets = {cause.where for cause in self._own(left.pop()) if isinstance(cause, Server)} - reached
            reached |= targets
            left += sorted(targets)
        return reached

    def _circle(self, service: str) -> set[str]:
        """Return the services that wait for one another with this one among them; none if it is in no circle."""
        return {other for other in self._calls_on(service) if service in self._calls_on(other)}

    def _round(self, circle: set[str]) -> Waiting:
        """Return what those wait for that wait for one another in a circle: whatever the others of its threads do, if any do.

        While one of them is at something else, or is free, calls within the circle may still be answered, and it is no deadlock.
        """
        found = Waiting()
        for service in sorted(circle):
            for cause, count in self._own(service).items():
                if not _is_one_of(cause, circle):
                    found.add(share_out(count, self._followed(cause)))
        if found:
            return _mostly(found)
        names = ", ".join(sorted(circle))
        for service in sorted(circle):
            if not is_full(self.dumps[service]):
                return Waiting.of({unseen(names, f"they call one another, and {service} has {free_text(self.dumps[service])}"): 1})
        wait = "wait for one another" if len(circle) > 1 else "waits for itself"
        return Waiting.of({Cause("deadlock", names, f"a deadlock: {names} {wait}"): 1})

    def _of_groups(self, service: str, groups: Sequence[ThreadGroup]) -> Waiting:
        """Return what groups of threads wait for; those that wait for a pool, or for another end, are shared out together."""
        found = Waiting()
        for group in groups:
            if group.state == CHECKOUT:
                continue
            if group.state == HTTP_CONNECTION:
                found.add(self._through_own_connections(service, group))
            elif group.state == DATABASE:
                found[self._through_database(service, group)] += group.count
            elif (left := without_calls(group)) is not None:
                found.add(self._within(service, left))
        for (ends, state), count in self.calls.calls(service, groups).items():
            found.add(self.calls.causes(service, ends, state, count))
        if asking := sum(group.count for group in groups if group.state == CHECKOUT):
            self.edges[service, f"pool of {service}", CHECKOUT] += asking
            using = [group for group in at_work(self.dumps[service]) if group.state != CHECKOUT]
            found.add(share_out(asking, self.pools.of_service(service, using)))
        return found

    def _within(self, service: str, group: ThreadGroup) -> Waiting:
        """Return what threads wait for that wait for nobody outside of their service, as far as it is known."""
        if (found := self.locks.of_group(service, group)) is not None:
            return Waiting.of(found)
        at = group.stack[-1] if group.stack else "a line that is not known"
        self.edges[service, f"{service}, {at}", group.state] += group.count
        if group.state == LOCK:
            return Waiting.of({Cause("monitor", f"{service}, {at}", f"a lock in {service} that threads take at {at}"): group.count})
        asleep = 2 * sum(wait.count for wait in group.waits if wait.kind == "sleep") > group.count
        return Waiting.of({self._work(at, group.within, asleep=asleep): group.count})

    def _through_database(self, service: str, group: ThreadGroup) -> Cause:
        wrong = next((wrong for wrong in self.wrong if service in wrong.servers), None)
        if wrong is None:
            return self.databases.of_group(service, group)
        self.edges[service, wrong.address, group.state] += group.count
        return _wrong(wrong)

    def _work(self, at: str, within: str, *, asleep: bool) -> Cause:
        """Return the cause of threads that work at a line, of all services whose threads are there."""
        there = {
            service: sum(group.count for group in at_work(dump) if group.state == RUNNING and group.stack[-1:] == (at,))
            for service, dump in self.dumps.items()
        }
        pools = self.seen.pools
        of = {service: count for service, count in there.items() if count}
        return Cause("work", *slowness.work(at, within, of, pools, asleep=asleep))

    # Repetitions

    def _storm(self, service: str, code: CauseCode) -> Cause | None:
        """Return the caller whose repetitions keep the threads of a server busy, if there is one; `code`: of what they are at."""
        table = self.seen.pool(service) if code in callers_load.OF_LOAD else None
        if self.evidence is None or table is None or not callers_load.is_mostly_repetitions([table]):
            return None
        group = callers_load.group_of(table, self.evidence.pools)
        return Cause("retries", *callers_load.blamed(group)) if callers_load.is_storm(self.evidence, group, code) else None

    # A caller's own connections

    def _through_own_connections(self, service: str, group: ThreadGroup) -> Waiting:
        about = self.seen.about(service)
        self.edges[service, f"HTTP connections of {service}", group.state] += group.count
        if about is None:
            return Waiting.of({unseen(f"HTTP connections of {service}", self.seen.why_missing(f"what {service} is")): group.count})
        pool = about.connections
        using = [other for other in at_work(self.dumps[service]) if other.state != HTTP_CONNECTION]
        if using and not own_connections.are_lost(pool):
            return share_out(group.count, self._users(service, using))  # they have them
        lines = own_connections.lines(other for other in self.dumps[service].groups if other.state == HTTP_CONNECTION)
        servers = {} if self.evidence is None else {table.service: self.dumps.get(table.service) for table in self.evidence.pools}
        free = {name: (dump.request_threads - count_at_work(dump), dump.request_threads) for name, dump in servers.items() if dump}
        text = own_connections.exhausted(service, lines, pool, free)
        return Waiting.of({Cause("exhausted", f"{service}, {next(iter(lines))}", text): group.count})

    # What others have

    def _users(self, service: str, using: Sequence[ThreadGroup]) -> Waiting:
        """Return what those wait for that have what others wait for; their edges are counted where they themselves are followed.

        Of those that lead back to the same pool, as through a lock whose holder waits for a connection, only the largest group is followed.
        """
        if service in self.pools_under_way:
            using = [max(using, key=lambda group: group.count)]
            if using[0].state in (CHECKOUT, HTTP_CONNECTION):  # back and forth between two pools
                return Waiting.of({unseen(f"pools of {service}", "who has connections of one waits for those of another"): 1})
        edges = self.edges.copy()
        self.pools_under_way.append(service)
        found = self._of_groups(service, using)
        self.pools_under_way.pop()
        self.edges.clear()
        self.edges.update(edges)
        return found


def _mostly(causes: Waiting) -> Waiting:
    """Return the causes that most threads wait for, of which there may be several, with the same number each."""
    return Waiting.of({cause: 1 for cause, count in causes.items() if count == max(causes.values())})


def _is_one_of(cause: Cause, services: set[str]) -> bool:
    """Whether a cause stands for one of some services."""
    return isinstance(cause, Server) and cause.where in services


def _renamed(causes: Waiting, names: Mapping[Cause, Cause]) -> Waiting:
    found = Waiting()
    for cause, count in causes.items():
        found[names.get(cause, cause)] += count
    return found


def _wrong(wrong: WrongAddress) -> Cause:
    return Cause("wrong_address", wrong.address, str(wrong))
