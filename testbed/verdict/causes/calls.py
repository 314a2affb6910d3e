"""What threads wait for in the end that wait for another end of a connection: a service that works on the call, a link, or nobody there."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from testbed.journal.thread_states import CHECKOUT, DATABASE, HTTP_CONNECTION, SOCKET
from testbed.verdict.causes import slowness
from testbed.verdict.causes.cause import Cause, Waiting, unseen
from testbed.verdict.causes.request_threads import at_work, count_at_work, free_text, is_full

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from testbed.journal.events import GroupWait, ThreadGroup, Threads
    from testbed.verdict.causes.locks import LockCauses
    from testbed.verdict.causes.seen import Seen

UNKNOWN_ADDRESS = "an address that is not known"
STOPPED = "is stopped (state T)"  # the error of a dump of a process that a signal has stopped


@dataclass(frozen=True, slots=True)
class Server(Cause):
    """A service that others wait for, in the place of what its own threads wait for in the end."""


@dataclass(frozen=True, slots=True)
class End:
    """The address of another end, and the service there, or one of those behind it; an empty name if none is known."""

    peer: str
    target: str

    def __str__(self) -> str:
        return self.target or self.peer


@dataclass(slots=True)
class CallCauses:
    """Follows those who wait for another end; `edges` takes who waits for whom. `unread`: why the evidence could not be read."""

    seen: Seen
    edges: Counter[tuple[str, str, str]]
    dumps: Mapping[str, Threads]
    locks: LockCauses
    unread: str = ""
    callers: defaultdict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))

    def __post_init__(self) -> None:
        for service, dump in self.dumps.items():
            for (ends, _), count in self.calls(service, at_work(dump)).items():
                for end in ends:
                    self.callers[end.target] += Fraction(count, len(ends))

    def calls(self, service: str, groups: Sequence[ThreadGroup]) -> Counter[tuple[tuple[End, ...], str]]:
        """Return for which other ends the threads of some groups wait, in which state, and how many; of several ends, it may be any.

        Where nobody looked at a thread that reads a socket, those of the settings.
        """
        found: Counter[tuple[tuple[End, ...], str]] = Counter()
        for group in groups:
            calls = calls_seen(group)
            for wait in calls:
                found[self._ends(dict.fromkeys(wait.peer.split(", "))), group.state] += wait.count
            if group.state == SOCKET and (left := group.count - sum(wait.count for wait in calls)) > 0:
                about = self.seen.about(service)
                called = [] if about is None else _addresses(about.settings.get("flight_search_urls"))
                found[self._ends(called or [UNKNOWN_ADDRESS]), group.state] += left
        return found

    def _ends(self, peers: Iterable[str]) -> tuple[End, ...]:
        return tuple(End(peer, target) for peer in peers for target in self.seen.parts_at(peer))

    def causes(self, service: str, ends: Sequence[End], state: str, count: int) -> Waiting:
        """Return what threads wait for that wait for one of several other ends.

        Calls are sent to all in turn, but those that still wait are with the ones that do not answer: a service that has request threads
        free is passed over as long as another explains the wait. Where none does, it is not known which of them it is.
        """
        explain = [end for end in ends if self._is_stuck(end)] or [end for end in ends if not self._is_free(end)]
        found, followed = Waiting(), explain or ends
        for end, share in shares(followed, count):
            self.edges[service, str(end), state] += share
        for end in followed[:count]:
            found[self._other_end(end)] += Fraction(count, len(followed[:count]))
        if explain or len(ends) == 1:
            return found
        at = " and ".join(dict.fromkeys(end.peer for end in ends))
        free = " and ".join(f"{end.target} has {free_text(self.dumps[end.target])}" for end in ends)
        return Waiting.of({unseen(at, f"which of those behind it does not answer; {free}"): count})

    def _is_silent(self, target: str) -> bool:
        dump = self.dumps.get(target)
        return dump is None or bool(dump.error) or self.seen.is_missing(f"what {target} is")

    def _is_stuck(self, end: End) -> bool:
        """Whether a service answers nobody, or has no request thread free and does not get on."""
        if not end.target or self._is_silent(end.target):
            return bool(end.target)
        dump = self.dumps[end.target]
        return is_full(dump) and not slowness.gets_on(self.seen.pool(end.target), count_at_work(dump))

    def _is_free(self, end: End) -> bool:
        """Whether a service answered, has request threads free, and less at work than half of those that wait for it."""
        if not end.target or self._is_silent(end.target):
            return False
        dump = self.dumps[end.target]
        working = count_at_work(dump)
        return not is_full(dump) and (not working or 2 * working < self.callers[end.target])

    def _other_end(self, end: End) -> Cause:
        """Return what those wait for that wait for another end: a cause, or the service there."""
        if not end.target:
            return self._no_service(end.peer)
        if self._is_silent(end.target):
            return self._silent(end.target, self.dumps.get(end.target))
        if not self._is_free(end):
            return Server("unseen", end.target, end.target)  # it works on these calls
        text = f"the link to {end.target}: it has {free_text(self.dumps[end.target])}, and does not answer over it"
        return Cause("no_answer", f"link to {end.target}", text)

    def _no_service(self, peer: str) -> Cause:
        """Return what those wait for that wait for an address at which no service is known to be."""
        if peer == UNKNOWN_ADDRESS:
            return unseen("the sockets that threads read", "nobody looked at them")
        if self.seen.evidence is None or not self.seen.evidence.addresses:
            return unseen(peer, f"no evidence was read{f': {self.unread}' if self.unread else ''}")
        if database := self.seen.database_at(peer):
            if self.seen.is_closed(peer):
                return Cause("no_answer", database, f"the {database} at {peer} takes no connections, and threads wait to open one")
            return unseen(f"{database} at {peer}", "threads wait on a connection to it, and not for the answer to a statement")
        return Cause("no_answer", peer, f"{peer}, which is no part of the facility that was seen, does not answer")

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


def calls_seen(group: ThreadGroup) -> list[GroupWait]:
    """Return the waits of a group for other ends; none of threads whose stack tells that they wait for something else."""
    if group.state in (CHECKOUT, HTTP_CONNECTION, DATABASE):
        return []
    waits = [wait for wait in group.waits if wait.peer]
    return waits if group.state == SOCKET or any(wait.kind == "socket" for wait in waits) else []


def without_calls(group: ThreadGroup) -> ThreadGroup | None:
    """Return the threads of a group that do not wait for another end; None if all of them do, or nothing tells of the rest."""
    calls = calls_seen(group)
    left = group.count - sum(wait.count for wait in calls)
    if group.state == SOCKET or left <= 0:
        return None
    return replace(group, count=left, waits=tuple(wait for wait in group.waits if wait not in calls)) if calls else group


def shares(of: Sequence[End], count: int) -> Iterator[tuple[End, int]]:
    """Yield each end with its share of a count in whole numbers, for the graph: they are taken in turn."""
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
