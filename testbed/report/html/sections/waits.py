"""Who waited for whom at each moment of which there is evidence, and for what in the end: the root in a sentence, and the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.report import waits
from testbed.report.html import markup
from testbed.report.html.fragment import Fragment
from testbed.report.html.markup import Markup, element, joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.report.html.judged import JudgedNight, JudgedReplay
    from testbed.verdict.who_waits import Look

NOTE = (
    "Every blocked request thread was followed to what it waits for, and that to what it waits for in turn. "
    "It is read off thread dumps, the tables of the pools and what the database says of its sessions, and off nothing else."
)


def section(nights: Sequence[JudgedNight]) -> Fragment | None:
    """Return the graph of each moment of each replay; None without any evidence."""
    told = [(replay, looks) for judged in nights for replay in judged.replays if (looks := replay.looks)]
    if not told:
        return None
    replays = [_of_replay(replay, looks) for replay, looks in told]
    return Fragment("waits", "Who waited for whom", joined(element("p", NOTE, class_="note"), *replays))


def _of_replay(replay: JudgedReplay, looks: Sequence[Look]) -> Markup:
    parts = [part for look in looks for part in _of_look(look)]
    return element("section", element("h3", replay.label), *parts, aria_label=f"{replay.label}, who waited for whom")


def _of_look(look: Look) -> list[Markup]:
    root, *others = waits.sentences(look)
    rows = [list(row) for row in waits.rows(look)]
    parts = [element("p", element("strong", f"{waits.title(look).capitalize()}: "), root)]
    if others:
        parts.append(element("ul", *(element("li", sentence) for sentence in others)))
    if rows:
        parts.append(markup.table(f"Who waited for whom {waits.title(look)}", list(waits.HEADINGS), rows))
    return parts
