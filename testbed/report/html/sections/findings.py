"""Every check with its finding, and the facts of the case that are concerned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan.facts import FACTS
from testbed.report.html import markup
from testbed.report.html.fragment import Fragment
from testbed.report.html.markup import Markup, element, joined
from testbed.report.html.sections.summary import VERDICT_SIGN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.report.html.judged import JudgedNight, JudgedReplay


def section(nights: Sequence[JudgedNight]) -> Fragment | None:
    """Return a table of findings for each replay, and what the ids of facts mean."""
    replays = [replay for judged in nights for replay in judged.replays]
    named = {fact for replay in replays for finding in replay.judgement.findings for fact in finding.facts}
    body = [_findings(replay) for replay in replays]
    told = [joined(element("dt", fact), element("dd", text)) for fact, text in FACTS.items() if fact in named]
    if told:
        body.append(markup.details("The facts of the case that are named here", element("dl", *told)))
    return Fragment("findings", "Every check", joined(*body))


def _findings(replay: JudgedReplay) -> Markup:
    rows = [
        [
            finding.check,
            joined(element("span", VERDICT_SIGN[finding.verdict], aria_hidden="true"), f" {finding.verdict.value}"),
            finding.text,
            ", ".join(finding.facts) or "none",
        ]
        for finding in replay.judgement.findings
    ]
    return markup.table(f"Checks of {replay.label}", ["check", "verdict", "finding", "facts"], rows, class_="findings")
