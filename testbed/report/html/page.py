"""The page: one HTML file, whole in itself.

Its content security policy forbids every request, and every script but those whose checksums it names: whatever a journal says, nothing
of it is run.
"""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files
from typing import TYPE_CHECKING

from testbed.report.html import judged
from testbed.report.html.fragment import Fragment
from testbed.report.html.markup import Markup, element, joined, void
from testbed.report.html.sections import after_the_stop, charts, compared, findings, origin, others, stacks, summary, timeline, waits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.report.html.fragment import Section
    from testbed.report.html.judged import JudgedNight
    from testbed.verdict.result import Result

# The page from top to bottom. A section that is to come is a file in sections/ and an entry here.
SECTIONS: tuple[Section, ...] = (
    summary.section,
    timeline.section,
    charts.section,
    waits.section,
    after_the_stop.questions,
    after_the_stop.warned,
    stacks.section,
    compared.section,
    findings.section,
    origin.section,
)
MOST_REPLAYS = 16  # that a page tells in full: a hundred would be no page any more, on a telephone least of all
SCRIPTS = (
    "vendor/d3.min.js",
    "vendor/plot.umd.min.js",
    "vendor/dagre.min.js",
    "page.js",
    "wait_graph.js",
    "graph.js",
)  # each uses those before it
STYLE = "page.css"
FAILED = "This section could not be made"


def page(
    results: Sequence[Result], sections: Sequence[Section] = SECTIONS, contained_by: Mapping[tuple[str, str], tuple[str, ...]] | None = None
) -> str:
    """Return the report of some replays as an HTML file; at least one, or there is nothing to report.

    Past `MOST_REPLAYS`, each of the others is a row of a table, below the first section.
    `contained_by`: by scenario and runtime, the variants over which a kept matrix says that the airline was not grounded.
    """
    of_all = judged.of(results, contained_by or {})
    nights = judged.first(of_all, MOST_REPLAYS)
    told = [fragment for section in sections if (fragment := _made(section, nights)) is not None]
    if (rest := _made(lambda shown: others.section(of_all, shown), nights)) is not None:
        told.insert(1, rest)
    titles = "; ".join(dict.fromkeys(f"{night.title}, {night.replays[0].journal.header.night.date}" for night in of_all))
    scripts = [_script(name) for name in SCRIPTS]
    head = element(
        "head",
        void("meta", charset="utf-8"),
        void("meta", http_equiv="Content-Security-Policy", content=_policy(scripts)),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", name="color-scheme", content="light dark"),
        void("link", rel="icon", href="data:,"),  # or a browser would ask for one
        element("title", titles),
        element("style", Markup(_file(STYLE))),
    )
    contents = element("ol", *(element("li", element("a", fragment.title, href=f"#{fragment.anchor}")) for fragment in told))
    body = element(
        "body",
        element("a", "Skip to the report", href="#report", class_="skip"),
        element("header", element("h1", titles), element("nav", contents, aria_label="Sections")),
        element("main", *map(_section, told), id="report"),
        element("noscript", element("p", "Charts are drawn by a script, which does not run here; their tables have the numbers.")),
        *(element("script", Markup(script)) for script in scripts),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _made(section: Section, nights: Sequence[JudgedNight]) -> Fragment | None:
    """Return a section; where it itself fails, one that says so, and the rest of the page is there."""
    try:
        return section(nights)
    except Exception as error:  # noqa: BLE001 - the border of a section: whatever can be judged can be reported
        word = getattr(section, "__module__", "section").rpartition(".")[2]
        return Fragment(word, word, element("p", f"{FAILED}: {type(error).__name__}: {error}", class_="outcome unknown"))


def _section(fragment: Fragment) -> Markup:
    heading = f"{fragment.anchor}-title"
    content = joined(element("h2", fragment.title, id=heading), fragment.body)
    return element("section", content, id=fragment.anchor, aria_labelledby=heading)


def _policy(scripts: Sequence[str]) -> str:
    """Return a content security policy: nothing is fetched, nothing is sent, and only these scripts run."""
    sums = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{checksum}'" for checksum in sums)
    # What draws writes styles into its SVG; a style can ask for nothing here, either.
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def _script(name: str) -> str:
    """Return a script without the address of its source map, for which a browser's developer tools would ask."""
    return re.sub(r"^//# sourceMappingURL=.*$", "", _file(name), flags=re.MULTILINE)


def _file(name: str) -> str:
    return files("testbed.report.html").joinpath(name).read_text(encoding="utf-8")
