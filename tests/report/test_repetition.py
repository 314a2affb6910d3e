from __future__ import annotations

import io
from dataclasses import replace

from testbed.plan.expectation import Outcome
from testbed.report import repetition
from testbed.report.terminal import plain_console
from testbed.verdict import judge
from testbed.verdict.finding import Finding, Verdict
from testbed.verdict.result import Result
from tests.journals import contained_night, hung_night


def result(*, hung: bool, verdict: Verdict = Verdict.HELD, believed: bool = True, wall_s: float = 5.0) -> Result:
    """Make the result of a night that hung or was contained, with a verdict of its own."""
    journal = (hung_night() if hung else contained_night()).journal()
    judgement = judge.judge(journal)
    doubt = () if believed else (Finding("open_loop", Verdict.UNKNOWN, "requests were late"),)
    findings = (*(finding for finding in judgement.findings if finding.verdict is Verdict.HELD), *doubt)
    return Result(journal, replace(judgement, verdict=verdict, findings=findings), wall_s)


def rows(*results: Result) -> dict[str, tuple[str, ...]]:
    """Return the rows of a variant by what they count."""
    return {what: rest for what, *rest in repetition.rows(results)}


def test_everything_that_is_claimed_has_its_count_and_interval() -> None:
    """Verdict, outcome, crack and hang, each of how many."""
    found = rows(*[result(hung=True)] * 9, result(hung=False, verdict=Verdict.BROKEN, wall_s=7.0))
    assert found["as expected"] == ["9 of 10", "59 to 99 %"]
    outcome = next(what for what in found if what.startswith("grounded ("))
    assert found[outcome] == found["hung"] == ["9 of 10", "59 to 99 %"]
    assert found["crack 6 airline"] == ["9 of 10", "59 to 99 %"]
    assert next(rest for what, rest in found.items() if what.startswith("contained (")) == ["1 of 10", "1 to 41 %"]
    assert found["time to hang"] == ["9", "6 min 30 s (6 min 30 s … 6 min 30 s)"]
    assert found["wall time"] == ["10", "5.0 s (5.0 s … 7.0 s)"]
    assert "verdict unknown" not in found


def test_the_time_to_hang_says_of_how_many_it_is() -> None:
    """One that hung in ten is not a variant that hangs after so long."""
    found = rows(result(hung=True), *[result(hung=False)] * 9)
    assert found["hung"][0] == "1 of 10"
    assert found["time to hang"][0] == "1"
    assert "time to hang" not in rows(result(hung=False))


def test_what_cannot_be_believed_is_counted_by_itself_and_in_no_rate() -> None:
    """A replay on a busy machine has an outcome, and shows nothing by it."""
    doubtful = result(hung=False, verdict=Verdict.UNKNOWN, believed=False)
    found = rows(*[result(hung=True)] * 4, doubtful, doubtful)
    assert found["as expected"] == ["4 of 4", "at least 51 %"]
    assert found["verdict unknown"][0] == found["not to be believed"][0] == "2 of 6"
    assert not [what for what in found if what.startswith("contained")]
    assert found["hung"][0] == "4 of 4"
    assert rows(doubtful)["as expected"] == ["0 of 0", "unknown"]


def test_each_check_that_did_not_hold_is_named_with_how_often() -> None:
    """Broken and unknown are told apart; what held in every replay has no row."""
    held = result(hung=True)
    broken, unknown = (
        replace(held, judgement=replace(held.judgement, findings=(*held.judgement.findings, Finding("answered_after", verdict, "few"))))
        for verdict in (Verdict.BROKEN, Verdict.UNKNOWN)
    )
    assert rows(unknown, unknown)["not held: answered_after"] == ["2 of 2", "unknown"]
    assert rows(held, broken)["not held: answered_after"] == ["1 of 2", "broken"]
    assert rows(held, unknown, broken, broken)["not held: answered_after"] == ["3 of 4", "2 broken, 1 unknown"]
    assert not [what for what in rows(held, held) if what.startswith("not held")]


def test_an_outcome_that_nobody_saw_is_counted_as_unknown() -> None:
    """Of a replay that can be believed it is one more thing that a variant does."""
    held = result(hung=False, verdict=Verdict.UNKNOWN)
    unseen = replace(
        held, judgement=replace(held.judgement, reason=replace(held.judgement.reason, outcome=None, code="not_seen_to_come_back"))
    )
    found = rows(unseen, result(hung=False))
    assert found["outcome unknown (not_seen_to_come_back)"][0] == "1 of 2"
    assert found["verdict unknown"][0] == "1 of 2"


def test_the_table_has_all_variants_below_each_other() -> None:
    """Named once each."""
    out = io.StringIO()
    plain_console(file=out, width=120).print(repetition.table([result(hung=True), result(hung=True)]))
    text = out.getvalue()
    assert text.count("as expected  ") == 1
    assert Outcome.GROUNDED.value in text
    assert "2 of 2" in text
