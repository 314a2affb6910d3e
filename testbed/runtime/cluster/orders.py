"""What a database host in a container is told, and what it tells of heartbeats: the bodies of its control's requests, as JSON."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter

from testbed.facility.database import StopMode
from testbed.facility.heartbeat_watch import HeartbeatWatch


@dataclass(frozen=True, slots=True)
class StopOrder:
    """Stop the server in one of the ways of `Database.stop_server`; an empty body is this one."""

    mode: StopMode = "fast"
    patience_s: float = 0.0


@dataclass(frozen=True, slots=True)
class BeatOrder:
    """Send a heartbeat every `every_s` real seconds to whoever subscribes."""

    every_s: float


@dataclass(frozen=True, slots=True)
class WatchOrder:
    """Watch the heartbeats that can be had at `address` (`host:port`); `watch` has what was counted before, and is counted on."""

    address: str
    watch: HeartbeatWatch


@dataclass(frozen=True, slots=True)
class Watched:
    """What a host has counted so far; `loss` says why it would take over, once it would."""

    watch: HeartbeatWatch
    loss: str = ""


stop_order: TypeAdapter[StopOrder] = TypeAdapter(StopOrder)
beat_order: TypeAdapter[BeatOrder] = TypeAdapter(BeatOrder)
watch_order: TypeAdapter[WatchOrder] = TypeAdapter(WatchOrder)
watched: TypeAdapter[Watched] = TypeAdapter(Watched)
