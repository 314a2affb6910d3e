"""The way in which a cell failed, or came back: a pure function of what was seen."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import TYPE_CHECKING

from testbed.pools.cell import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.pools.cell import Answer, Burst, Evidence, Way

ANSWERED, FAILED = 200, 500
REFUSED = {503, 504}  # by the pool, or at the request's own deadline
LAST = 2  # bursts, by which the end is judged: a pool that is only late has an answer in one of them


def judge(evidence: Evidence) -> Result:
    """Return what a cell came out as; what was not seen is unknown."""
    if evidence.failure or len(evidence.bursts) < LAST:
        return Result("unknown", why=evidence.failure or f"{len(evidence.bursts)} bursts were sent, and {LAST} are needed")
    answers = evidence.answers
    hanging = sum(answer.status is None for answer in answers)
    refused = [answer.took_s for answer in answers if answer.status in REFUSED]
    way = _way(evidence.bursts[-LAST:], evidence.size)
    return Result(
        way=way,
        errors=sum(answer.status not in (ANSWERED, None) for answer in answers),
        hanging=hanging,
        lost=_lost(evidence, hanging),
        well_after_s=_well_after_s(evidence.bursts, evidence.size),
        refused_after_s=round(median(refused), 2) if refused else None,
        sessions=evidence.sessions,
        watched_s=round(evidence.bursts[-1].at_s, 1),
        why=_most(answers),
    )


def _way(last: Sequence[Burst], size: int) -> Way:
    """Return the worst that the last bursts show: one hanging request among them is a hang, one dead connection a dead one."""
    if all(burst.is_well(size) for burst in last):
        return "comes back"
    statuses = {answer.status for burst in last for answer in burst.answers}
    if None in statuses:
        return "hangs"
    if FAILED in statuses:
        return "lends dead connections"
    if ANSWERED in statuses:
        return "loses a few"  # the others wait for those that are left, or are refused
    return "refuses" if statuses <= REFUSED else "unknown"


def _lost(evidence: Evidence, hanging: int) -> int | None:
    """Return the connections that are out and that no request can be using; None where neither pool nor answers tell."""
    out = evidence.pool.out if evidence.pool else None
    if out is not None:
        return max(0, out - hanging)
    last = evidence.bursts[-1].answers
    if all(answer.status == ANSWERED for answer in last):
        return max(0, evidence.size - len({answer.pid for answer in last}))
    return None


def _well_after_s(bursts: Sequence[Burst], size: int) -> float | None:
    """Return when the first of those bursts was sent from which on all were well; None when the last was not."""
    since = None
    for burst in reversed(bursts):
        if not burst.is_well(size):
            break
        since = round(burst.at_s, 1)
    return since


def _most(answers: Sequence[Answer]) -> str:
    """Return the error that came most."""
    errors = Counter(answer.error for answer in answers if answer.error)
    return errors.most_common(1)[0][0] if errors else ""
