"""What this is, and what became of the airline over each variant: for somebody who never saw the testbed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan.expectation import Crack, Outcome
from testbed.report import side_by_side
from testbed.report.html.fragment import Fragment
from testbed.report.html.markup import Markup, element, joined
from testbed.verdict.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.report.html.judged import JudgedNight, JudgedReplay

WHAT = (
    "An airline stood still because one exception left database connections unreturned; this testbed replays that night, or another like "
    "it, on real databases, sockets and threads, with passengers of a real schedule. The variants of a night met the same passengers and "
    "the same trouble, if there was any, with other code or other settings."
)
MEANING = {
    Outcome.UNHARMED: "every transaction was answered in time",
    Outcome.CONTAINED: "some transactions failed or were late, and service came back by itself",
    Outcome.GROUNDED: "the airline stood still, or needed a hand to bring service back",
    None: "the journal does not show it",
}
SIGN = {Outcome.UNHARMED: "✓", Outcome.CONTAINED: "◐", Outcome.GROUNDED: "✕", None: "?"}
VERDICT_SIGN = {Verdict.HELD: "✓", Verdict.BROKEN: "✕", Verdict.UNKNOWN: "?"}


def section(nights: Sequence[JudgedNight]) -> Fragment | None:
    """Return the introduction, and a card for each replay."""
    body = [element("p", WHAT, class_="what")]
    for judged in nights:
        header = judged.replays[0].journal.header
        if len(nights) > 1:
            body.append(element("h3", judged.title))
        body.append(element("p", f"The night of {header.night.date}; {judged.night.name}", class_="note"))
        body.append(element("div", *map(_card, judged.replays), class_="cards"))
    return Fragment("summary", "What became of the airline", joined(*body))


def _card(replay: JudgedReplay) -> Markup:
    judgement = replay.judgement
    outcome, crack = judgement.outcome, judgement.crack
    word = outcome or "unknown"
    levels = [element("span", class_="level reached" if level <= crack else "level") for level in Crack if level]
    verdict = side_by_side.verdict_text(judgement).plain
    return element(
        "article",
        element("h4", replay.name),
        element(
            "p",
            element("span", SIGN[outcome], aria_hidden="true"),
            " ",
            element("strong", word),
            f": {MEANING[outcome]}.",
            class_=f"outcome {word}",
        ),
        element("p", _sentence(judgement.reason.text), class_="reason"),
        element(
            "dl",
            element("dt", "Crack, from 0 to 6"),
            element("dd", element("span", *levels, class_="levels", aria_hidden="true"), side_by_side.crack_text(judgement)),
            element("dt", "Verdict"),
            element("dd", element("span", VERDICT_SIGN[judgement.verdict], aria_hidden="true"), f" {verdict}"),
        ),
        class_=f"card {word}",
        aria_label=f"{replay.label}: {word}",
    )


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
