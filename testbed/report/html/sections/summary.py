"""What this is, and what became of the airline over each variant: for somebody who never saw the testbed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan.expectation import Crack, Outcome
from testbed.report import side_by_side
from testbed.report.html import markup
from testbed.report.html.fragment import Fragment
from testbed.report.html.markup import Markup, element, joined
from testbed.report.settings import name_text, setting_text
from testbed.verdict.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.report.html.judged import JudgedNight, JudgedReplay

WHAT = (
    "An airline stood still because one exception left database connections unreturned; this testbed replays that night, or another like "
    "it, on real databases, sockets and threads, with passengers of a real schedule."
)
VARIANTS = "The variants of a night met the same passengers and the same trouble, if there was any, with other code or other settings."
AGAIN = "The replays of a night met the same passengers and the same trouble, if there was any, with the same code and the same settings."
MEANING = {
    Outcome.UNHARMED: "every transaction was answered in time",
    Outcome.CONTAINED: "some transactions failed or were late, and service came back by itself",
    Outcome.GROUNDED: "the airline stood still, or needed a hand to bring service back",
    None: "the journal does not show it",
}
CRACK = (
    "how far the trouble went: 0 nothing; 1 lookup, calls failed; 2 pool, connections leaked; 3 server, all request threads of one "
    "application server blocked; 4 facility, of every one; 5 caller, of one calling system; 6 airline, of every one"
)
WORDS = (
    (
        "kiosk, ivr, partner",
        "calling systems: check-in kiosks, the telephone system, and travel agencies; passengers use the airline by them",
    ),
    (
        "cf-1, cf-2",
        "application servers of the flight search, which calling systems ask, and which ask the database over a pool of connections",
    ),
    ("request thread", "serves one request at a time; a service whose request threads are all blocked serves nobody"),
    *((outcome.value, meaning) for outcome, meaning in MEANING.items() if outcome is not None),
    ("crack", CRACK),
    ("held", "the verdict where the night came out as its scenario expects: of the code that failed, that is grounded"),
    ("broken, unknown", "the verdict where it came out otherwise; where the journal does not show it"),
)
MOST_SETTINGS = 6  # of a card
SIGN = {Outcome.UNHARMED: "✓", Outcome.CONTAINED: "◐", Outcome.GROUNDED: "✕", None: "?"}
VERDICT_SIGN = {Verdict.HELD: "✓", Verdict.BROKEN: "✕", Verdict.UNKNOWN: "?"}


def section(nights: Sequence[JudgedNight]) -> Fragment | None:
    """Return the introduction, and a card for each replay."""
    body = [element("p", " ".join([WHAT, *_alike(nights)]), class_="what")]
    for judged in nights:
        header = judged.replays[0].journal.header
        if len(nights) > 1:
            body.append(element("h3", judged.title))
        body.append(element("p", f"The night of {header.night.date}; {judged.night.name}", class_="note"))
        if judged.night.outcomes:
            body.append(element("p", element("strong", judged.night.outcomes), class_="outcomes"))
        differ, heading = _differing(judged), "h4" if len(nights) > 1 else "h3"
        cards = (_card(replay, journal, differ, heading) for replay, journal in zip(judged.replays, judged.night.journals, strict=False))
        body.append(element("div", *cards, class_="cards"))
    body.append(
        markup.details("What these words mean", element("dl", *(joined(element("dt", word), element("dd", text)) for word, text in WORDS)))
    )
    return Fragment("summary", "What became of the airline", joined(*body))


def _alike(nights: Sequence[JudgedNight]) -> list[str]:
    """Return in what the replays of a night differ, if there are several of any night."""
    several = [judged for judged in nights if len(judged.replays) > 1]
    differ = any(_differing(judged) or len({replay.journal.header.variant for replay in judged.replays}) > 1 for judged in several)
    return [VARIANTS if differ else AGAIN] if several else []


def _differing(judged: JudgedNight) -> tuple[tuple[str, str], ...]:
    """Return the settings, by role and name, in which the replays of a night differ; none of a replay that is alone."""
    all_of = [replay.journal.header.settings for replay in judged.replays]
    names = dict.fromkeys((role, name) for settings in all_of for role, values in settings.items() for name in values)
    return tuple(key for key in names if len({repr(settings.get(key[0], {}).get(key[1])) for settings in all_of}) > 1)


def _card(replay: JudgedReplay, journal: str, differ: Sequence[tuple[str, str]], heading: str) -> Markup:
    judgement = replay.judgement
    outcome, crack = judgement.outcome, judgement.crack
    word = outcome or "unknown"
    levels = [element("span", class_="level reached" if level <= crack else "level") for level in Crack if level]
    verdict = side_by_side.verdict_text(judgement).plain
    settings = replay.journal.header.settings
    own = [_own(name, settings.get(role, {})) for role, name in differ[:MOST_SETTINGS]]
    more = [f"and {len(differ) - MOST_SETTINGS} more"] if len(differ) > MOST_SETTINGS else []
    return element(
        "article",
        element(heading, replay.name),
        element("p", f"Its own settings: {', '.join([*own, *more])}", class_="note") if own else Markup(),
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
            element("dt", "Journal"),
            element("dd", journal),
        ),
        class_=f"card {word}",
        aria_label=f"{replay.label}: {word}",
    )


def _own(name: str, settings: Mapping[str, object]) -> str:
    return setting_text(name, settings[name]) if name in settings else f"{name_text(name)}: not told"


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
