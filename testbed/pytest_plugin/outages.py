"""A night as a test case: replayed, judged, and its report beside its journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

    from testbed.verdict.result import Result

FIXTURE = "replayed"


@dataclass(frozen=True, slots=True)
class Outage:
    """What a test case replays: a scenario, by its name or its file, over one variant, on a runtime."""

    scenario: str
    variant: str
    runtime: str


def outage(*scenarios: str | PathLike[str], variant: str = "fixed", runtime: str = "processes") -> pytest.MarkDecorator:
    """Make a test a case for each scenario; the test has the fixture `replayed`, which fails it unless the verdict is `held`.

    `scenarios`: names that `testbed list` shows, or paths to .toml files. `variant`: one of variants.toml or of the scenario.
    """
    cases = [Outage(str(scenario), variant, runtime) for scenario in scenarios]
    return pytest.mark.parametrize(FIXTURE, cases, ids=[_id(case.scenario) for case in cases], indirect=True)


def _id(scenario: str) -> str:
    return scenario.replace("\\", "/").rpartition("/")[2].removesuffix(".toml")


def replay(case: Outage, runs: Path) -> tuple[Result, Path]:
    """Replay a case; return its result, and the page that was written beside its journal. Raises TestbedError."""
    from testbed.experiments.batch import replay_scenario, run_in_own_loop  # noqa: PLC0415 - a plug-in must not cost who does not use it
    from testbed.report.html.page import page  # noqa: PLC0415

    work = replay_scenario(case.scenario, variants=(case.variant,), runtime=case.runtime, runs=runs)
    (result,) = run_in_own_loop(work, "testbed.experiments.batch.replay_scenario(…)")
    report = result.journal.path.with_suffix(".html")
    report.write_text(page([result]), encoding="utf-8")
    return result, report


def failure(result: Result, report: Path) -> str:
    """Format why a night did not hold: its verdict, what each check found, and where the report is; an empty text for one that held."""
    judgement = result.judgement
    if judgement.verdict == "held":
        return ""
    found = [f"  {finding.verdict}: {finding.check}: {finding.text}" for finding in judgement.findings if finding.verdict != "held"]
    return "\n".join([f"{judgement.verdict}: {judgement.summary}", *found, f"report: {report}"])
