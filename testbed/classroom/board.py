"""The board: what all pages of a class show, by keys. What changes is told once; who comes late is told all of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = Any  # what a page is sent, and what becomes JSON


@dataclass(slots=True)
class Board:
    """The values by their keys, none of which is None: for a page that is a key that is gone."""

    values: dict[str, Json] = field(default_factory=dict)
    _changed: dict[str, Json] = field(default_factory=dict)

    def set(self, key: str, value: Json) -> None:
        """Set a value; None removes it."""
        if self.values.get(key) == value:
            return
        if value is None:
            del self.values[key]
        else:
            self.values[key] = value
        self._changed[key] = value

    def update(self, values: Mapping[str, Json]) -> None:
        """Set several values."""
        for key, value in values.items():
            self.set(key, value)

    def take_changes(self) -> dict[str, Json]:
        """Return what has changed since the last call, by key; None for what was removed."""
        changed, self._changed = self._changed, {}
        return changed
