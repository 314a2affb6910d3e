from __future__ import annotations

import ast
import inspect
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from testbed.classroom.inquiry import examination, findings, monitoring, place, questions
from testbed.classroom.inquiry.findings import NO_STOP, NOBODY, NOTHING
from testbed.classroom.inquiry.questions import ALARMS
from testbed.classroom.saying import say
from testbed.errors import UsageError
from testbed.journal.evidence import ConnectionOut, Evidence, PoolTable
from testbed.plan.expectation import CauseCode, SeenCode
from testbed.postmortem import warning_time
from testbed.verdict import judge
from testbed.verdict.causes.cause import Cause
from tests.classroom.examined import examined, flown, hung, of_flight, without_switchover
from tests.journals import contained_night, hung_night
from tests.nights import SWITCHOVER

if TYPE_CHECKING:
    from testbed.classroom.inquiry.examination import Examination

PREVENTIONS = ("fixed", "circuit_breaker")
QUESTIONS = {question.id: question for question in questions.questions(PREVENTIONS)}
LOST = Cause("lost", "lookup/original.py:24", "8 of 8 connections were lost in lookup/original.py:24")
UNSEEN = Cause("unseen", "pool of cf-1", "what is behind pool of cf-1 is not known: no answer")
RESTART = '[[timeline]]\nwhen = "hung"\noperation = "restart"\n'


def right(of: Examination, question: str, value: questions.Value, held: dict[str, bool | None] | None = None) -> bool | None:
    """Return whether an answer is right."""
    return questions.of_examination(of, {question: value}, held)[question].right


# The questions


def test_every_cause_that_may_be_blamed_is_a_choice_and_so_is_that_none_is_known() -> None:
    """Each once; and that nothing stood still."""
    assert sorted(QUESTIONS["cause"].choices) == sorted([*get_args(CauseCode), NOBODY])


def test_every_alarm_of_the_post_mortem_is_a_choice() -> None:
    """Robots are one, whatever they ask for."""
    journal = hung_night().journal()
    codes = {findings.alarm_code(alarm) for alarm in warning_time.of(journal, judge.judge(journal)).alarms}
    assert set(QUESTIONS["detection"].choices) == {*codes, NOTHING, NO_STOP}
    assert set(ALARMS) == codes


def test_lessons_differ_in_their_preventions_alone() -> None:
    """So that no choice gives a cause away."""
    others = {question.id: question for question in questions.questions(("pinged",))}
    assert {id_ for id_ in QUESTIONS if QUESTIONS[id_] != others[id_]} == {"prevention"}
    assert QUESTIONS["prevention"].choices == ("fixed", "circuit_breaker", NOTHING)


def test_every_question_is_compared() -> None:
    """And nothing else."""
    assert set(questions.of_examination(hung((LOST, 20)), {})) == set(QUESTIONS)


def test_the_page_gets_questions_as_plain_data() -> None:
    """With the kinds that it knows."""
    data = [question.data() for question in QUESTIONS.values()]
    assert {question["kind"] for question in data} == {"one", "several", "line"}
    assert data[1]["choices"] == []
    assert set(data[0]["choices"]) == set(QUESTIONS["cause"].choices)


def test_the_order_of_choices_does_not_tell_which_is_right() -> None:
    """It is the same in every class; what is right in the night of the case stands here and there, and never first."""
    told = {question.id: question.data()["choices"] for question in QUESTIONS.values()}
    assert all(sorted(told[id_]) == sorted(question.choices) for id_, question in QUESTIONS.items())
    right = {"cause": "lost", "monitoring": "process_only", "switchover": "no", "cluster": "correct", "operators": "by_the_book"}
    assert [told[id_].index(value) for id_, value in right.items()] == [7, 4, 3, 4, 1]
    assert questions.mixed("prevention", ("fixed", "retry", "pre_ping")) == questions.mixed("prevention", ("pre_ping", "fixed", "retry"))


