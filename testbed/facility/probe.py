"""A probe: one connection over a link and what became of it, as faults know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from testbed.facility.address import Address

ProbeEnd = Literal["answered", "refused", "unconnected", "reset", "closed", "silent"]


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """What a probe does once connected: `requests` sends two short requests, the second `idle_s` after the first was answered.

    To idle over the link to the database it logs in first: whoever has not is disconnected after some seconds. `log_in` asks for a long
    answer (of the database a few hundred bytes, which reject it); `hold` sends one request and then only waits, to see whether the
    connection is cut. `connect` asks nothing. `queue` makes connections, with a request on each, until one does not come about, and then
    waits for the answer to the first and for that last connection. `within_s`: the bound for the connection, and for each answer.
    """

    kind: Literal["connect", "requests", "log_in", "hold", "queue"]
    within_s: float
    idle_s: float = 0.0

    @property
    def longest_s(self) -> float:
        """The longest that it can take, in seconds."""
        return 3 * self.within_s + self.idle_s


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The result of a probe.

    `ended`: `answered`: every request (or, of `hold`, not cut); `refused`: nothing listens (RST); `unconnected`: no connection within
    `within_s`; `reset` (RST) or `closed` (FIN) by the other side before the answer was complete; `silent`: connected, but no whole
    answer within `within_s`. `connected_s`: seconds until the connection, or until its refusal. `first_byte_s` and `last_byte_s`: seconds
    from the last request to the first and last byte of the answer; None without one. `size_bytes`: all that was received. `queued`: how
    many connections a `queue` took; then `first_byte_s` is of the first in it, and `connected_s` of the first past it.
    """

    ended: ProbeEnd
    connected_s: float
    first_byte_s: float | None = None
    last_byte_s: float | None = None
    size_bytes: int = 0
    queued: int = 0

    def __str__(self) -> str:
        if self.queued:
            first = "had no answer" if self.first_byte_s is None else f"had its answer after {self.first_byte_s:.2f} s"
            past = "was not connected within" if self.ended == "unconnected" else "was connected after"
            return f"{self.queued} in the queue, the first of them {first}; the first past it {past} {self.connected_s:.2f} s"
        if self.ended == "refused":
            return f"refused in {self.connected_s * 1000:.2f} ms"
        if self.ended == "unconnected":
            return f"not connected within {self.connected_s:.2f} s"
        bytes_ = f"{self.size_bytes} byte{'' if self.size_bytes == 1 else 's'}"
        last = "" if self.last_byte_s is None else f", the last after {self.last_byte_s:.2f} s"
        return f"a probe connected in {self.connected_s * 1000:.2f} ms, received {bytes_}{last}, and was then {self.ended}"


class Probe(Protocol):
    """A running probe."""

    async def wait_held(self) -> None:
        """Wait until it is connected and its first request is answered; raises FacilityError when that fails."""

    async def wait_result(self) -> ProbeResult:
        """Wait for its result, at most as long as its spec allows."""

    async def end(self) -> None:
        """Stop it, whatever it waits for; does nothing when it has ended."""


class Prober(Protocol):
    """Starts probes from the near side of a link."""

    def __call__(self, link: str, address: Address, spec: ProbeSpec, /) -> Probe:
        """Start a probe."""
