"""What the samples say of a facility as a whole: which services are stuck, and the conditions that a timeline may wait for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.observe.samples import Reading

STUCK_SAMPLES = 3  # so many samples in a row with every request thread at work and not one result


@dataclass(slots=True)
class Watch:
    """The last readings of every service, and for how many samples in a row each has been stuck."""

    application_servers: tuple[str, ...]
    callers: tuple[str, ...]
    last: dict[str, Reading] = field(default_factory=dict)
    _stuck: dict[str, int] = field(default_factory=dict)

    def see(self, reading: Reading) -> None:
        """Take in a reading."""
        before = self.last.get(reading.service)
        still = before is not None and before.is_full and reading.is_full and before.results == reading.results
        self._stuck[reading.service] = self._stuck.get(reading.service, 0) + 1 if still else 0
        self.last[reading.service] = reading

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
        return not self.stuck and all(reading.health for reading in self.last.values())

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
        busy = ", ".join(f"{name} {reading.busy} of {reading.request_threads} busy" for name, reading in sorted(self.last.items()))
        return busy or "nothing seen yet"