@pytest.mark.parametrize(
    ("question", "value", "found"),
    [
        ("who", "x", "question: found 'who'; allowed: cause, line"),
        ("cause", "rust", "value of cause: found 'rust'; allowed: lost, lock"),
        ("cause", ["lost"], "value of cause: found ['lost']; allowed: lost, lock"),
        ("detection", "leaked", "value of detection: found 'leaked'; allowed: a list of one or more of health_"),
        ("detection", [], "value of detection: found []; allowed: a list of one or more of"),
        ("detection", ["leaked", "leaked"], "value of detection: found ['leaked', 'leaked']; allowed: a list"),
        ("detection", [{}], "value of detection: found [{}]; allowed: a list"),
        ("line", "", "value of line: found ''; allowed: a text of 1 to 200 characters"),
        ("line", "x" * 201, "value of line: found 'xxx"),
        ("line", 24, "value of line: found 24; allowed: a text"),
    ],
)
def test_an_answer_that_cannot_be_is_refused_in_a_sentence(question: str, value: object, found: str) -> None:
    """With what was found and what is allowed."""
    with pytest.raises(UsageError) as refused:
        questions.checked(tuple(QUESTIONS.values()), question, value)
    assert str(refused.value).startswith(found)


@pytest.mark.parametrize(
    ("question", "value", "taken"),
    [
        ("cause", "lost", "lost"),
        ("detection", ["leaked", "errors"], ["leaked", "errors"]),
        ("line", " a.py:5 ", "a.py:5"),
        ("line", "cf-1\x1b[2J\u202e", "cf-1\\u001b[2J\\u202e"),
    ],
)
def test_an_answer_that_can_be_is_taken(question: str, value: str | list[str], taken: str | list[str]) -> None:
    """A line of text without the blanks around it, and without what a terminal that shows the journal would obey."""
    assert questions.checked(tuple(QUESTIONS.values()), question, value) == taken


# The cause and its place


@pytest.mark.parametrize("code", get_args(SeenCode))
def test_each_cause_is_right_where_it_is_blamed_and_no_other_is(code: SeenCode) -> None:
    """Nor is it right to say that nobody knows."""
    night = hung((Cause(code, "partner", "it"), 20))
    answers = {choice: right(night, "cause", choice) for choice in QUESTIONS["cause"].choices}
    assert [value for value, is_right in answers.items() if is_right] == [code]
    assert None not in answers.values()


def test_of_two_causes_that_as_many_wait_for_either_is_right() -> None:
    """One that fewer wait for is not, and what was not seen is no cause."""
    night = hung((LOST, 20), (Cause("lock", "session 7", "a lock"), 20), (Cause("work", "cf-1", "work"), 1), (UNSEEN, 2))
    assert [right(night, "cause", code) for code in ("lost", "lock", "work", "unseen")] == [True, True, False, False]
    assert questions.of_examination(night, {})["cause"].sure == "likely"


@pytest.mark.parametrize("night", [hung((UNSEEN, 20)), hung((LOST, 1), (UNSEEN, 39)), examined(hung_night().journal())])
def test_a_cause_that_is_not_known_makes_no_answer_wrong(night: Examination) -> None:
    """Nor right; and that it is not told is said, with why."""
    compared = questions.of_examination(night, {"cause": "lost", "line": "lookup/original.py:24"})
    assert [(compared[id_].right, compared[id_].sure) for id_ in ("cause", "line")] == [(None, "not told")] * 2
    assert compared["cause"].answer == say("cause_not_known")
    assert compared["cause"].evidence


def test_where_service_did_not_stop_nothing_is_the_cause() -> None:
    """Unless services stood still for something that was seen."""
    calm = examined(contained_night().journal())
    assert [right(calm, "cause", code) for code in (NOBODY, "lost", "unseen")] == [True, False, False]
    assert [right(calm, "line", text) for text in ("none", "lookup/original.py:24")] == [True, False]
    assert right(hung((Cause("lock", "session 7 of database", "a lock"), 20), night=contained_night()), "cause", "lock") is True


