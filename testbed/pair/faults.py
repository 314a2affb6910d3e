"""The faults of a pair by their words, with parameters that a type checker knows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from testbed.facility.database import StopMode
    from testbed.facility.link import Moment

Block = TypeVar("Block")
Action = TypeVar("Action")


class Faults(ABC, Generic[Block, Action]):
    """Each fault is a block that is proven to bite where it begins, and healed where it ends; testbed/faults/README.md has all about them.

    A fault that does not take effect raises FacilityError where its block begins, and one that cannot be healed where that ends. What is
    over at once (`switchover`, `crash`, `sessions_ended`) is no block. Parameters in `_s` are seconds, in `_ms` milliseconds.
    """

    @abstractmethod
    def fault(self, word: str, **parameters: object) -> Block:
        """Return the block of a fault by its word; raises UsageError for an unknown word or parameter."""

    @abstractmethod
    def action(self, word: str, **parameters: object) -> Action:
        """Do what is over at once."""

    def switchover(self, mode: StopMode = "fast", patience_s: float = 2.0) -> Action:
        """Move the database to the other host: every session ends, and the address stays. `smart` waits so long for sessions to end."""
        return self.action("switchover", mode=mode, patience_s=patience_s)

    def sessions_ended(self) -> Action:
        """End every session of the user's role, as an administrator does (57P01)."""
        return self.action("sessions_ended")

    def crash(self, down_s: float = 0.0) -> Action:
        """Kill the database server, and start it again after so long: it recovers."""
        return self.action("crash", down_s=down_s)

    def silence(self, ends: Literal["goes_on", "cut"] = "goes_on") -> Block:
        """Let nothing through, either way: connections are made and stay open, and no answer comes. Afterwards all goes on, or is cut."""
        return self.fault("silence", ends=ends)

    def idle_drop(self, idle_s: float = 1.0) -> Block:
        """Forget each connection that was idle for so long: it stays open, and what is sent over it is lost."""
        return self.fault("idle_drop", idle_s=idle_s)

    def refuse(self) -> Block:
        """Refuse attempts to connect at once, and drop open connections: nobody listens."""
        return self.fault("refuse")

    def refuse_first(self, attempts: int = 10) -> Block:
        """Refuse so many attempts to connect, the next ones; open connections go on."""
        return self.fault("refuse_first", attempts=attempts)

    def unreachable(self) -> Block:
        """Drop attempts to connect without a word, and open connections."""
        return self.fault("unreachable")

    def cable_pulled(self) -> Block:
        """Drop every packet, of open connections and of new ones, and tell nobody."""
        return self.fault("cable_pulled")

    def flapping(self, up_s: float = 2.0, down_s: float = 1.0) -> Block:
        """Pull the cable and plug it in, in turns."""
        return self.fault("flapping", up_s=up_s, down_s=down_s)

    def reset(self, moment: Moment = "answer") -> Block:
        """Reset connections (RST): with an answer, when they are made, or (`idle`) once, every one that is open."""
        return self.fault("reset", moment=moment)

    def disconnect(self, moment: Moment = "answer", bytes: int = 100) -> Block:  # noqa: A002 - the fault's own word
        """End connections (FIN): after so many bytes of answers, when they are made, or (`idle`) once, every one that is open."""
        return self.fault("disconnect", moment=moment, bytes=bytes)

    def latency(self, latency_s: float, jitter_s: float = 0.0) -> Block:
        """Delay every answer."""
        return self.fault("latency", latency_ms=round(latency_s * 1000), jitter_ms=round(jitter_s * 1000))

    def trickle(self, every_ms: int = 1000) -> Block:
        """Let a byte of answers through every so often."""
        return self.fault("trickle", every_ms=every_ms)

    def slow_accept(self, every_ms: int = 500, queue: int = 5) -> Block:
        """Accept a connection every so often; so many wait, and further attempts are dropped."""
        return self.fault("slow_accept", every_ms=every_ms, queue=queue)

    def read_only(self) -> Block:
        """Let the address lead to a standby: who reads is answered, and every write fails (25006). It has what was committed before."""
        return self.fault("read_only")

    def starting_up(self) -> Block:
        """Start the server anew and hold it where it recovers: each log-in is refused (57P03)."""
        return self.fault("starting_up")
