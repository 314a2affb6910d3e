"""The night, moment by moment: what was done to the facility, the quiet hours, the first failure, the hang, and what brought it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.report.counted import counted
from testbed.report.html import markup, moments
from testbed.report.html.fragment import Fragment
from testbed.report.html.markup import Markup, element, joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.report.html.judged import JudgedNight, JudgedReplay
    from testbed.report.html.moments import Moment

MOST_MOMENTS = 200


def section(nights: Sequence[JudgedNight]) -> Fragment | None:
    """Return a list of moments for each replay."""
    body = [
        element(
            "p",
            "Times are those of the night's clock; in brackets stand real seconds after the replay's start.",
            class_="note",
        )
    ]
    for judged in nights:
        if len(nights) > 1:
            body.append(element("h3", judged.title))
        heading = "h4" if len(nights) > 1 else "h3"
        body.append(element("div", *(_list(replay, heading) for replay in judged.replays), class_="columns"))
    return Fragment("timeline", "The night, moment by moment", joined(*body))


def _list(replay: JudgedReplay, heading: str) -> Markup:
    found = moments.of(replay)
    more = [element("p", f"And {len(found) - MOST_MOMENTS} more.", class_="note")] if len(found) > MOST_MOMENTS else []
    items = element("ol", *map(_item, found[:MOST_MOMENTS]), class_="moments")
    return element("section", element(heading, replay.name), items, *more, aria_label=f"{replay.label}, moment by moment")


def _item(moment: Moment) -> Markup:
    steps: list[Markup] = []
    if moment.parts:
        count = "in full" if moment.kind == moments.BAD else counted(len(moment.parts), "step")
        steps = [markup.details(count, element("ul", *(element("li", part) for part in moment.parts)))]
    return element("li", element("span", moments.text(moment), class_="when"), " ", moment.what, *steps, class_=moment.kind)
