"""Tables that lose nothing on a narrow terminal: lines end at spaces and after underscores, and what is too wide is several tables."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from rich import box
from rich.cells import cell_len
from rich.constrain import Constrain
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType

WORD = re.compile(r"[^ ]+")
PIECE = re.compile(r"[^_]*_+|[^_]+")  # of a word that is longer than a line: names of checks and variants are long, and have no spaces


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A text whose lines end at spaces, or after an underscore in a word that fits no line; a longer piece is cut, and never lost."""

    text: Text

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(longest_piece(self.text.plain), longest_line(self.text.plain)).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        yield Text("\n").join(lines(self.text, options.max_width))


def longest_piece(text: str) -> int:
    """Return the width, in characters, that shows a text without a cut inside a piece of a word."""
    return max((cell_len(piece) for word in WORD.findall(text.replace("\n", " ")) for piece in PIECE.findall(word)), default=0)


def longest_line(text: str) -> int:
    """Return the width, in characters, that shows a text with its own lines only."""
    return max(map(cell_len, text.split("\n")))


def lines(text: Text, width: int) -> list[Text]:
    """Return a text in lines of at most so many characters; the spaces where a line ends are left out."""
    return [line for own in text.split("\n", allow_blank=True) for line in _lines(own, max(1, width))]


def _lines(text: Text, width: int) -> Iterator[Text]:
    """Yield the lines of a text without ends of its own; it is divided once, because each slice of it is as much work as it is long."""
    ends = [at for span in _spans(text.plain, width) for at in span]
    yield from text.divide(ends)[1::2]  # between two lines is what is left out


def _spans(plain: str, width: int) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each line."""
    start = end = 0
    for piece_start, piece_end in _pieces(plain, width):
        if end > start and cell_len(plain[start:piece_end]) > width:
            yield start, end
            start = piece_start
        for cut in _cuts(plain, start, piece_end, width):
            yield start, cut
            start = cut
        end = piece_end
    yield start, end


def _cuts(plain: str, start: int, end: int, width: int) -> Iterator[int]:
    """Yield where a piece is cut that fits no line: one character after the other, however many there are."""
    begin, used = start, 0
    for at in range(start, end):
        wide = cell_len(plain[at])
        if used + wide > width and at > begin:
            yield at
            begin, used = at, 0
        used += wide


def _pieces(plain: str, width: int) -> Iterator[tuple[int, int]]:
    """Yield begin and end of what is not divided: words, and the pieces of one that fits no line."""
    for word in WORD.finditer(plain):
        if cell_len(word[0]) <= width:
            yield word.span()
        else:
            yield from ((word.start() + piece.start(), word.start() + piece.end()) for piece in PIECE.finditer(word[0]))


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, on which side its cells stand, and how many characters it gets at least, if a cell is as long."""

    heading: str
    justify: Literal["left", "right"] = "left"
    least: int = 10


@dataclass(slots=True)
class FittedTable:
    """A table in the width of the terminal. Where not even its longest words fit, it is several.

    Each of these begins with the first `labels` columns. The title stands above the first, the caption below the last.
    """

    columns: Sequence[Column]
    title: str | Text = ""
    caption: str = ""
    labels: int = 1
    rows: list[tuple[Text, ...]] = field(default_factory=list)
    sections: set[int] = field(default_factory=set)

    def add_row(self, *cells: str | Text) -> None:
        """Add a row: a cell for each column."""
        self.rows.append(tuple(cell if isinstance(cell, Text) else Text(cell) for cell in cells))

    def add_section(self) -> None:
        """Draw a line below the last row."""
        self.sections.add(len(self.rows))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        whole = list(range(len(self.columns)))
        padding = 1
        if sum(map(self._most, whole)) + _between(len(whole), padding) > options.max_width:
            padding = 0
        parts = list(self._parts(options.max_width, padding))
        for number, part in enumerate(parts):
            widths = self._widths(part, options.max_width - _between(len(part), padding))
            width = sum(widths) + _between(len(part), padding)
            if not number and self.title:
                yield _above_or_below(self.title, "table.title", width, options)
            yield self._table(part, widths, padding)
            if number == len(parts) - 1 and self.caption:
                yield _above_or_below(self.caption, "table.caption", width, options)

    def _parts(self, width: int, padding: int) -> Iterator[list[int]]:
        """Yield the columns of each table, by number."""
        labels = list(range(self.labels))
        part = list(labels)
        for number in range(self.labels, len(self.columns)):
            needed = sum(map(self._least, [*part, number])) + _between(len(part) + 1, padding)
            if len(part) > len(labels) and needed > width:
                yield part
                part = list(labels)
            part.append(number)
        yield part

    def _widths(self, part: Sequence[int], width: int) -> list[int]:
        """Return the widths of the columns of a table, together at most `width`: the longest ones are bounded, all by the same width."""
        least, most = [[of(number) for number in part] for of in (self._least, self._most)]
        bounded = least
        for bound in range(1, max(most) + 1):
            wider = [max(low, min(high, bound)) for low, high in zip(least, most, strict=True)]
            if sum(wider) > width:
                break
            bounded = wider
        while sum(bounded) > width > len(part):  # not even the words fit: the longest are cut
            bounded[bounded.index(max(bounded))] -= 1
        return bounded

    def _texts(self, number: int) -> Iterator[str]:
        yield self.columns[number].heading
        yield from (row[number].plain for row in self.rows)

    def _most(self, number: int) -> int:
        return max(1, *map(longest_line, self._texts(number)))

    def _least(self, number: int) -> int:
        return max(1, *map(longest_piece, self._texts(number)), min(self.columns[number].least, self._most(number)))

    def _table(self, part: Sequence[int], widths: Sequence[int], padding: int) -> Table:
        drawn = Table(box=box.SIMPLE_HEAD, padding=(0, padding, 0, 0))
        for number, width in zip(part, widths, strict=True):
            column = self.columns[number]
            drawn.add_column(Wrapped(Text(column.heading)), justify=column.justify, width=width)
        for count, row in enumerate(self.rows, start=1):
            drawn.add_row(*(Wrapped(row[number]) for number in part), end_section=count in self.sections)
        return drawn


def _between(columns: int, padding: int) -> int:
    """Return how many characters stand between and beside the cells of so many columns."""
    return columns * padding + columns - 1 + 2


def _above_or_below(words: str | Text, style: str, width: int, options: ConsoleOptions) -> RenderableType:
    """Return a title or a caption, as wide as its table; wider, where a word of it is."""
    text = Text(words, style) if isinstance(words, str) else words
    width = min(options.max_width, max(width, longest_piece(text.plain)))
    drawn = Text("\n").join(lines(text, width))
    drawn.justify = "center"
    return Constrain(drawn, width)
