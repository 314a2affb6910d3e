"""Toxics: what can be done to the bytes of a link. One toxic, one file, one word.

`"type": "latency"` in the API is `latency.py` in this directory, class `Latency`: a frozen dataclass whose fields are the attributes
(whole numbers, 0 when not given, as in Toxiproxy). `noop.py` is the do-nothing twin, and the guide to writing another; the protocol is
`Toxic` in stage.py. A toxic imports stage.py and stream.py, and no other toxic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.registry import load_word, words_in

if TYPE_CHECKING:
    from testbed.faultproxy.stage import Toxic


def names() -> tuple[str, ...]:
    """Return every type that the API knows, sorted."""
    return words_in(__path__)


def load(kind: str) -> type[Toxic]:
    """Return the class of a type; raises KeyError when there is none, and WordError when its file is wrong."""
    toxic: type[Toxic] = load_word(__name__, __path__, kind, "pipe")
    return toxic
