"""How long passengers waited for an answer, from when their request was due (W2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures
    from testbed.verdict.latency import Latency


def check(journal: Journal, figures: Figures, expected: float) -> Finding:
    """Compare the longest wait after the first fault (of all, without one) with the most expected; what was never answered took longer.

    What failed is left out: it was no answer. Unknown if nobody was answered, nor waited.
    """
    half = figures.judged_half
    waits = {caller: halves[half] for caller, halves in figures.latency.items() if halves[half].answered or halves[half].unanswered}
    texts = [f"{caller} {_longest(wait)} ({wait.answered} answered, {wait.unanswered} unanswered)" for caller, wait in waits.items()]
    text = f"longest wait: {', '.join(texts) or 'nobody was answered, nor waited'}; expected at most {expected:g} s"
    if not waits:
        return Finding("answered_within_s", Verdict.UNKNOWN, text)
    good = all(wait.longest_s is not None and wait.longest_s <= expected for wait in waits.values())
    return Finding("answered_within_s", held_if(good), text)


def _longest(wait: Latency) -> str:
    return "never" if wait.longest_s is None else f"{wait.longest_s:.2f} s"
