"""HTML that is put together from elements; every other text is escaped, whoever wrote it."""

from __future__ import annotations

import html

from testbed.errors import shortened, visible

MOST_CHARACTERS = 4_000  # of one text: a journal may have a line of many megabytes, and a page shall not


class Markup(str):
    """A text that is HTML already."""

    __slots__ = ()


def text(words: str) -> Markup:
    """Return a text as HTML that shows it: escaped, in bounds, and with control characters and lone surrogates made visible."""
    if isinstance(words, Markup):
        return words
    shown = visible(shortened(words, MOST_CHARACTERS)).encode("utf-8", "backslashreplace").decode("utf-8")
    return Markup(html.escape(shown))


def joined(*parts: str) -> Markup:
    """Return texts and elements, one after the other."""
    return Markup("".join(map(text, parts)))


def element(tag: str, *children: str, **attributes: str | None) -> Markup:
    """Return an element with its children; an attribute that is None is left out, and one that is empty stands without a value.

    `class_` is written `class`, and `aria_label` is `aria-label`.
    """
    return Markup(f"{_opened(tag, attributes)}{joined(*children)}</{tag}>")


def void(tag: str, **attributes: str | None) -> Markup:
    """Return an element that has no end, such as `input`."""
    return Markup(_opened(tag, attributes))


def _opened(tag: str, attributes: dict[str, str | None]) -> str:
    given = "".join(
        f" {name.strip('_').replace('_', '-')}" + (f'="{text(value)}"' if value else "")
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{given}>"


def table(caption: str, heads: list[str], rows: list[list[str]], *, class_: str = "") -> Markup:
    """Return a table whose first column names its rows; on a narrow screen each row is a block, in which every cell has its heading.

    The roles stand there because a table that is drawn as blocks would be none for a screen reader.
    """
    head = element("tr", *(element("th", name, scope="col", role="columnheader") for name in heads), role="row")
    body = [
        element(
            "tr",
            element("th", row[0], scope="row", role="rowheader"),
            *(element("td", cell, role="cell", data_head=name) for name, cell in zip(heads[1:], row[1:], strict=True)),
            role="row",
        )
        for row in rows
    ]
    return element(
        "table",
        element("caption", caption),
        element("thead", head, role="rowgroup"),
        element("tbody", *body, role="rowgroup"),
        class_=class_ or None,
        role="table",
    )


def details(summary: str, *children: str, print_: bool = True) -> Markup:
    """Return something that unfolds; `print_`: it is unfolded on paper, too."""
    return element("details", element("summary", summary), *children, class_="print" if print_ else None)
