"""The patterns that an application server was given, put to work together."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily

from flight_search.stability import fail_fast
from flight_search.stability.handshaking import Handshaking
from flight_search.stability.leak_reclaim import LeakReclaim
from flight_search.stability.let_it_crash import Governor, LetItCrash, Replacements, replacing
from flight_search.stability.standstill import Standstill

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from prometheus_client.core import Metric

    from flight_search.datasource import MonitoredDataSource
    from flight_search.serving import RequestThreads
    from flight_search.settings import ServerSettings


@dataclass(frozen=True, eq=False, slots=True)
class Patterns:
    """What an application server asks its patterns; None is a pattern that is off. A collector of what they did."""

    source: MonitoredDataSource
    fails_fast: bool
    handshaking: Handshaking | None
    reclaim: LeakReclaim | None
    watchdog: LetItCrash | None
    replacements: Replacements

    @classmethod
    def start(cls, settings: ServerSettings, source: MonitoredDataSource, threads: RequestThreads) -> Patterns:
        """Start those that the settings turn on."""
        standstill = Standstill(threads, settings.shed_load_at)
        handshaking = Handshaking(source, standstill) if settings.handshaking else None
        reclaim = None
        if settings.pool_leak_reclaim_s is not None:
            reclaim = LeakReclaim(source, settings.pool_leak_reclaim_s)
            reclaim.start()
        watchdog = None
        replacements = Replacements.remembered(os.environ)
        if settings.let_it_crash_s is not None:
            governor, replace = Governor(settings.governor_per_minute), replacing(settings.listen_fd)
            watchdog = LetItCrash(settings.name, standstill, settings.let_it_crash_s, governor, replacements, replace)
        return cls(source, settings.fail_fast, handshaking, reclaim, watchdog, replacements)

    @property
    def beside(self) -> tuple[AbstractContextManager[None], ...]:
        """What goes on beside the calls."""
        return () if self.watchdog is None else (self.watchdog.watching(),)

    def before(self) -> None:
        """Ask before a request's work; raises NoConnection when it is to be refused."""
        if self.fails_fast:
            fail_fast.check(self.source)

    def trouble(self) -> str | None:
        """Tell the health check why a call would not be served; None when it would, or when nobody is to know."""
        return None if self.handshaking is None else self.handshaking.trouble()

    def told(self) -> dict[str, int]:
        """Tell what they did."""
        return {"reclaimed_total": self.reclaim.reclaimed_total if self.reclaim else 0, "replacements": self.replacements.total}

    def collect(self) -> Iterable[Metric]:
        """Give the metrics; called by prometheus-client."""
        told = self.told()
        yield GaugeMetricFamily("pool_reclaimed", "Connections that were out for too long and were taken back", told["reclaimed_total"])
        yield GaugeMetricFamily("replacements", "How often the server replaced itself", told["replacements"])
