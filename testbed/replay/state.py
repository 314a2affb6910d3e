"""The state of a facility, from its samples: which services are stuck, and the conditions that a timeline may wait for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.journal.stuck import follow

if TYPE_CHECKING:
    from testbed.journal.events import Sample
    from testbed.journal.stuck import Standstill


@dataclass(slots=True)
class FacilityState:
    """The last sample of every service, and since when each has stood still; a pool opens `pool_overflow` connections beyond its size.

    `pool_connections`: the most connections of an application server that does not tell of its pool. `dead`: the services that died by
    themselves, and were not started again.

    It cannot look ahead: a service that answers nothing for a moment with every request thread busy is stuck here. Only the verdict,
    which knows what came after, can find that it was slow.
    """

    application_servers: tuple[str, ...]
    callers: tuple[str, ...]
    pool_overflow: float = 0.0
    pool_connections: int = 0
    last: dict[str, Sample] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    _numbers: dict[str, Sample] = field(default_factory=dict)  # the last sample with numbers: one may go unanswered
    _standstills: dict[str, Standstill | None] = field(default_factory=dict)

    def take(self, sample: Sample) -> None:
        """Update the state with a sample."""
        self._standstills[sample.service] = follow(self._standstills.get(sample.service), sample)
        self.last[sample.service] = sample
        if sample.busy is not None:
            self._numbers[sample.service] = sample

    def forget(self, service: str) -> None:
        """Remove what is known of a service that was restarted."""
        self.last.pop(service, None)
        self._numbers.pop(service, None)
        self._standstills.pop(service, None)

    def is_stuck(self, service: str) -> bool:
        """Whether every request thread of a service has been busy for a while, and no request ended (O5, O6)."""
        standstill = self._standstills.get(service)
        return standstill is not None and standstill.is_stuck

    def stuck_since_s(self, service: str) -> float | None:
        """Return since when a service has been stuck, on the journal's `t_s`; None when it is not."""
        standstill = self._standstills.get(service)
        return standstill.first.t_s if standstill is not None and standstill.is_stuck else None

    def standing_since_s(self, service: str) -> float | None:
        """Return since when no request thread of a service was free and none ended, on the journal's `t_s`: stuck, or perhaps soon."""
        standstill = self._standstills.get(service)
        return None if standstill is None else standstill.first.t_s

    @property
    def undecided(self) -> tuple[str, ...]:
        """Every service that stands still, tells its numbers, and was not seen for long enough to be called stuck."""
        standing = [service for service, standstill in self._standstills.items() if standstill is not None and not standstill.is_stuck]
        return tuple(service for service in standing if self.last[service].busy is not None)

    def hung_since_s(self) -> float | None:
        """Return since when every caller has been stuck, on the journal's `t_s`; None when one of them is not."""
        since_s = [start_s for caller in self.callers if (start_s := self.stuck_since_s(caller)) is not None]
        return max(since_s) if len(since_s) == len(self.callers) else None

    def request_threads(self, service: str) -> int:
        """Return how many request threads a service reports; 0 before its first sample with numbers."""
        sample = self._numbers.get(service)
        return sample.request_threads or 0 if sample is not None else 0

    def pool_size(self, server: str) -> int:
        """Return how many connections the pool of an application server keeps; 0 where that is not known, or not yet."""
        sample = self._numbers.get(server)
        return sample.pool.size if sample is not None and sample.pool is not None else self.pool_connections

    @property
    def stuck(self) -> tuple[str, ...]:
        """Every service that is stuck."""
        return tuple(service for service in (*self.application_servers, *self.callers) if self.is_stuck(service))

    def blocked_servers(self) -> tuple[str, ...]:
        """Return the application servers that serve nothing any more: stuck, or with a pool whose connections have all leaked.

        A pool is empty before forty calls hang in its server; with more servers than the callers have calls for, that many never hang.
        """
        return tuple(server for server in self.application_servers if self.is_stuck(server) or self._is_empty(server))

    def troubles(self) -> frozenset[str]:
        """Return in what trouble each application server is, in words: stuck, without a connection that has not leaked, or silent."""
        silent = (server for server in self.application_servers if server in self.last and self.last[server].busy is None)
        return frozenset(
            (
                *(f"{server} is stuck" for server in self.application_servers if self.is_stuck(server)),
                *(f"{server} has no connection left" for server in self.application_servers if self._is_empty(server)),
                *(f"{server} does not answer" for server in silent),
            )
        )

    def hung(self) -> bool:
        """Whether every caller is stuck: the airline stands still (O10)."""
        return self.hung_since_s() is not None

    def servers_hung(self) -> bool:
        """Whether every application server is stuck."""
        return all(self.is_stuck(server) for server in self.application_servers)

    def pool_empty(self) -> bool:
        """Whether every connection of every application server's pool has leaked (O4)."""
        return all(self._is_empty(server) for server in self.application_servers)

    def at_rest(self) -> bool:
        """Whether every application server is idle or blocked, so that no request is being worked on."""
        blocked = self.blocked_servers()
        return all(server in blocked or self._is_idle(server) for server in self.application_servers)

    def recovered(self) -> bool:
        """Whether every service was sampled, its health check is green, if it has one, and none is stuck, or may be, seen too seldom."""
        samples = [self.last.get(service) for service in (*self.application_servers, *self.callers)]
        return not self.stuck and not self.undecided and all(sample is not None and sample.health is not False for sample in samples)

    def holds(self, condition: str) -> bool:
        """Whether a condition of a timeline holds now."""
        conditions = {
            "hung": self.hung,
            "servers_hung": self.servers_hung,
            "pool_empty": self.pool_empty,
            "recovered": self.recovered,
        }
        return conditions[condition]()

    def text(self) -> str:
        """Format the state as a line, for messages."""
        return ", ".join(_service_text(name, sample) for name, sample in sorted(self.last.items())) or "nothing seen yet"

    def _is_idle(self, server: str) -> bool:
        sample = self._numbers.get(server)
        return sample is not None and sample.busy == 0 and sample.waiting == 0

    def _is_empty(self, server: str) -> bool:
        """Whether every connection that the pool of a server may open has leaked."""
        pool = self._numbers[server].pool if server in self._numbers else None
        return pool is not None and pool.leaked >= pool.size + self.pool_overflow


def _service_text(name: str, sample: Sample) -> str:
    return f"{name} does not answer" if sample.busy is None else f"{name} {sample.busy} of {sample.request_threads} busy"