@pytest.mark.fact("P1")
@pytest.mark.parametrize("timeline", [SWITCHOVER, SWITCHOVER + RESTART])
def test_a_night_is_compared_from_what_is_on_disk_alone(timeline: str, tmp_path: Path) -> None:
    """The night of the case on fakes, from evidence that was taken before anybody restarted anything."""
    answers: dict[str, questions.Value] = {
        "cause": "lost",
        "line": "lookup/original.py:0",
        "monitoring": monitoring.PROCESS_ONLY,
        "switchover": "no",
        "operators": "by_the_book",
        "detection": ["leaked", "robot"],
        "prevention": "fixed",
    }
    compared = questions.compare(flown(tmp_path, "original", timeline), answers, {"fixed": True})
    assert {id_: compared[id_].right for id_ in answers} == dict.fromkeys(answers, True)
    assert (compared["cluster"].right, compared["cluster"].sure) == (None, "not told")
    wrong = {**answers, "cause": "lock", "line": "lookup/original.py:1", "monitoring": "lucky", "switchover": "none", "operators": "none"}
    compared = questions.compare(tmp_path / "original.jsonl", {**wrong, "detection": ["leaked", "health_callers"]}, {"fixed": True})
    assert [compared[id_].right for id_ in answers if id_ != "prevention"] == [False] * 6


def test_neither_the_variant_nor_the_scenario_changes_what_is_found(tmp_path: Path) -> None:
    """Their names, title, timeline, facts and expectations may be anything."""
    path = flown(tmp_path)
    found = questions.compare(path, {})
    night = examination.of(path)
    header = night.journal.header
    assert header.timeline
    renamed = replace(header, scenario="x", title="x", variant="fixed", timeline=(), facts=(), expect={"outcome": ["unharmed"]})
    assert questions.of_examination(examined(replace(night.journal, header=renamed), *night.looks), {}) == found


def test_the_modules_that_compare_know_no_lesson_and_no_scenario() -> None:
    """They import neither the reader of lessons, nor that of scenarios."""
    for module in (examination, findings, questions, monitoring, place):
        imported = [node.module or "" for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.ImportFrom)]
        assert not any("lesson" in name or "scenario" in name for name in imported)


@pytest.mark.parametrize(
    ("kept", "said"),
    [(-1, "it has no end"), (0, "it ended as interrupted: Ctrl-C"), (1, "the journal {path} cannot be read: No such file")],
)
def test_a_night_that_is_not_over_is_not_compared(kept: int, said: str, tmp_path: Path) -> None:
    """Nobody is told to be right or wrong, and why is said for each question."""
    path = flown(tmp_path)
    *lines, end = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines) + ("" if kept == -1 else end.replace('"complete","detail":""', '"interrupted","detail":"Ctrl-C"')))
    asked = path if kept < 1 else path.with_name("gone.jsonl")
    compared = questions.compare(asked, {"cause": "lost"})
    assert set(compared) == set(QUESTIONS)
    assert {(each.right, each.sure) for each in compared.values()} == {(None, "not told")}
    assert said.format(path=asked) in str(compared["cause"].answer)


# The other questions


def test_what_nobody_answered_is_neither_right_nor_wrong() -> None:
    """What was found is told all the same."""
    compared = questions.of_examination(hung((LOST, 20)), {})
    assert {each.right for each in compared.values()} == {None}
    assert compared["cause"].data() == {"right": None, "answer": LOST.text, "evidence": list(compared["cause"].evidence), "sure": "certain"}


@pytest.mark.parametrize(
    ("night", "code"),
    [
        (hung((LOST, 20)), "no"),
        (hung((LOST, 20), night=without_switchover(hung_night())), "none"),
        (examined(contained_night().journal()), NO_STOP),
        (hung((UNSEEN, 20)), ""),
    ],
)
def test_what_part_the_switchover_had_is_compared(night: Examination, code: str) -> None:
    """Unless that is not known."""
    answers = {choice: right(night, "switchover", choice) for choice in QUESTIONS["switchover"].choices}
    assert answers == ({value: value == code for value in answers} if code else dict.fromkeys(answers))


