"""The name of a metric in a table, with the labels that must be there: `hikaricp_connections_active{pool="main"}`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*')
ESCAPED = re.compile(r"\\(.)")
ALLOWED = 'allowed: a name such as hikaricp_connections_active, or with labels, hikaricp_connections_active{pool="main"}'


@dataclass(frozen=True, slots=True)
class MetricName:
    """A name, and the labels with the values that a sample must have; it may have others."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()

    def fits(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether a sample is one of these."""
        return name == self.name and all(labels.get(label) == value for label, value in self.labels)

    @classmethod
    def parse(cls, text: str) -> MetricName:
        """Parse a name; raises ValueError for what is none, with what is allowed."""
        name, brace, rest = text.strip().partition("{")
        name = name.rstrip()
        if not NAME.fullmatch(name) or (brace and not rest.endswith("}")):
            raise ValueError(f"{text!r} is no metric; {ALLOWED}")
        labels: list[tuple[str, str]] = []
        place, inner = 0, rest[:-1]
        while inner[place:].strip():
            label = LABEL.match(inner, place)
            if label is None:
                raise ValueError(f"{text!r} is no metric; {ALLOWED}")
            labels.append((label[1], ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], label[2])))
            place = label.end()
            if inner[place:].strip() and inner[place] != ",":
                raise ValueError(f"{text!r} is no metric; {ALLOWED}")
            place += inner[place : place + 1] == ","
        return cls(name, tuple(labels))
