"""What most threads waited for in the end (O5 to O7, P1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import EvidenceTaken, Threads
from testbed.plan.clock import clock_text
from testbed.verdict import outages, who_waits
from testbed.verdict.busyness import MACHINE_BUSY
from testbed.verdict.causes.request_threads import count_at_work
from testbed.verdict.finding import Finding, Verdict, held_if
from testbed.verdict.stuck_spans import samples_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.journal.reader import Journal
    from testbed.plan.expectation import Root
    from testbed.verdict.figures import Figures
    from testbed.verdict.who_waits import Look

CHECK, FACTS = "root", ("O7", "P1")
NOBODY = "nobody"
BESIDE_S = 2.0  # real seconds between evidence and a sample that tells as much
BEFORE_S, WITHIN_S = 0.5, 5.0  # evidence is of the moment at which a dump was begun, or of one as much later as it takes on a busy machine


def check(journal: Journal, figures: Figures, expected: Root) -> Finding:
    """Compare the root at the worst moment, that with the most blocked threads, with what is expected; unknown without any evidence.

    Unknown also where the evidence of that moment could not be read, or does not tell what at least half of the threads wait for; and where
    another moment may have been worse, or the same one otherwise, of which a dump or the evidence is missing.
    """
    looks = who_waits.of_journal(journal)
    worst = who_waits.worst_of(looks)
    if worst is None:
        return Finding(CHECK, Verdict.UNKNOWN, "no threads were dumped, and no evidence was taken", FACTS)
    root, at = worst.who_waits.root, clock_text(worst.night_s, seconds=False)
    busy = MACHINE_BUSY if worst.machine_busy else ""
    wanted = f"{expected.code}{f' at {expected.at}' if expected.at else ''}"
    if worst.unread or (root is not None and not worst.who_waits.knows_root):
        why = worst.unread or "; ".join(filter(None, (worst.who_waits.doubt, str(root), *map(str, worst.who_waits.unseen[:1]))))
        return Finding(CHECK, Verdict.UNKNOWN, f"at {at} the root is not known: {why}; expected {wanted}", FACTS, busy)
    missing = _missing(journal, figures, looks, worst)
    if missing:
        return Finding(CHECK, Verdict.UNKNOWN, f"at {at} {root or 'nothing was blocked'}, but {missing}; expected {wanted}", FACTS, busy)
    if root is None:
        return Finding(CHECK, held_if(expected.code == NOBODY), f"at {at} nothing was blocked; expected {wanted}", FACTS)
    good = root.cause.code == expected.code and expected.at in f"{root.cause.where} {root.cause.text}"
    return Finding(CHECK, held_if(good), f"at {at} {root}; expected {wanted}", FACTS)


def _missing(journal: Journal, figures: Figures, looks: Sequence[Look], worst: Look) -> str:
    """Return what is missing without which another root may have been the worst, in words; empty where nothing is."""
    root = worst.who_waits.root
    for look, at_s in zip(looks, _moments_s(journal), strict=True):
        at_work = {service: _at_work(journal, service, at_s) for service in figures.services if not _is_dumped(journal, service, at_s)}
        least = (root.threads if root else 0) if look is worst else worst.blocked - look.blocked
        if sum(at_work.values()) > least:
            undumped = ", ".join(service for service, count in at_work.items() if count)
            return f"at {clock_text(look.night_s, seconds=False)} no threads were dumped of {undumped}"
    taken_s = [taken.t_s for taken in journal.of(EvidenceTaken)]
    alone = [dump for dump in journal.of(Threads) if not dump.error and taken_s and not any(_is_beside(dump, at_s) for at_s in taken_s)]
    if sum(count_at_work(dump) for dump in alone) > worst.blocked:
        return f"no evidence was taken beside the dump of {alone[0].service} at {clock_text(alone[0].night_s, seconds=False)}"
    hang = figures.hang
    if hang is not None and not any(at_s >= hang.from_s for at_s in _moments_s(journal)):
        return f"no evidence was taken of the hang of all callers at {clock_text(hang.night_s, seconds=False)}"
    read_s = [at_s for look, at_s in zip(looks, _moments_s(journal), strict=True) if not look.unread]
    for outage in outages.of(journal) if worst.blocked == 0 else ():
        if not any(outage.from_s <= at_s <= outage.to_s + WITHIN_S for at_s in read_s):
            return f"no evidence was taken while every caller failed from {clock_text(outage.night_s, seconds=False)}"
    return ""


def _moments_s(journal: Journal) -> list[float]:
    """Return when each look of `who_waits.of_journal` was (`t_s`)."""
    taken_s = sorted(taken.t_s for taken in journal.of(EvidenceTaken))
    return taken_s or [max(dump.t_s for dump in journal.of(Threads))]


def _is_dumped(journal: Journal, service: str, at_s: float) -> bool:
    """Whether the last dump of a service that had begun by a moment was had."""
    begun = [dump for dump in journal.of(Threads) if dump.service == service and dump.began_s <= at_s]
    return bool(begun) and not max(reversed(begun), key=lambda dump: dump.began_s).error  # of two that began at once, the later


def _at_work(journal: Journal, service: str, at_s: float) -> int:
    """Return how many request threads of a service may have been at work at a moment: all, if monitoring saw that a little before or after.

    Dumps are begun before the evidence of their moment is had, and what they show may have ended by then.
    """
    beside = (sample for sample in samples_of(journal, service) if sample.is_full and abs(sample.t_s - at_s) <= BESIDE_S)
    return max((sample.busy or 0 for sample in beside), default=0)


def _is_beside(dump: Threads, at_s: float) -> bool:
    return -BEFORE_S <= at_s - dump.began_s <= WITHIN_S
