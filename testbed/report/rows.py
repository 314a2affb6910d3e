"""Rows of a report, before its columns are divided to fit a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from testbed.report.fitted import Wrapped, longest_line, longest_piece

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

LABEL, NARROWEST = 24, 18  # characters: the names of rows, and a column that can be read, both with the space around them
BESIDE = 4  # characters of space beside the names of rows, the table's edge among them


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
        labels = self._labels_width(max(LABEL, width - NARROWEST * min(fit, len(names))) - BESIDE)
        for first in range(0, len(names) if self.rows else 0, fit):
            drawn = Table(title=None if first else Text(self.title, "bold"), box=box.SIMPLE_HEAD, show_lines=self.apart)
            drawn.add_column(Wrapped(Text(self.heading)), width=labels)
            for name in names[first : first + fit]:
                drawn.add_column(Wrapped(Text(name)), ratio=1 if self.apart else None)
            for number, (name, cells) in enumerate(self.rows, start=1):
                shown = map(_wrapped, (name, *cells[first : first + fit]))
                drawn.add_row(*shown, end_section=self.total and number == len(self.rows) - 1)
            yield drawn

    def _labels_width(self, most: int) -> int:
        """Return how many characters the names of the rows have: at most so many, unless a word of one needs more."""
        texts = [self.heading, *(name for name, _ in self.rows)]
        return max(*map(longest_piece, texts), min(most, max(map(longest_line, texts))))


def _wrapped(cell: RenderableType) -> RenderableType:
    """Return a cell whose lines end between words, and after underscores."""
    if isinstance(cell, str):
        return Wrapped(Text(cell))
    return Wrapped(cell) if isinstance(cell, Text) else cell
