from __future__ import annotations

import datetime
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from testbed import scenario_file
from testbed.classroom.lessons import lesson
from testbed.classroom.lessons.plan import LessonSpeed
from testbed.errors import FacilityError, ScenarioError, UsageError
from testbed.plan.expectation import Expectation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LESSON = """
title = "A night"
introduction = "You are on duty."
trainer = "Let them look."
explanation = "It broke."
scenario = "failure_modes"
variant = "original"
minutes = 20

[night]
pace = [
    { from = "06:00", to = "06:01", minutes = 1 },
    { from = "06:05", to = "06:10", minutes = 10 },
]

[speed]
fastest = 4
why = "It depends on real seconds."

[workload]
seed = 3
rate_per_minute = 4

[holds]
outcome = "unharmed"

[[duty]]
at = "06:02"
order = "switchover"
text = "Move the database."

[preventions]
fixed = "One."
pre_ping = "Two."
own_databases = "Three."

[[note]]
at = "06:04"
text = "Ask."

[[note]]
when = "hung"
text = "Ask again."
"""
QUIET = LESSON.replace('"failure_modes"', '"five_oclock"').replace('"06:', '"04:').replace('"04:02"\norder', '"03:36:45"\norder')
CHANGED = """
title = "A morning"
introduction = "You are on duty."
trainer = "Let them look."
explanation = "It broke."
scenario = "silence"
variant = "original"
minutes = 10

[preventions]
fixed = "One."
pre_ping = "Two."
lifo = "Three."
"""
LATE = CHANGED.replace('"silence"', '"late_link"').replace('"original"', '"patient"')


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where a lesson can be written, outside of the project."""
    return tmp_path / "mine.toml"


def refused(file: Path, text: str) -> list[str]:
    """Write a lesson that is wrong; return its mistakes, which come with its file."""
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        lesson.read(file, "processes")
    assert str(caught.value).startswith(f"{file}: ")
    assert caught.value.exit_code == 2
    return list(caught.value.mistakes)


def test_a_lesson_outside_of_the_project_is_read(file: Path) -> None:
    """Given by its path, with all of its keys."""
    file.write_text(LESSON, encoding="utf-8")
    read = lesson.read(file, "processes")
    night = read.scenario.night
    assert (read.name, read.path, read.title, read.introduction, read.trainer, read.explanation) == (
        "mine",
        file,
        "A night",
        "You are on duty.",
        "Let them look.",
        "It broke.",
    )
    assert read.duties == (lesson.Duty(night.time_s("06:02"), "switchover", "operator", "Move the database."),)
    assert read.notes == (
        lesson.TrainerNote(night.time_s("06:04"), None, "Ask."),
        lesson.TrainerNote(None, "hung", "Ask again."),
    )
    assert read.prevention_texts == {"fixed": "One.", "pre_ping": "Two.", "own_databases": "Three."}
    assert read.speed == LessonSpeed(fastest=4, why="It depends on real seconds.")
    assert (read.speed.slowest, read.speed.fastest) == (0.1, 4)
    assert (read.scenario.workload.seed, read.scenario.workload.rate_per_minute) == (3, 4)
    assert read.scenario.workload.shares == read.replayed.workload.shares
    assert read.replayed.variant("fixed").expect == Expectation(outcome=("unharmed",))


def test_each_part_of_the_night_takes_its_minutes_and_the_rest_what_is_left(file: Path) -> None:
    """A minute, nine for the fourteen minutes that are in no part, and ten."""
    file.write_text(LESSON, encoding="utf-8")
    night = lesson.read(file, "processes").scenario.night
    real_s = [night.clock().real_s(night.time_s(time)) for time in ("06:00", "06:01", "06:05", "06:10", "06:20")]
    assert real_s == pytest.approx([0, 60, 60 + 4 * 60 * 9 / 14, 660 + 4 * 60 * 9 / 14, 1200])


def test_parts_may_be_the_whole_night(file: Path) -> None:
    """Then they take all minutes."""
    whole = LESSON.replace('"06:05", to = "06:10", minutes = 10', '"06:01", to = "06:20", minutes = 19')
    file.write_text(whole, encoding="utf-8")
    night = lesson.read(file, "processes").scenario.night
    assert night.clock().real_s(night.to_s) == pytest.approx(1200)


def test_without_parts_the_paces_of_the_scenario_keep_their_proportions(file: Path) -> None:
    """All of the night is slower by one factor."""
    file.write_text(LESSON.partition("[night]")[0] + "[workload]" + LESSON.partition("[workload]")[2], encoding="utf-8")
    read = lesson.read(file, "processes")
    slow, kept = (night.clock() for night in (read.scenario.night, read.replayed.night))
    times = 1200 / kept.real_s(read.replayed.night.to_s)
    for time in ("06:01", "06:01:40", "06:02", "06:02:15", "06:20"):
        night_s = read.replayed.night.time_s(time)
        assert slow.real_s(night_s) == pytest.approx(times * kept.real_s(night_s))


def test_a_change_moves_a_step_and_gives_it_other_numbers(file: Path) -> None:
    """All that it does not name stays, and so does every other step."""
    file.write_text(LATE + '[[change]]\nat = "06:02"\nmoved_to = "06:03"\nlatency_ms = 500\n', encoding="utf-8")
    read = lesson.read(file, "processes")
    changed, kept = read.scenario.steps[0], read.replayed.steps[0]
    assert changed.at_night_s == read.scenario.night.time_s("06:03")
    assert (changed.action.latency_ms, kept.action.latency_ms) == (500, 1000)  # type: ignore[attr-defined]
    assert changed.action.link == kept.action.link  # type: ignore[attr-defined]
    assert read.scenario.steps[1:] == read.replayed.steps[1:]


def test_settings_of_the_lesson_go_over_those_of_its_variant(file: Path) -> None:
    """What it does not name stays, and preventions are replayed without them."""
    file.write_text(LATE + "[settings]\napplication_server = { pool_recycle_s = 5 }\ncaller = { retries = 2 }\n", encoding="utf-8")
    read = lesson.read(file, "processes")
    [variant] = read.scenario.variants
    kept = scenario_file.load(read.replayed.path).variant("patient").settings
    assert variant.settings.application_server == kept.application_server.model_copy(update={"pool_recycle_s": 5.0})
    assert (variant.settings.caller.retries, kept.caller.retries) == (2, 0)
    assert variant.settings.facility == kept.facility
    assert [other.settings.caller.retries for other in read.replayed.variants] == [0, 0, 0]


VARIANTS = "allowed: original, fixed, sqlalchemy_connection"
HEAD = "title, introduction, trainer, explanation, scenario, variant, minutes"
SECTIONS = "preventions, holds, settings, night, speed, workload, change, duty, note"
SPAN = "allowed: a span inside the night (06:00 to 06:20) that overlaps no other"
INSIDE = "allowed: a time inside the night, 06:00 to 06:20"
NO_STEP = "when the timeline of failure_modes has no step `switchover`; allowed: 06:02:00"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "A night"', "title = 3", "title: found 3; input should be a valid string"),
        ('title = "A night"', "", "title: missing; it is required"),
        ('title = "A night"', 'title = " "', 'title: found " "; value error, allowed: a text that says something'),
        ('title = "A night"', 'titel = "A night"', f"titel: unknown key, did you mean title?; allowed: {SECTIONS}, {HEAD}"),
        ("[workload]", "[worklod]", f"worklod: unknown key, did you mean workload?; allowed: {SECTIONS}, {HEAD}"),
        ('"You are on duty."', "[]", "introduction: found []; input should be a valid string"),
        ('trainer = "Let them look."', "", "trainer: missing; it is required"),
        ('explanation = "It broke."', "", "explanation: missing; it is required"),
        ('explanation = "It broke."', 'explanation = ""', 'explanation: found ""; value error, allowed: a text that says something'),
        (
            'explanation = "It broke."',
            'explained = "It."',
            f"explained: unknown key, did you mean explanation?; allowed: {SECTIONS}, {HEAD}",
        ),
        (
            '"failure_modes"',
            '"failure_mode"',
            'scenario: found "failure_mode", did you mean failure_modes?; allowed: abandoned_transaction, backlog_full, ',
        ),
        ('scenario = "failure_modes"', "", "scenario: missing; it is required"),
        ('scenario = "failure_modes"', "scenario = 7", "scenario: found 7; input should be a valid string"),
        ('variant = "original"', 'variant = "orignal"', f'variant: found "orignal", did you mean original?; {VARIANTS}'),
        ('variant = "original"', "variant = true", "variant: found true; input should be a valid string"),
        ('variant = "original"', "", "variant: missing; it is required"),
        ("minutes = 20", "minutes = 9", "minutes: found 9; input should be greater than or equal to 10"),
        ("minutes = 20", "minutes = 46", "minutes: found 46; input should be less than or equal to 45"),
        ("minutes = 20", 'minutes = "20"', 'minutes: found "20"; input should be a valid number'),
        ("minutes = 20", "minutes = nan", "minutes: found NaN; input should be less than or equal to 45"),
        ("minutes = 20", "minutes = 11", "night.pace: found 11 minutes; allowed: less than the 11 of `minutes`"),
        ('"06:01", minutes = 1', '"06:01", minutes = 0', "night.pace.0.minutes: found 0; input should be greater than 0"),
        ('"06:01", minutes = 1', '"06:01", speed = 1', "night.pace.0.minutes: missing; it is required"),
        ('from = "06:00"', 'from = "6"', 'night.pace.0.from: found "6"; string should match pattern'),
        ('from = "06:00"', 'from = "06:60"', "night.pace.0: '06:60' is no time of day; allowed: 00:00 to 23:59:59"),
        ('from = "06:05"', 'from = "06:00:30"', f"night.pace.1: found 06:00:30 to 06:10:00; {SPAN}"),
        ('to = "06:10"', 'to = "07:00"', f"night.pace.1: found 06:05:00 to 07:00:00; {SPAN}"),
        ('to = "06:10"', 'to = "06:05"', f"night.pace.1: found 06:05:00 to 06:05:00; {SPAN}"),
        ("pace = [", "speed = 4\npace = [", "night.speed: unknown key; allowed: pace"),
        ("fastest = 4", "fastest = 0.5", "speed.fastest: found 0.5; input should be greater than or equal to 1"),
        ("fastest = 4", "fastest = 101", "speed.fastest: found 101; input should be less than or equal to 100"),
        ("fastest = 4", "slowest = 2", "speed.slowest: found 2; input should be less than or equal to 1"),
        ("fastest = 4", "slowest = 0", "speed.slowest: found 0; input should be greater than or equal to 0.1"),
        ('why = "It depends on real seconds."', "", "speed.why: missing; it is required"),
        ("seed = 3", "seed = -3", "workload.seed: found -3; input should be greater than or equal to 0"),
        ("seed = 3", "sead = 3", "workload.sead: unknown key, did you mean seed?; allowed: seed, rate_per_minute"),
        (
            "rate_per_minute = 4",
            "rate_per_minute = 0.01",
            "workload.rate_per_minute: 0.01 over 20 minutes makes 0 requests; allowed: 1 to 500,000",
        ),
        ('outcome = "unharmed"', 'outcome = "fine"', 'holds.outcome.0: found "fine"; input should be '),
        ('outcome = "unharmed"', "crack = 1", "holds.outcome: missing; it is required"),
        (
            'outcome = "unharmed"',
            'outcome = "unharmed"\nroot = { code = "nobody" }',
            "holds.root: found nobody in a timeline without `collect_evidence`; allowed: with a step that asks how all are",
        ),
        (
            "[workload]",
            "[settings.caller]\nretris = 3\n[workload]",
            "settings.caller.retris: unknown key, did you mean retries?; allowed: ",
        ),
        ("[workload]", "[settings.caler]\nretries = 3\n[workload]", "settings.caler: unknown key, did you mean caller?; allowed: "),
        ("[workload]", "[settings.caller]\nretries = -3\n[workload]", "settings.caller.retries: found -3; input should be greater than"),
        ('at = "06:02"', 'at = "06:03"', f"duty.0.at: found '06:03', {NO_STEP}"),
        ('at = "06:02"', 'at = "05:02"', f"duty.0.at: found '05:02'; {INSIDE}"),
        ('at = "06:02"', 'at = "noon"', 'duty.0.at: found "noon"; string should match pattern'),
        ('at = "06:02"', "", "duty.0.at: missing; it is required"),
        ('order = "switchover"', 'order = "switchove"', 'duty.0.order: found "switchove", did you mean switchover?; input should be'),
        ('order = "switchover"', 'order = "switchover"\nrole = "owner"', "duty.0.role: found \"owner\"; input should be 'operator'"),
        ('text = "Move the database."', "", "duty.0.text: missing; it is required"),
        ("[[duty]]", "[duty]", 'duty: found {"at": "06:02", "order": "switchover", "text": "Move the dat…; allowed: [[duty]] tables'),
        ('fixed = "One."', 'fixt = "One."', f"preventions.fixt: no such variant, did you mean fixed?; {VARIANTS}"),
        ('fixed = "One."', "fixed = 1", "preventions.fixed: found 1; input should be a valid string"),
        (
            'fixed = "One."',
            'original = "One."',
            "preventions.original: this is the variant that runs, and prevents nothing; allowed: another",
        ),
        ('fixed = "One."\n', "", "preventions: found 2; allowed: 3 variants or more"),
        ("[preventions]", "[prevention]", "preventions: missing; it is required; allowed: a table of variants, each with a text"),
        ('at = "06:04"', "", "note.0: allowed: either `at` (a time) or `when` (a condition), one of the two"),
        ('at = "06:04"', 'at = "06:04"\nwhen = "hung"', "note.0: allowed: either `at` (a time) or `when` (a condition), one of the two"),
        ('at = "06:04"', 'at = "07:04"', f"note.0.at: found '07:04'; {INSIDE}"),
        (
            'when = "hung"',
            'when = "hang"',
            "note.1.when: found 'hang', did you mean hung?; allowed: hung, servers_hung, pool_empty, recovered",
        ),
        ('text = "Ask again."', "", "note.1.text: missing; it is required"),
        ('text = "Ask again."', 'text = "Ask."\nrole = "owner"', "note.1.role: unknown key; allowed: at, when, text"),
    ],
)
def test_a_wrong_lesson_is_one_message_with_its_key(file: Path, old: str, new: str, message: str) -> None:
    """However it is wrong: the key, what was found, and what is allowed."""
    assert old in LESSON
    mistakes = refused(file, LESSON.replace(old, new, 1))
    assert [mistake for mistake in mistakes if mistake.startswith(message)], mistakes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("latency_ms = 500", "change.0.at: missing; it is required"),
        (
            'at = "06:03"\nlatency_ms = 500',
            "change.0.at: found '06:03', when the timeline of late_link has no step; allowed: 06:02:00, 06:09:00",
        ),
        ('at = "06:02"', "change.0: found nothing but `at`; allowed: `moved_to`, or numbers of the step at that time"),
        ('at = "06:02"\nlatency = 500', "change.0.latency: unknown key, did you mean latency_ms?; allowed: at, moved_to, latency_ms"),
        ('at = "06:02"\nlatency_ms = "late"', 'change.0.latency_ms: found "late"; input should be a valid integer'),
        ('at = "06:02"\nlatency_ms = -1', "change.0.latency_ms: found -1; input should be greater than or equal to 0"),
        ('at = "06:02"\nlink = "cf-1"', 'change.0.link: found "cf-1"; allowed: a number'),
        ('at = "06:02"\nmoved_to = "05:00"', "change.0.moved_to: found '05:00'; allowed: a time inside the night, 06:00 to 06:14"),
        ('at = "06:02"\nmoved_to = 5', "change.0.moved_to: found 5; input should be a valid string"),
    ],
)
def test_a_wrong_change_is_one_message_with_its_key(file: Path, change: str, message: str) -> None:
    """As the rest of the file."""
    mistakes = refused(file, f"{LATE}[[change]]\n{change}\n")
    assert [mistake for mistake in mistakes if mistake.startswith(message)], mistakes


def test_a_step_that_the_class_carries_out_is_not_changed_too(file: Path) -> None:
    """It comes when the class has done it."""
    text = LESSON + '[[change]]\nat = "06:02"\nmoved_to = "06:03"\n'
    assert refused(file, text) == ["change: the step of switchover is changed, and the class carries it out; allowed: one of the two"]


def test_a_step_is_carried_out_once(file: Path) -> None:
    """Two duties are two steps of the timeline."""
    duty = '[[duty]]\nat = "06:02"\norder = "switchover"\ntext = "Again."\n'
    assert refused(file, LESSON + duty) == ["duty.1.at: found 06:02 a second time; allowed: each step of the timeline once"]


def test_parts_of_the_whole_night_that_leave_minutes_over_are_refused(file: Path) -> None:
    """Nothing would be left to take them."""
    whole = LESSON.replace('"06:05", to = "06:10", minutes = 10', '"06:01", to = "06:20", minutes = 10')
    assert refused(file, whole) == [
        "night.pace: found 11 minutes over the whole night; allowed: the 20 of `minutes`, or a night that is left over"
    ]


def test_a_scenario_that_has_nothing_for_the_class_to_do_says_so(file: Path) -> None:
    """Its timeline has no switchover at any time."""
    [mistake] = refused(file, QUIET.replace("own_databases", "lifo"))
    assert mistake.endswith("allowed: nothing: it has no step `switchover` at any time")


def test_every_mistake_is_told_at_once(file: Path) -> None:
    """One in each section hides none in another."""
    wrong = LESSON.replace("minutes = 20", "minutes = 200").replace('at = "06:02"', 'at = "06:03"').replace("seed = 3", "seed = -3")
    wrong = (
        wrong.replace("fixed = ", "fixt = ").replace('"hung"', '"hang"').replace('"unharmed"', '"fine"').replace('"original"', '"orignal"')
    )
    keys = [mistake.partition(":")[0] for mistake in refused(file, wrong)]
    assert sorted(keys) == sorted(
        ["minutes", "workload.seed", "holds.outcome.0", "variant", "preventions.fixt", "duty.0.at", "note.1.when"]
    )


def places(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the way to everything that stands in a file."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*place, key)
        yield from places(inner, (*place, key))


JUNK: tuple[object, ...] = (-0.5, "x", True, ["x"], {"x": 1}, datetime.date(2013, 10, 7))


@pytest.mark.parametrize("place", list(places(tomllib.loads(LESSON))), ids=lambda place: ".".join(map(str, place)))
def test_whatever_stands_at_a_key_is_read_or_told(file: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[str | int, ...]) -> None:
    """As a mistake that begins with its section, and nothing else comes of it."""
    for junk in JUNK:
        data = tomllib.loads(LESSON)
        inner: Any = data
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = junk
        monkeypatch.setattr(lesson, "read_toml", lambda _, data=data: data)
        mistakes = mistakes_of(file)
        assert mistakes is None or [mistake for mistake in mistakes if mistake.startswith(str(place[0]))], mistakes


def mistakes_of(file: Path) -> tuple[str, ...] | None:
    """Return the mistakes of a lesson; None if it has none."""
    try:
        lesson.read(file, "processes")
    except ScenarioError as error:
        return error.mistakes
    return None


def test_what_is_no_lesson_says_why(file: Path) -> None:
    """A file that is not there, or is no TOML, or a scenario."""
    with pytest.raises(ScenarioError, match=r"mine.toml: 1 mistake\n  cannot be read: No such file"):
        lesson.read(file, "processes")
    assert refused(file, "title = ")[0].startswith("not TOML: ")
    scenario = scenario_file.find("the_night").read_text(encoding="utf-8")
    assert f"summary: unknown key; allowed: {SECTIONS}, {HEAD}" in refused(file, scenario)


def test_a_name_that_is_not_there_gets_the_nearest() -> None:
    """And all that there are."""
    with pytest.raises(UsageError, match=r"^no lesson 'the_nite', did you mean the_night\?; there are aftershock, every_morning, "):
        lesson.read("the_nite", "processes")
    with pytest.raises(UsageError, match=r"or give a path to a \.toml file$"):
        lesson.read("", "processes")


def test_a_runtime_that_is_not_there_gets_the_nearest() -> None:
    """And both that there are."""
    with pytest.raises(UsageError, match=r"^no runtime 'container', did you mean containers\?; there are processes, containers$"):
        lesson.read("the_night", "container")


def test_a_need_that_a_runtime_lacks_names_no_cause(file: Path) -> None:
    """The terminal may be on the wall."""
    file.write_text(LESSON, encoding="utf-8")
    with pytest.raises(FacilityError) as caught:
        lesson.read(file, "containers")
    assert str(caught.value) == (
        "lesson 'mine' needs 'processes', which runtime 'containers' does not provide; choose another with --runtime"
    )


def test_a_lesson_of_the_users_own_is_known_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies in `scenarios/lessons` where the user is, and goes before the package's of that name; its scenario may be the user's own."""
    packaged = lesson.kept()
    home = tmp_path / "scenarios" / "lessons"
    home.mkdir(parents=True)
    (home / "mine.toml").write_text(LESSON.replace('"failure_modes"', '"modes"'), encoding="utf-8")
    (home / "the_night.toml").write_text(LESSON, encoding="utf-8")
    (home.parent / "modes.toml").write_text(scenario_file.find("failure_modes").read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert set(lesson.kept()) == {*packaged, "mine"}
    assert lesson.read("mine", "processes").replayed.name == "modes"
    assert lesson.read("the_night", "processes").title == "A night"


def test_no_terminal_obeys_a_lesson(file: Path) -> None:
    """What somebody else wrote is shown, and not obeyed."""
    file.write_text(LESSON.replace("You are", r"\u001b[31mYou are", 1), encoding="utf-8")
    assert lesson.read(file, "processes").introduction == r"\u001b[31mYou are on duty."
