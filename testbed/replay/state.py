"""What the samples say of a facility as a whole: which services are stuck, and the conditions that a timeline may wait for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.journal.stuck import follow

if TYPE_CHECKING:
    from testbed.journal.events import PoolSample, Sample
    from testbed.journal.stuck import Standstill


@dataclass(slots=True)
class FacilityState:
    """The last sample of every service, and since when each has stood still.

    It cannot see ahead: a service that answers nothing for a moment with every request thread at work is stuck here, and only the
    verdict, which knows how it went on, can tell that it was slow.
    """

    application_servers: tuple[str, ...]
    callers: tuple[str, ...]
    last: dict[str, Sample] = field(default_factory=dict)
    _numbers: dict[str, Sample] = field(default_factory=dict)  # the last sample of each that has any: a look may go unanswered
    _standstills: dict[str, Standstill | None] = field(default_factory=dict)

    def take(self, sample: Sample) -> None:
        """Take in a sample."""
        self._standstills[sample.service] = follow(self._standstills.get(sample.service), sample)
        self.last[sample.service] = sample
        if sample.busy is not None:
            self._numbers[sample.service] = sample

    def forget(self, service: str) -> None:
        """Start afresh with a service that was restarted."""
        self.last.pop(service, None)
        self._numbers.pop(service, None)
        self._standstills.pop(service, None)

    def is_stuck(self, service: str) -> bool:
        """Whether every request thread of a service has been at work for a while and nothing came out (O5, O6)."""
        standstill = self._standstills.get(service)
        return standstill is not None and standstill.is_stuck

    def stuck_since_s(self, service: str) -> float | None:
        """Give since when a service has been stuck, on the journal's `t_s`; None when it is not."""
        standstill = self._standstills.get(service)
        return standstill.first.t_s if standstill is not None and standstill.is_stuck else None

    def hung_since_s(self) -> float | None:
        """Give since when every caller has been stuck, on the journal's `t_s`; None when one is not."""
        since_s = [self.stuck_since_s(caller) for caller in self.callers]
        known = [one for one in since_s if one is not None]
        return max(known) if len(known) == len(since_s) else None

    def request_threads(self, service: str) -> int:
        """Give how many request threads a service says that it has; 0 when it has not said yet."""
        sample = self._numbers.get(service)
        return sample.request_threads or 0 if sample is not None else 0

    @property
    def stuck(self) -> tuple[str, ...]:
        """Every service that is stuck."""
        return tuple(service for service in (*self.application_servers, *self.callers) if self.is_stuck(service))

    def blocked_servers(self) -> tuple[str, ...]:
        """Give the application servers that serve nobody any more: stuck, or without a connection left that could come back.

        A server has an empty pool before it has forty calls to hang. With more servers than the callers have calls for, it never has.
        """
        return tuple(server for server in self.application_servers if self.is_stuck(server) or _is_empty(self._pool(server)))

    def hung(self) -> bool:
        """Every caller is stuck: the airline stands still (O10)."""
        return self.hung_since_s() is not None

    def servers_hung(self) -> bool:
        """Every application server is stuck."""
        return all(self.is_stuck(server) for server in self.application_servers)

    def pool_empty(self) -> bool:
        """Every connection of every application server's pool has leaked (O4)."""
        return all(_is_empty(self._pool(server)) for server in self.application_servers)

    def at_rest(self) -> bool:
        """Every application server is idle, or serves nobody any more: whatever waits is not being worked on."""
        blocked = self.blocked_servers()
        return all(server in blocked or self._is_idle(server) for server in self.application_servers)

    def recovered(self) -> bool:
        """Every service has been seen, its health check green, and none is stuck."""
        seen = [self.last.get(service) for service in (*self.application_servers, *self.callers)]
        return not self.stuck and all(sample is not None and sample.health for sample in seen)

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
        """Format the state in a line, for messages."""
        return ", ".join(_service_text(name, sample) for name, sample in sorted(self.last.items())) or "nothing seen yet"

    def _is_idle(self, server: str) -> bool:
        sample = self._numbers.get(server)
        return sample is not None and sample.busy == 0 and sample.waiting == 0

    def _pool(self, server: str) -> PoolSample | None:
        return self._numbers[server].pool if server in self._numbers else None


def _is_empty(pool: PoolSample | None) -> bool:
    return pool is not None and pool.leaked >= pool.size


def _service_text(name: str, sample: Sample) -> str:
    return f"{name} does not answer" if sample.busy is None else f"{name} {sample.busy} of {sample.request_threads} busy"
