"""The stability patterns of an application server: starts those that are on, and reports what they did."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily

from flight_search.stability import health_check
from flight_search.stability.fail_fast import FailFast
from flight_search.stability.handshaking import Handshaking
from flight_search.stability.leak_reclaim import LeakReclaim
from flight_search.stability.let_it_crash import Governor, LetItCrash, Replacements, replacing
from flight_search.stability.liveness_probe import RedHealth
from flight_search.stability.shed_load import ShedLoad
from flight_search.stability.stuck import StuckDetector

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from contextlib import AbstractContextManager

    from prometheus_client.core import Metric

    from flight_search.datasource import MonitoredDataSource
    from flight_search.http_service import RequestThreads
    from flight_search.settings import ServerSettings
    from flight_search.stability.admission import Gate


@dataclass(frozen=True, eq=False, slots=True)
class Patterns:
    """The patterns of an application server; None is a pattern that is off. A Prometheus collector."""

    fail_fast: FailFast | None
    shed_load: ShedLoad | None
    handshaking: Handshaking | None
    reclaim: LeakReclaim | None
    watchdogs: tuple[LetItCrash, ...]
    health: Callable[[], Awaitable[str | None]]
    probe: RedHealth | None
    replacements: Replacements

    @classmethod
    def start(cls, settings: ServerSettings, source: MonitoredDataSource, threads: RequestThreads) -> Patterns:
        """Start the patterns that the settings turn on."""
        detector = StuckDetector(threads, settings.shed_load_at)
        handshaking = Handshaking(source, detector) if settings.handshaking else None
        reclaim = None
        if settings.pool_leak_reclaim_s is not None:
            reclaim = LeakReclaim(source, settings.pool_leak_reclaim_s)
            reclaim.start()
        health = health_check.by_word(settings.health_check, source)
        probe = None if settings.liveness_probe_s is None else RedHealth(health)
        watched = ((detector, settings.let_it_crash_s), (probe, settings.liveness_probe_s))
        replacements = Replacements.from_environment(os.environ)
        governor, replace = Governor(settings.governor_per_minute), replacing(settings.listen_fd)
        watchdogs = tuple(
            LetItCrash(settings.name, watching, limit_s, governor, replacements, replace)
            for watching, limit_s in watched
            if watching is not None and limit_s is not None
        )
        fail_fast = FailFast(source) if settings.fail_fast else None
        shed_load = None if settings.shed_load_at is None else ShedLoad(settings.name, settings.shed_load_at)
        return cls(fail_fast, shed_load, handshaking, reclaim, watchdogs, health, probe, replacements)

    @property
    def background(self) -> tuple[AbstractContextManager[None], ...]:
        """What runs in the background while the server serves."""
        asking = () if self.probe is None else (self.probe.asking(),)
        return (*asking, *(watchdog.watching() for watchdog in self.watchdogs))

    @property
    def gates(self) -> tuple[Gate, ...]:
        """The gates that a call must pass, the innermost first."""
        return tuple(gate for gate in (self.fail_fast, self.shed_load) if gate is not None)

    async def not_ready(self) -> str | None:
        """Return why a call would not be served, for the health check; None if it would, or if it asks for no such thing. It may hang."""
        reason = None if self.handshaking is None else self.handshaking.not_ready()
        return await self.health() if reason is None else reason

    def totals(self) -> dict[str, int]:
        """Return how often each pattern acted, for `/admin/pool`."""
        return {
            "reclaimed_total": self.reclaim.reclaimed_total if self.reclaim else 0,
            "replacements": self.replacements.total,
            "failed_fast_total": self.fail_fast.refused_total if self.fail_fast else 0,
            "shed_total": self.shed_load.refused_total if self.shed_load else 0,
        }

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics; called by prometheus-client.

        A refused call is not among the results of operations: while request threads hang, results must stand still.
        """
        totals = self.totals()
        yield GaugeMetricFamily("pool_reclaimed", "Connections that were out for too long and were taken back", totals["reclaimed_total"])
        yield GaugeMetricFamily("replacements", "How often the server replaced itself", totals["replacements"])
        refused = GaugeMetricFamily("calls_refused", "Calls that were not admitted, by pattern", labels=["pattern"])
        refused.add_metric(["fail_fast"], totals["failed_fast_total"])
        refused.add_metric(["shed_load"], totals["shed_total"])
        yield refused
