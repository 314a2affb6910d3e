"""The contract for programs: one JSON object a line for each variant and repetition."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from testbed import outcome

if TYPE_CHECKING:
    from testbed.checks import Finding
    from testbed.session import Result


def line(result: Result) -> str:
    """Give the object of a replay as a line of JSON; README.md names its fields."""
    kept, judged = result.journal, result.judgement
    header = kept.header
    services = outcome.services(kept)
    return json.dumps(
        {
            "scenario": header.scenario,
            "variant": header.variant,
            "runtime": header.runtime,
            "seed": header.seed,
            "repetition": header.repetition,
            "outcome": judged.outcome,
            "crack": judged.crack,
            "verdict": judged.verdict.value,
            "leaked_connections": outcome.leaked_connections(kept),
            "blocked_request_threads": outcome.blocked_request_threads(kept),
            "request_threads": dict.fromkeys(services, header.facility.request_threads),
            "health_green": outcome.health_green(kept),
            "transactions": outcome.transactions(kept),
            "time_to_hang_s": outcome.time_to_hang_s(kept),
            "wall_s": round(result.wall_s, 3),
            "journal": str(kept.path),
            "findings": [_finding(finding) for finding in judged.findings],
        }
    )


def _finding(finding: Finding) -> dict[str, Any]:
    """Return a finding as an object; `traceback` is there only for a check that itself failed."""
    found = {"check": finding.check, "verdict": finding.verdict.value, "text": finding.text, "facts": list(finding.facts)}
    return {**found, "traceback": finding.traceback} if finding.traceback else found
