"""The stability patterns of a caller around its calls: one function knows which are on, and their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flight_search.callers.call import Send
    from flight_search.settings import CallerSettings


def guarded(send: Send, settings: CallerSettings) -> Send:  # noqa: ARG001 - the patterns come one by one
    """Put the patterns that are set around the making of a call; where none is set, it is left as it is.

    From the outermost to the call itself:
    """
    return send
