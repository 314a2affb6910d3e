"""What the samples say of a facility as a whole: which services are stuck, and the conditions that a timeline may wait for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.outcome import STUCK_SAMPLES

if TYPE_CHECKING:
    from testbed.events import Sample


@dataclass(slots=True)
class Watch:
    """The last samples of every service, and for how many samples in a row each has been stuck."""

    application_servers: tuple[str, ...]
    callers: tuple[str, ...]
    last: dict[str, Sample] = field(default_factory=dict)
    _stuck: dict[str, int] = field(default_factory=dict)

    def see(self, sample: Sample) -> None:
        """Take in a sample."""
        before = self.last.get(sample.service)
        still = before is not None and before.is_full and sample.is_full and before.results == sample.results
        self._stuck[sample.service] = self._stuck.get(sample.service, 0) + 1 if still else 0
        self.last[sample.service] = sample

    def forget(self, service: str) -> None:
        """Start afresh with a service that was restarted."""
        self.last.pop(service, None)
        self._stuck.pop(service, None)

    def is_stuck(self, service: str) -> bool:
        """Whether every request thread of a service has been at work for a while and nothing came out (O5, O6)."""
        return self._stuck.get(service, 0) >= STUCK_SAMPLES

    @property
    def stuck(self) -> tuple[str, ...]:
        """Every service that is stuck."""
        return tuple(service for service in (*self.application_servers, *self.callers) if self.is_stuck(service))

    def servers_hung(self) -> bool:
        """Every application server is stuck."""
        return all(self.is_stuck(service) for service in self.application_servers)

    def hung(self) -> bool:
        """Every application server and every caller is stuck."""
        return self.servers_hung() and all(self.is_stuck(service) for service in self.callers)

    def pool_empty(self) -> bool:
        """Every connection of every application server's pool has leaked (O4)."""
        pools = [self.last[service].pool if service in self.last else None for service in self.application_servers]
        return all(pool is not None and pool.leaked >= pool.size for pool in pools)

    def recovered(self) -> bool:
        """No service is stuck, and every health check is green."""
        return not self.stuck and all(sample.health for sample in self.last.values())

    def holds(self, condition: str) -> bool:
        """Whether a condition of a timeline holds now."""
        conditions = {
            "hung": self.hung,
            "servers_hung": self.servers_hung,
            "pool_empty": self.pool_empty,
            "recovered": self.recovered,
        }
        return conditions[condition]()

    def told(self) -> str:
        """Tell the state in a line, for messages."""
        busy = ", ".join(f"{name} {sample.busy} of {sample.request_threads} busy" for name, sample in sorted(self.last.items()))
        return busy or "nothing seen yet"
