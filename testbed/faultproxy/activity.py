"""What the two directions of a connection record and share: its activity, and the traffic of its proxy."""

from __future__ import annotations

from dataclasses import dataclass, field

from testbed.faultproxy.busy_poll import BusyPoll


@dataclass(slots=True)
class Activity:
    """When a connection was made and last used, and whether it is forgotten. Both directions share it; times are the event loop's.

    A connection is forgotten when a byte or an end of stream arrives after it was idle for longer than `idle_limit_s`. It stays forgotten.
    """

    began_s: float
    last_s: float
    idle_limit_s: float | None = None  # the shortest of those that are set
    forgotten: bool = False
    limits_s: dict[object, float] = field(default_factory=dict)  # by who has set it
    busy_poll: BusyPoll = field(default_factory=BusyPoll)

    def set_limit(self, who: object, limit_s: float | None) -> None:
        """Set the limit of one toxic; None: it has none any more."""
        if limit_s is None:
            self.limits_s.pop(who, None)
        else:
            self.limits_s[who] = limit_s
        self.idle_limit_s = min(self.limits_s.values(), default=None)

    @property
    def watched(self) -> bool:
        """Whether `use` has to be called before anything is passed on."""
        return self.forgotten or self.idle_limit_s is not None

    def use(self, now_s: float) -> bool:
        """Record an arrival; return False if it must not be passed on."""
        if self.idle_limit_s is not None and now_s - self.last_s > self.idle_limit_s:
            self.forgotten = True
        self.last_s = now_s
        return not self.forgotten


@dataclass(slots=True)
class Traffic:
    """How many bytes a proxy has received from senders and sent to receivers, in one direction."""

    received_bytes: int = 0
    sent_bytes: int = 0
