"""The patterns that an application server was given, put to work together."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily

from flight_search.stability.fail_fast import FailFast
from flight_search.stability.handshaking import Handshaking
from flight_search.stability.leak_reclaim import LeakReclaim
from flight_search.stability.let_it_crash import Governor, LetItCrash, Replacements, replacing
from flight_search.stability.shed_load import ShedLoad
from flight_search.stability.stuck import StuckDetector

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from prometheus_client.core import Metric

    from flight_search.datasource import MonitoredDataSource
    from flight_search.http_service import RequestThreads
    from flight_search.settings import ServerSettings
    from flight_search.stability.admission import Gate


@dataclass(frozen=True, eq=False, slots=True)
class Patterns:
    """What an application server asks its patterns; None is a pattern that is off. A collector of what they did."""

    fail_fast: FailFast | None
    shed_load: ShedLoad | None
    handshaking: Handshaking | None
    reclaim: LeakReclaim | None
    watchdog: LetItCrash | None
    replacements: Replacements

    @classmethod
    def start(cls, settings: ServerSettings, source: MonitoredDataSource, threads: RequestThreads) -> Patterns:
        """Start those that the settings turn on."""
        detector = StuckDetector(threads, settings.shed_load_at)
        handshaking = Handshaking(source, detector) if settings.handshaking else None
        reclaim = None
        if settings.pool_leak_reclaim_s is not None:
            reclaim = LeakReclaim(source, settings.pool_leak_reclaim_s)
            reclaim.start()
        watchdog = None
        replacements = Replacements.remembered(os.environ)
        if settings.let_it_crash_s is not None:
            governor, replace = Governor(settings.governor_per_minute), replacing(settings.listen_fd)
            watchdog = LetItCrash(settings.name, detector, settings.let_it_crash_s, governor, replacements, replace)
        fail_fast = FailFast(source) if settings.fail_fast else None
        shed_load = None if settings.shed_load_at is None else ShedLoad(settings.name, settings.shed_load_at)
        return cls(fail_fast, shed_load, handshaking, reclaim, watchdog, replacements)

    @property
    def beside(self) -> tuple[AbstractContextManager[None], ...]:
        """What goes on beside the calls."""
        return () if self.watchdog is None else (self.watchdog.watching(),)

    @property
    def gates(self) -> tuple[Gate, ...]:
        """What a call has to get through, the innermost first."""
        return tuple(gate for gate in (self.fail_fast, self.shed_load) if gate is not None)

    def trouble(self) -> str | None:
        """Tell the health check why a call would not be served; None when it would, or when nobody is to know."""
        return None if self.handshaking is None else self.handshaking.trouble()

    def told(self) -> dict[str, int]:
        """Tell what they did."""
        return {
            "reclaimed_total": self.reclaim.reclaimed_total if self.reclaim else 0,
            "replacements": self.replacements.total,
            "failed_fast_total": self.fail_fast.refused_total if self.fail_fast else 0,
            "shed_total": self.shed_load.refused_total if self.shed_load else 0,
        }

    def collect(self) -> Iterable[Metric]:
        """Give the metrics; called by prometheus-client. What was refused is no result: where threads hang, it moves nothing on."""
        told = self.told()
        yield GaugeMetricFamily("pool_reclaimed", "Connections that were out for too long and were taken back", told["reclaimed_total"])
        yield GaugeMetricFamily("replacements", "How often the server replaced itself", told["replacements"])
        refused = GaugeMetricFamily("calls_refused", "Calls that were not let in, by pattern", labels=["pattern"])
        refused.add_metric(["fail_fast"], told["failed_fast_total"])
        refused.add_metric(["shed_load"], told["shed_total"])
        yield refused
