"""Rows of a report, before its columns are divided to fit a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

LABEL, NARROWEST = 24, 18  # characters: the names of rows, and a column that can be read, both with the space around them


class Nothing(str):
    """What a cell says where there is nothing to tell; a row of such cells only is left out."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a name and a cell for each column. `apart`: a blank line is between them; otherwise only before the last, if `total`."""

    title: str
    heading: str
    rows: Sequence[tuple[str, Sequence[RenderableType]]]
    apart: bool = False
    total: bool = False

    def told(self) -> Rows:
        """Return it without the rows that tell nothing of any column."""
        rows = [row for row in self.rows if not all(isinstance(cell, Nothing) for cell in row[1])]
        return Rows(self.title, self.heading, rows, self.apart, self.total)

    def tables(self, names: Sequence[str], width: int) -> Iterator[Table]:
        """Return as few tables as hold every column in this width (characters) so that it can be read; the first has the title."""
        fit = max(1, (width - LABEL) // NARROWEST)
        for first in range(0, len(names) if self.rows else 0, fit):
            drawn = Table(title=None if first else Text(self.title, "bold"), box=box.SIMPLE_HEAD, show_lines=self.apart)
            drawn.add_column(self.heading, no_wrap=True, overflow="fold")
            for name in names[first : first + fit]:
                drawn.add_column(Text(name), ratio=1 if self.apart else None, overflow="fold")
            for number, (name, cells) in enumerate(self.rows, start=1):
                drawn.add_row(name, *cells[first : first + fit], end_section=self.total and number == len(self.rows) - 1)
            yield drawn
