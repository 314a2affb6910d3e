"""Who is told how a replay goes: the protocol, and its do-nothing twin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from testbed.replay.load_tracker import LoadTracker
    from testbed.replay.state import FacilityState


class Display(Protocol):
    """Something that is told how a replay goes."""

    def phase(self, text: str) -> None:
        """Tell what begins now."""

    def update(self, night_s: float, state: FacilityState, load: LoadTracker) -> None:
        """Show the state, after each round of samples."""

    def quiet(self) -> None:
        """Take note that from now on nothing moves: all is hung, or the night is over. May be called more than once."""


class SilentDisplay:
    """The do-nothing display."""

    def phase(self, text: str) -> None:
        """Tell nothing."""

    def update(self, night_s: float, state: FacilityState, load: LoadTracker) -> None:
        """Show nothing."""

    def quiet(self) -> None:
        """Take no note."""
