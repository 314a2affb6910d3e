"""What shows the progress of a replay: the protocol, and its do-nothing twin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from testbed.replay.load_tracker import LoadTracker
    from testbed.replay.state import FacilityState


class Display(Protocol):
    """Shows the progress of a replay."""

    def phase(self, text: str) -> None:
        """Show the name of the phase that begins now."""

    def update(self, night_s: float, state: FacilityState, load: LoadTracker) -> None:
        """Show the state, after each round of samples."""

    def quiet(self) -> None:
        """Show that nothing moves any more: all callers are hung, or the night is over. May be called more than once."""


class SilentDisplay:
    """The do-nothing display."""

    def phase(self, text: str) -> None:
        """Show nothing."""

    def update(self, night_s: float, state: FacilityState, load: LoadTracker) -> None:
        """Show nothing."""

    def quiet(self) -> None:
        """Do nothing."""
