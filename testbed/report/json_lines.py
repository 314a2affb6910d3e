"""The contract for programs: one JSON object a line for each variant and repetition."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from testbed.verdict.checks.longevity import STEADY

if TYPE_CHECKING:
    from testbed.verdict.checks.longevity import Judged
    from testbed.verdict.finding import Finding
    from testbed.verdict.judge import Judgement


def line(judgement: Judgement, wall_s: float) -> str:
    """Return the object of a replay as a line of JSON; `experiments/README.md` has its fields."""
    figures = judgement.figures
    header = figures.header
    return json.dumps(
        {
            "scenario": header.scenario,
            "variant": header.variant,
            "runtime": header.runtime,
            "seed": header.seed,
            "repetition": header.repetition,
            "outcome": judgement.outcome,
            "reason": {"code": judgement.reason.code, "text": judgement.reason.text},
            "crack": judgement.crack,
            "cracks": judgement.cracks,
            "verdict": judgement.verdict.value,
            "leaked_connections": figures.leaked_connections,
            "blocked_request_threads": figures.blocked_request_threads,
            "request_threads": dict.fromkeys(figures.services, header.facility.request_threads),
            "health_green": {service: checks.last for service, checks in figures.health.items() if checks.last is not None},
            "transactions": figures.transactions,
            "latency": {caller: {half: asdict(latency) for half, latency in halves.items()} for caller, halves in figures.latency.items()},
            "circuit_breakers": {caller: counts and asdict(counts) for caller, counts in figures.breakers.items()},
            "time_to_hang_s": figures.time_to_hang_night_s,
            "longevity": [_series(judged) for judged in judgement.longevity],
            "wall_s": round(wall_s, 3),
            "journal": str(figures.journal),
            "findings": [_finding(finding) for finding in judgement.findings],
        }
    )


def _series(judged: Judged) -> dict[str, Any]:
    """Return a resource series as an object: its slope by the hour of the night, the interval, and what it was judged as."""
    slope, kind = judged.slope, judged.series.kind
    return {
        "series": judged.series.name,
        "unit": kind.unit,
        "judged": kind.word if slope.rises else STEADY,
        "per_hour": slope.per_unit,
        "low": slope.low,
        "high": slope.high,
        "threshold": slope.threshold,
        "confidence": slope.confidence,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    """Return a finding as an object; `traceback` is there only for a check that itself failed."""
    fields = {"check": finding.check, "verdict": finding.verdict.value, "text": finding.text, "facts": list(finding.facts)}
    return {**fields, "traceback": finding.traceback} if finding.traceback else fields
