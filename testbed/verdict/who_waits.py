"""Who waits for whom, over all processes of a facility, and for what all of them wait in the end.

From the dumps and the evidence of one moment alone: neither the scenario's timeline nor the variant's name is looked at. Each group of
request threads leads to what it waits for, and that to what it waits for in turn: a service that works on the call, a pool, the line where
its connections were lost, a session in the database and the lock of another, or another end that does not answer. Where a way ends is a
cause. What was not seen ends a way, too, and is named as such.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
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
    from collections.abc import Iterator, Mapping, Sequence

    from testbed.journal.events import ThreadGroup, Why
    from testbed.journal.evidence import Evidence
    from testbed.journal.reader import Journal
    from testbed.plan.expectation import CauseCode
    from testbed.verdict.causes.wrong_address import WrongAddress

UNKNOWN_ADDRESS = "an address that is not known"


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
            read = None if unread else evidence_file.read(journal.path.parent / taken.file)
        except JournalError as error:
            unread = str(error)
        busy_s = 0.0 if read is None else stalled_s(journal, read.t_s, read.t_s + read.took_s)
        looks.append(Look(taken.night_s, taken.why, of(_last_of_each(dumps, taken.t_s), read, busy_s), unread, read, busy_s))
    if not looks and dumps:
        looks.append(
            Look(dumps[-1].night_s, "hung", of(_last_of_each(dumps, dumps[-1].t_s), None), "no evidence was taken beside the dumps")
        )
    return tuple(looks)


def _last_of_each(dumps: Sequence[Threads], until_s: float) -> dict[str, Threads]:
    """Return the last dump of each service that had begun by a moment."""
    return {dump.service: dump for dump in dumps if dump.t_s - (dump.took_s or 0.0) <= until_s}


def of(dumps: Mapping[str, Threads], evidence: Evidence | None, busy_s: float = 0.0) -> WhoWaits:
    """Return who waits for whom, from a dump of each service and the evidence of the same moment.

    `busy_s`: for how many seconds of that the machine had no processor free for all.

    Services whose request threads are all at work are followed; the others only where somebody waits for them. Servers whose checkouts
    fail at once block no thread: of these, the evidence itself tells whether they go to a wrong address.
    """
    walk = _Walk(dict(dumps), evidence, busy_s)
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


@dataclass(slots=True)
class _Walk:
    dumps: dict[str, Threads]
    evidence: Evidence | None
    busy_s: float
    edges: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    known: dict[str, Counter[Cause]] = field(default_factory=dict)
    under_way: list[str] = field(default_factory=list)
    seen: Seen = field(init=False)
    wrong: tuple[WrongAddress, ...] = field(init=False)
    databases: DatabaseCauses = field(init=False)
    locks: LockCauses = field(init=False)

    def __post_init__(self) -> None:
        self.seen = Seen(self.evidence, self.busy_s)
        self.wrong = wrong_address.found(self.evidence)
        self.databases = DatabaseCauses(self.seen, self.edges)
        self.locks = LockCauses(self.seen, self.edges, self._causes_of)

    def causes_of(self, service: str) -> Counter[Cause]:
        """Return what the request threads of a service wait for in the end, and how many."""
        if service in self.known:
            return self.known[service]
        if service in self.under_way:
            circle = ", ".join(sorted(self.under_way[self.under_way.index(service) :]))
            return Counter({Cause("deadlock", circle, f"a deadlock: {circle} wait for one another"): 1})
        dump = self.dumps.get(service)
        if dump is None or dump.error:
            return Counter({unseen(service, "its threads were not dumped" if dump is None or not dump.error else dump.error): 1})
        self.under_way.append(service)
        found: Counter[Cause] = Counter()
        for group in at_work(dump):
            found.update(self._causes_of(service, group))
        self.under_way.pop()
        if found and (storm := self._storm(service, most(found).code)) is not None:
            found = Counter({storm: found.total()})
        self.known[service] = found
        return found

    def _causes_of(self, service: str, group: ThreadGroup) -> Counter[Cause]:
        if (cause := self._through_connections(service, group)) is not None:
            return Counter({cause: group.count})
        if group.state == SOCKET or any(wait.kind == "socket" and wait.peer for wait in group.waits):
            return self._through_sockets(service, group)
        if (found := self.locks.of_group(service, group)) is not None:
            return found
        at = group.stack[-1] if group.stack else "a line that is not known"
        self.edges[service, f"{service}, {at}", group.state] += group.count
        if group.state == LOCK:
            return Counter({Cause("monitor", f"{service}, {at}", f"a lock in {service} that threads take at {at}"): group.count})
        return Counter({self._work(at, group.within): group.count})

    def _through_connections(self, service: str, group: ThreadGroup) -> Cause | None:
        """Return what threads wait for that wait for a connection, or over one to a database; None for others."""
        if group.state == CHECKOUT:
            self.edges[service, f"pool of {service}", group.state] += group.count
            return self._through_pool(service)
        if group.state == HTTP_CONNECTION:
            return self._through_own_connections(service, group)
        if group.state != DATABASE:
            return None
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

    def _through_own_connections(self, service: str, group: ThreadGroup) -> Cause:
        at, about = own_connections.called_at(group.stack), self.seen.about(service)
        self.edges[service, f"HTTP connections of {service}", group.state] += group.count
        using = [other for other in at_work(self.dumps[service]) if other.state != HTTP_CONNECTION]
        if about is None:
            return unseen(f"HTTP connections of {service}", self.seen.why_missing(f"what {service} is"))
        pool = about.connections
        if using and not own_connections.are_lost(pool):
            return most(self._causes_of(service, max(using, key=lambda other: other.count)))  # they have them
        waiting = sum(other.count for other in self.dumps[service].groups if other.state == HTTP_CONNECTION)
        servers = {} if self.evidence is None else {table.service: self.dumps.get(table.service) for table in self.evidence.pools}
        free = {name: (dump.request_threads - count_at_work(dump), dump.request_threads) for name, dump in servers.items() if dump}
        return Cause("exhausted", f"{service}, {at}", own_connections.exhausted(service, at, waiting, pool, free))

    # The pool

    def _through_pool(self, service: str) -> Cause:
        pool, table = f"pool of {service}", self.seen.pool(service)
        if table is None:
            return unseen(pool, self.seen.why_missing(pool))
        lost = loss.losses(table.connections_out, table.sources)
        running = in_use(table)
        if lost and lost.total() >= len(running):
            for where, count in lost.items():
                self.edges[pool, where.at, "lost"] = count
            return self._lost(lost.most_common(1)[0][0])
        if not running:
            return unseen(pool, f"{table.out} of its {table.size} connections are out, and nobody recorded who has them")
        using = [group for group in at_work(self.dumps[service]) if group.state != CHECKOUT]
        if not using:
            return unseen(pool, f"{len(running)} requests have its connections, and none of them was seen")
        self.edges[pool, service, "held by requests that run"] = len(running)
        return most(self._causes_of(service, max(using, key=lambda group: group.count)))

    def _lost(self, worst: loss.Loss) -> Cause:
        """Return the cause of connections that were lost at one line, in all servers."""
        tables = self.seen.pools
        lost = {table.service: loss.losses(table.connections_out, table.sources)[worst] for table in tables}
        of = [table for table in tables if lost[table.service]]
        servers = " and ".join(table.service for table in of)
        text = f"{sum(lost.values())} of {sum(table.size for table in of)} connections of {servers} were lost in {worst}"
        return Cause("lost", worst.at, text)

    # Other services

    def _through_sockets(self, service: str, group: ThreadGroup) -> Counter[Cause]:
        found: Counter[Cause] = Counter()
        for peer, waiting in self._peers(service, group):
            for target, count in _shares(self.seen.parts_at(peer), waiting):
                self.edges[service, target or peer, group.state] += count
                found[self._other_end(peer, target, count)] += count
        return found

    def _peers(self, service: str, group: ThreadGroup) -> Iterator[tuple[str, int]]:
        """Yield the other ends that the threads of a group wait for; where nobody looked, those of the settings, in equal shares."""
        seen = [(wait.peer, wait.count) for wait in group.waits if wait.peer]
        about = self.seen.about(service)
        urls = [] if about is None else [urlsplit(url).netloc for url in about.settings.get("flight_search_urls", ())]
        yield from seen or _shares(urls or [UNKNOWN_ADDRESS], group.count)

    def _other_end(self, peer: str, target: str, count: int) -> Cause:
        """Return what `count` threads wait for in the end that wait for another end."""
        if peer == UNKNOWN_ADDRESS:
            return unseen("the sockets that threads read", "nobody looked at them")
        if not target:
            return Cause("no_answer", peer, f"{peer}, which is no part of the facility that was seen, does not answer")
        dump = self.dumps.get(target)
        if dump is None or dump.error or self.seen.is_missing(f"what {target} is"):
            return self._silent(target, dump)
        if count_at_work(dump) and (is_blocked(dump) or 2 * count_at_work(dump) >= count):
            return most(self.causes_of(target))  # it works on these calls
        text = f"the link to {target}: it has {dump.request_threads - count_at_work(dump)} of {dump.request_threads} request threads free"
        return Cause("no_answer", f"link to {target}", f"{text}, and does not answer over it")

    def _silent(self, target: str, dump: Threads | None) -> Cause:
        """Return what is wrong with a service whose threads could not be dumped, or that did not tell what it is."""
        error = None if dump is None else dump.error
        if (full := self.locks.full_queue(target, error)) is not None:
            return full
        reason = error or self.seen.why_missing(f"what {target} is")
        if dump is not None and not error and self.seen.machine_busy:  # its threads could be dumped: it may only have been late
            return unseen(target, f"{reason}, but {self.seen.machine_busy}")
        return Cause("frozen", target, f"{target} answers nobody: {reason}")


def _shares(of: Sequence[str], count: int) -> Iterator[tuple[str, int]]:
    """Yield each name with its share of a count: they are taken in turn."""
    for number, name in enumerate(of):
        if share := count // len(of) + (number < count % len(of)):
            yield name, share


def _wrong(wrong: WrongAddress) -> Cause:
    return Cause("wrong_address", wrong.address, str(wrong))
