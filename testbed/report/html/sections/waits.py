"""Who waited for whom at each moment of which there is evidence: the root in a sentence, the graph, and the graph as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.report import waits
from testbed.report.html import chart, markup, wait_graph
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
LEGEND = (
    "An arrow leads from who waits to what is waited for; its number says how many threads, sessions or connections wait, and so does its "
    "width. The box with the double frame is the root: what most of them wait for in the end. Point at a box, or tab to it, to see its way."
)


def section(nights: Sequence[JudgedNight]) -> Fragment | None:
    """Return the graph of each moment of each replay; None without any evidence."""
    told = [(replay, looks) for judged in nights for replay in judged.replays if (looks := replay.looks)]
    if not told:
        return None
    replays = [_of_replay(replay, looks) for replay, looks in told]
    return Fragment("waits", "Who waited for whom", joined(element("p", NOTE, class_="note"), *replays))


def _of_replay(replay: JudgedReplay, looks: Sequence[Look]) -> Markup:
    parts = [part for look in looks for part in _of_look(replay, look)]
    return element("section", element("h3", replay.label), *parts, aria_label=f"{replay.label}, who waited for whom")


def _of_look(replay: JudgedReplay, look: Look) -> list[Markup]:
    root, *others = waits.sentences(look)
    rows = [list(row) for row in waits.rows(look)]
    when = waits.title(look, replay.judgement.figures)
    title = f"Who waited for whom; {when}"
    parts = [element("p", element("strong", f"{when.capitalize()}: "), root)]
    if others:
        parts.append(element("ul", *(element("li", sentence) for sentence in others)))
    graph = wait_graph.of(look.who_waits, replay.journal.header.facility)
    if graph is not None:
        data = element("script", Markup(chart.as_json(graph.data())), type="application/json")
        parts.append(element("div", data, class_="graph", role="group", aria_label=f"{replay.label}, {title}", data_replay=replay.label))
        parts.append(element("p", LEGEND, class_="note"))
    if rows:
        parts.append(markup.details(f"{title}, as a table", markup.table(title, list(waits.HEADINGS), rows)))
    return parts
