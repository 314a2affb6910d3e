"""How far the crack went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan.expectation import Crack
from testbed.verdict import outcome
from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: tuple[int, ...]) -> Finding:
    """Compare the crack with the expected levels; unknown where a service was not seen, or too seldom: it may have gone further."""
    reached, *further = outcome.possible_cracks(journal, figures)
    wanted = " or ".join(f"{level} ({Crack(level).word})" for level in expected)
    unseen = ", ".join(sorted(figures.evidence.unseen))
    if unseen and reached < max(Crack):
        return Finding(
            "crack", Verdict.UNKNOWN, f"crack at least {reached} ({reached.word}), expected {wanted}; not seen: {unseen}", ("S8",)
        )
    if any((level in expected) is not (reached in expected) for level in further):
        perhaps = " or ".join(f"{level} ({level.word})" for level in further)
        text = f"crack at least {reached} ({reached.word}), and perhaps {perhaps}, expected {wanted}"
        seldom = ", ".join(service for service, spans in figures.possible_spans.items() if len(spans) > len(figures.spans[service]))
        return Finding("crack", Verdict.UNKNOWN, f"{text}; not looked at often enough: {seldom or 'who was stuck at one time'}", ("S8",))
    return Finding("crack", held_if(reached in expected), f"crack {reached} ({reached.word}), expected {wanted}", ("S8",))
