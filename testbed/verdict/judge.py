"""The verdict: a pure function of the journal. A check that itself fails gives `unknown`, never `held`; so do figures that fail."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from testbed.errors import JournalError
from testbed.journal.events import ResourceUsage
from testbed.plan.expectation import Crack, Expectation
from testbed.verdict import checks, figures, outcome
from testbed.verdict.changes import first_change
from testbed.verdict.checks import ALWAYS, longevity
from testbed.verdict.finding import Finding, Verdict
from testbed.verdict.outcome import Reason

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.plan.expectation import Outcome
    from testbed.verdict.checks.longevity import Judged
    from testbed.verdict.figures import Figures

FIGURES = "figures"  # the word of the finding that they could not be computed


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a journal means: the verdict, the outcome (None if unknown) with its reason, the crack, every finding, and the figures.

    `cracks`: how far the crack may have gone, where services were looked at too seldom to say; `crack` is the first of them.
    `longevity`: each resource series with its slope, of a night in which nothing was done to anything, or of which it is expected.
    """

    verdict: Verdict
    reason: Reason
    crack: Crack
    findings: tuple[Finding, ...]
    figures: Figures
    longevity: tuple[Judged, ...] = ()
    cracks: tuple[Crack, ...] = ()

    def __repr__(self) -> str:
        """Return one line: findings and figures are too many for a prompt."""
        header, count = self.figures.header, len(self.findings)
        return f"<Judgement: {header.scenario} over {header.variant}, {self.summary}; {count} findings, of {str(self.figures.journal)!r}>"

    @property
    def summary(self) -> str:
        """Verdict, outcome and crack, in a few words."""
        return f"verdict {self.verdict}, outcome {self.outcome or 'unknown'}, crack {self.crack_number}"

    @property
    def crack_number(self) -> str:
        """The crack's number; `at least` that where it may have gone further."""
        return f"at least {int(self.crack)}" if len(self.cracks) > 1 else f"{int(self.crack)}"

    @property
    def outcome(self) -> Outcome | None:
        """What became of the airline."""
        return self.reason.outcome

    @property
    def doubts(self) -> tuple[Finding, ...]:
        """The findings that say why the replay itself cannot be believed."""
        return tuple(finding for finding in self.findings if finding.check in (*ALWAYS, FIGURES) and finding.verdict is not Verdict.HELD)


def judge(journal: Journal) -> Judgement:
    """Run the checks of ALWAYS and one for each expectation of the scenario; the worst finding is the verdict.

    Where one of ALWAYS does not hold, the replay cannot be believed: what it seems to show, for an expectation or against it, is unknown.
    Raises JournalError for a header of which nothing can be computed.
    """
    try:
        computed = figures.of(journal)
        reason, cracks = outcome.reason(journal, computed), outcome.possible_cracks(journal, computed)
    except Exception as error:  # noqa: BLE001 - the border of the figures: no replay writes a journal that has none
        return _without_figures(journal, error)
    wanted = _wanted(journal)
    always = [_run_check(journal, computed, name, None) for name in ALWAYS]
    if not journal.is_complete:
        expected = [Finding(name, Verdict.UNKNOWN, "not judged: the replay did not come to its end") for name in wanted]
    else:
        expected = [_run_check(journal, computed, name, value) for name, value in wanted.items()]
    if any(finding.verdict is not Verdict.HELD for finding in always):
        expected = [_not_believed(finding) for finding in expected]
    findings = (*always, *expected)
    worst = max((finding.verdict for finding in findings), key=lambda verdict: verdict.rank)
    return Judgement(worst, reason, cracks[0], findings, computed, _longevity(journal), cracks)


def _without_figures(journal: Journal, error: Exception) -> Judgement:
    """Return the judgement of a journal whose figures cannot be computed: unknown, with the traceback, and figures of no event at all."""
    try:
        none = figures.of(replace(journal, events=()))
    except Exception as failure:
        raise JournalError(f"the journal {journal.path} cannot be judged: of its header, {type(failure).__name__}: {failure}") from failure
    findings = (_run_check(journal, none, "consistent", None), _failed(FIGURES, "the figures cannot be computed", error))
    return Judgement(Verdict.UNKNOWN, Reason(None, "not_judged", "its figures cannot be computed"), Crack.NOTHING, findings, none, ())


def _wanted(journal: Journal) -> dict[str, Any]:
    """Return what is expected, by check; nothing of a header whose expectation is none, which `consistent` reports."""
    try:
        return Expectation.model_validate(journal.header.expect).checks
    except ValidationError:
        return {}


def _longevity(journal: Journal) -> tuple[Judged, ...]:
    """Return the slopes of the resource series, if they were sampled and a rise is no fault's doing."""
    told = journal.is_complete and ("longevity" in journal.header.expect or first_change(journal) is None)
    return longevity.judged(journal) if told and journal.of(ResourceUsage) else ()


def _not_believed(finding: Finding) -> Finding:
    """Return a finding as what it is worth in a replay that cannot be believed: one against an expectation shows nothing either."""
    if finding.verdict is not Verdict.BROKEN:
        return finding
    return replace(finding, verdict=Verdict.UNKNOWN, text=f"{finding.text} (but the replay cannot be believed)")


def _run_check(journal: Journal, computed: Figures, name: str, expected: Any) -> Finding:
    try:
        return checks.load(name)(journal, computed, expected)
    except Exception as error:  # noqa: BLE001 - the border of a check: its failure says nothing of the facility
        return _failed(name, "the check itself failed", error)


def _failed(name: str, what: str, error: Exception) -> Finding:
    text = f"{what}: {type(error).__name__}: {error}"
    return Finding(name, Verdict.UNKNOWN, text, traceback="".join(traceback.format_exception(error)))