def test_of_the_cluster_all_that_is_wrong_is_to_be_named() -> None:
    """Neither more nor less, and not that it is correct as well."""
    night = hung((LOST, 20))
    cluster = replace(night.answers[1], answer="No.", evidence=("x",), sure="certain", codes=("package", "settings"))
    night = replace(night, answers=(night.answers[0], cluster, *night.answers[2:]))
    assert right(night, "cluster", ["settings", "package"]) is True
    assert right(night, "cluster", ["settings"]) is False
    assert right(night, "cluster", ["settings", "package", "correct"]) is False


def test_an_alarm_that_rang_in_time_is_a_way_to_detect_it() -> None:
    """Any of them; not one that never rang, nor one that rang too late, nor nothing; of which it is not known, that is not."""
    night = of_flight("original")
    assert [right(night, "detection", value) for value in (["leaked"], ["robot", "leaked"])] == [True, True]
    assert [right(night, "detection", value) for value in (["health_callers"], ["leaked", "health_callers"], [NOTHING])] == [False] * 3
    alarms = tuple(replace(alarm, doubt="not seen") if alarm.code == "health_callers" else alarm for alarm in night.times.alarms)
    doubted = replace(night, times=replace(night.times, alarms=alarms))
    assert right(doubted, "detection", ["leaked", "health_callers"]) is None
    silent = replace(night, times=replace(night.times, alarms=tuple(replace(alarm, rang=None) for alarm in alarms)))
    assert [right(silent, "detection", value) for value in ([NOTHING], ["leaked"], ["health_callers"])] == [None, False, None]
    silent = replace(silent, times=replace(silent.times, alarms=tuple(replace(alarm, doubt="") for alarm in silent.times.alarms)))
    assert [right(silent, "detection", value) for value in ([NOTHING], ["leaked"])] == [True, False]


def test_where_service_did_not_stop_no_alarm_was_needed() -> None:
    """That is the answer, and not that nothing rang."""
    calm = examined(contained_night().journal())
    assert [right(calm, "detection", [value]) for value in (NO_STOP, NOTHING, "leaked")] == [True, False, False]


@pytest.mark.parametrize(
    ("held", "answers"),
    [
        ({}, {"fixed": None, NOTHING: None}),
        ({"fixed": None}, {"fixed": None, NOTHING: None}),
        ({"fixed": True, "circuit_breaker": False}, {"fixed": True, "circuit_breaker": False, NOTHING: False}),
        ({"fixed": False, "circuit_breaker": None}, {"fixed": False, "circuit_breaker": None, NOTHING: None}),
        ({"fixed": False, "circuit_breaker": False}, {"fixed": False, NOTHING: True}),
    ],
)
def test_a_prevention_is_right_where_it_held(held: dict[str, bool | None], answers: dict[str, bool | None]) -> None:
    """As it was measured, and what was not measured is not known."""
    night = hung((LOST, 20))
    assert {variant: right(night, "prevention", variant, held) for variant in answers} == answers


def test_of_a_night_that_cannot_be_believed_nothing_is_certain() -> None:
    """As of one whose journal contradicts itself."""
    night = hung_night()
    night.events = night.events[::-1]
    assert "certain" not in {each.sure for each in questions.of_examination(hung((LOST, 20), night=night), {}).values()}


def test_a_class_that_restarts_before_anything_stands_still_has_found_the_cause_all_the_same() -> None:
    """By the pools of any evidence that was taken; that nothing stood still is right, too. Without evidence it is not known."""
    night = contained_night()
    night.look(4.9, done=8, failed=4, leaked=2)
    rows = (ConnectionOut(1, "w", 9.0, request_running=False, checked_out_at=("lookup/original.py:16 lookup_by_city",), error="Error: x"),)
    told = Evidence("asked", 5.0, 5.0, 0.1, (PoolTable("cf-1", 4, 0, None, 3, 1, 0, 1, rows),))
    early = hung(evidence=told, night=night)
    assert [right(early, "cause", code) for code in ("lost", NOBODY, "lock")] == [True, True, False]
    assert [right(early, "line", text) for text in ("lookup/original.py:16", "none", "lookup/original.py:17")] == [True, True, False]
    assert right(examined(night.journal()), "cause", "lost") is None
