"""How long the evidence delayed each restart, against the outage (O9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import EvidenceTaken, OperationEvent, Step, Threads
from testbed.verdict.changes import RESTART
from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures

CHECK, FACTS = "evidence_within_s", ("O9",)
BESIDE_S = 0.5  # what a restart may take beside the dumps until its first server is killed, on a busy machine


def check(journal: Journal, figures: Figures, expected: float) -> Finding:
    """Check that no restart waited longer than `expected` seconds for evidence, nor longer than the slowest of it took.

    Broken if there was no restart. Unknown if a service was not dumped before a restart that killed a server, or nobody measured how long
    that took; and if the restart waited for longer than the dumps took, and nobody knows how long the other evidence did.
    """
    restarts = [event for event in journal.of(OperationEvent) if (event.operation, event.state) == (RESTART, "begin")]
    kills = {step.id: step.t_s for step in journal.of(Step) if (step.operation, step.number, step.state) == (RESTART, 1, "begin")}
    if not kills:
        return Finding(CHECK, Verdict.BROKEN, f"nothing was restarted; expected evidence within {expected:g} s", FACTS)
    texts, good = [], True
    for restart in (event for event in restarts if event.id in kills):
        began_s = _outage_began_s(figures, restart)
        dumps = {dump.service: dump for dump in journal.of(Threads) if began_s <= dump.t_s <= kills[restart.id]}
        missing = [name for name in figures.services if name not in dumps or dumps[name].error or dumps[name].took_s is None]
        if missing:
            return Finding(CHECK, Verdict.UNKNOWN, f"no dump of a known length before the restart: {', '.join(missing)}", FACTS)
        taken = [event.took_s for event in journal.of(EvidenceTaken) if began_s <= event.t_s <= kills[restart.id]]
        delay_s, slowest_s = kills[restart.id] - restart.t_s, max(*(dump.took_s or 0.0 for dump in dumps.values()), *taken)
        if slowest_s + BESIDE_S < delay_s <= expected and not _knows_all(journal, began_s, kills[restart.id]):
            text = f"the restart was delayed by {delay_s:.2f} s, and nobody knows how long the evidence before it took"
            return Finding(CHECK, Verdict.UNKNOWN, text, FACTS)
        good = good and delay_s <= min(expected, slowest_s + BESIDE_S)
        texts.append(
            f"evidence of {len(dumps)} services delayed the restart by {delay_s:.2f} s (the slowest took {slowest_s:.2f} s), "
            f"of an outage of {_ended_s(journal, restart) - began_s:.2f} s until the servers were ready"
        )
    return Finding(CHECK, held_if(good), f"{'; '.join(texts)}; expected within {expected:g} s", FACTS)


def _outage_began_s(figures: Figures, restart: OperationEvent) -> float:
    """Return when the first service was stuck that still was so at the restart; without one, when the restart began."""
    before = [span.from_s for spans in figures.spans.values() for span in spans if span.from_s <= restart.t_s <= span.to_s + BESIDE_S]
    return min(before, default=restart.t_s)


def _knows_all(journal: Journal, from_s: float, to_s: float) -> bool:
    """Whether evidence was taken in a span, and all of it was had."""
    taken = [event for event in journal.of(EvidenceTaken) if from_s <= event.t_s <= to_s]
    return bool(taken) and not any(event.error for event in taken)


def _ended_s(journal: Journal, restart: OperationEvent) -> float:
    ends = [event.t_s for event in journal.of(OperationEvent) if (event.operation, event.id) == (RESTART, restart.id)]
    return max(ends)
