"""Toxics: what can be done to the bytes of a link. One toxic, one file, one word.

`"type": "latency"` in the API is `latency.py` in this directory, class `Latency`: a frozen dataclass whose fields are
the attributes (whole numbers, 0 when not given, as in Toxiproxy). `noop.py` is the do-nothing twin, and the guide to
writing another.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from testbed.faultproxy.toxic_link import Stage


class Toxic(Protocol):
    """Passes chunks from a stage's input on to what follows it, in its own way.

    `pipe` ends by StreamEnded (passed on as it comes), by closing or resetting the connection, or when interrupted: then it must first
    have sent what it had in hand, and may return or raise Interrupted. A toxic may also have `removed(stage)`, which is called when it is
    taken from a living connection that it works on, `room_chunks`, how many chunks may wait before it, and `refuses(number)`, which is
    asked of each connection before it is served.
    """

    async def pipe(self, stage: Stage) -> None:
        """Receive from `stage.input`, send with `stage.send`."""


def names() -> tuple[str, ...]:
    """Give every type that the API knows."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def load(kind: str) -> type[Toxic]:
    """Give the class of a type; raises KeyError when there is none."""
    if kind not in names():
        raise KeyError(kind)
    toxic: type[Toxic] = getattr(importlib.import_module(f"{__name__}.{kind}"), "".join(map(str.capitalize, kind.split("_"))))
    return toxic
