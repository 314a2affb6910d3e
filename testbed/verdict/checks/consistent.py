"""Whether the journal can be what a replay wrote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import ValidationError

from testbed.journal import consistency
from testbed.plan.expectation import Expectation
from testbed.plan.settings import Settings
from testbed.verdict.finding import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures

MOST = 3  # contradictions that are named


def check(journal: Journal, figures: Figures, expected: object) -> Finding:
    """Check that nothing in the journal contradicts itself; unknown otherwise, because it was cut, edited or written twice."""
    found = (*_expectation(journal), *_settings(journal), *consistency.contradictions(journal))
    if found:
        more = f"; and {len(found) - MOST} more" if len(found) > MOST else ""
        return Finding("consistent", Verdict.UNKNOWN, f"the journal contradicts itself: {'; '.join(found[:MOST])}{more}")
    return Finding("consistent", Verdict.HELD, "nothing in the journal contradicts itself")


def _expectation(journal: Journal) -> Iterator[str]:
    try:
        Expectation.model_validate(journal.header.expect)
    except ValidationError as error:
        first = error.errors()[0]
        yield f"the header's {'.'.join(map(str, ('expect', *first['loc'])))}: {first['msg']}"


def _settings(journal: Journal) -> Iterator[str]:
    """Settings that nobody can have make everything doubtful that follows from them: time-outs, limits of pools, patience."""
    try:
        Settings.model_validate_json(json.dumps(journal.header.settings))
    except ValidationError as error:
        first = error.errors()[0]
        yield f"the header's {'.'.join(map(str, ('settings', *first['loc'])))}: {first['msg']}"
