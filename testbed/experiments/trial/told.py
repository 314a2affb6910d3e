"""What came of a trial, in a few lines: from the journal and its evidence alone."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING

from testbed.errors import JournalError, shortened
from testbed.journal import evidence
from testbed.journal.events import EvidenceTaken, Threads
from testbed.journal.reader import Transaction
from testbed.runtime.credentials import SERVICES
from testbed.verdict.changes import first_fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from testbed.journal.events import OperationEvent
    from testbed.journal.reader import Journal
    from testbed.verdict.result import Result

ADDRESS = re.compile(r"https?://[^/\s]+")
ERROR_CHARS = 200
MOST_ERRORS, MOST_GROUPS, MOST_CALLS = 3, 2, 3


def lines(result: Result) -> Iterator[str]:
    """Yield what was seen before the fault and after its begin, the outcome, and what is left at the end."""
    journal = result.journal
    fault = first_fault(journal)
    begin_s = float("inf") if fault is None else fault.t_s
    before, since = list[Transaction](), list[Transaction]()
    for each in journal.transactions:
        (before if each.response is not None and each.response.answered_s < begin_s else since).append(each)
    yield f"before:  {_answers(before)}"
    yield f"fault:   {_fault(journal, fault)}" if fault is not None else "fault:   none was seen"
    yield f"since:   {_answers(since)}"
    judgement = result.judgement
    yield f"outcome: {judgement.outcome or 'unknown'}: {judgement.reason.text}"
    yield from (f"doubt:   {finding.text}" for finding in judgement.doubts)
    yield from _sessions(journal)
    yield from _stacks(journal)


def _answers(transactions: Sequence[Transaction]) -> str:
    """Return how requests ended, and with which errors."""
    ended = Counter(each.ended for each in transactions)
    answered_s = sorted(
        each.response.answered_s - each.request.due_s for each in transactions if each.response and each.ended == "answered"
    )
    told = f"{len(transactions)} sent: {ended['answered']} answered"
    if answered_s:
        told += f" (half within {answered_s[len(answered_s) // 2] * 1e3:.0f} ms, all within {answered_s[-1] * 1e3:.0f} ms)"
    told += f", {ended['failed']} failed, {ended['unanswered']} never answered"
    errors = Counter(_plain(each.response.error) for each in transactions if each.response and each.ended == "failed")
    return told + "".join(f"; {count} times: {error}" for error, count in errors.most_common(MOST_ERRORS) if error)


def _plain(error: str) -> str:
    """Return the error that a caller answered with, without what differs from one process of the service to the other."""
    try:
        answer = json.loads(error)
    except ValueError:
        answer = None
    detail = answer.get("detail") if isinstance(answer, dict) else None
    return shortened(ADDRESS.sub("", detail if isinstance(detail, str) else error), ERROR_CHARS)


def _fault(journal: Journal, fault: OperationEvent) -> str:
    ended = [each for each in journal.of(type(fault)) if each.id == fault.id and each.state != "begin"]
    if not ended:
        return f"{fault.operation} began, and was not seen to end"
    how = "failed" if ended[0].state == "failed" else f"took {ended[0].t_s - fault.t_s:.1f} s"
    return f"{fault.operation} {how}" + (f": {ended[0].detail}" if ended[0].detail else "")


def _sessions(journal: Journal) -> Iterator[str]:
    """Yield the sessions of the services as the database server saw them at the last look (`pg_stat_activity`), by their state."""
    taken = [each for each in journal.of(EvidenceTaken) if each.error is None]
    try:
        found = evidence.read(journal.path.parent / taken[-1].file, taken[-1]) if taken else None
    except JournalError as error:
        yield f"sessions: unknown: {error}"
        return
    if found is None:
        yield "sessions: unknown: no evidence was taken"
        return
    if not found.databases:
        yield "sessions: unknown: no database server told of them"
    for side in found.databases:
        states = Counter(session.state for session in side.sessions if session.role == SERVICES)
        told = ", ".join(f"{count} {state}" for state, count in states.most_common()) or "none of the service"
        yield f"sessions in pg_stat_activity of {side.host}: {told}"


def _stacks(journal: Journal) -> Iterator[str]:
    """Yield where the threads of each service stood at its last dump: the largest groups, the innermost calls."""
    last = {each.service: each for each in journal.of(Threads) if each.service in journal.header.facility.application_servers}
    for service, dump in sorted(last.items()):
        if dump.error is not None:
            yield f"threads of {service}: unknown: {dump.error}"
            continue
        if not dump.groups:
            yield f"threads of {service}: none is known as a request thread; all of them: {journal.path.parent / dump.file}"
        for group in sorted(dump.groups, key=lambda group: -group.count)[:MOST_GROUPS]:
            calls = " ← ".join(reversed(group.stack[-MOST_CALLS:]))
            yield f"threads of {service}: {group.count} " + (f"at {calls}" if calls else "whose calls were not seen")
