from __future__ import annotations

import copy
import datetime
import tomllib
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed import scenario_file
from testbed.errors import ScenarioError, UsageError
from testbed.faults.burst import Burst
from testbed.faults.latency import Latency
from testbed.faults.switchover import Switchover
from testbed.operations.restart import Restart
from testbed.plan.expectation import Expectation
from testbed.plan.night import NightPlan, PacePlan
from testbed.plan.scenario import VariantPlan, WorkloadPlan
from testbed.plan.settings import CallerSettings, ServerSettings, Settings
from testbed.plan.topology import TRANSACTIONS, FacilityPlan

SCENARIOS = Path(__file__).parents[2] / "scenarios"

FULL: dict[str, Any] = tomllib.loads("""
title = "Every key there is"
summary = "A scenario that uses all of them."
facts = ["O1", "C4"]
facility = { application_servers = 2, request_threads = 40, pool_size = 40, callers = ["kiosk", "ivr", "partner"] }
timeline = [
    { at = "23:00", fault = "switchover" },
    { at = "00:30", fault = "latency", latency_ms = 20, jitter_ms = 5 },
    { when = "hung", within_s = 10, operation = "restart", services = ["cf-1"] },
]

[night]
date = 2013-10-07
from = "22:00"
to = "05:30"
speed = 3600
pace = [{ from = "22:58", to = "23:02", speed = 300 }, { from = "00:00", to = "03:00", speed = 36000 }]

[workload]
seed = 2013
rate_per_minute = 0.5
shares = { kiosk = { check_in = 34, reprint_boarding_pass = 6 }, ivr = { flight_status = 30 }, partner = { search = 16 } }

[variants.original.expect]
outcome = ["contained", "grounded"]
crack = [5, 6]

[variants.patient]
settings = { application_server = { pool_checkout_timeout_s = "never" }, caller = { call_read_timeout_s = 2.5 } }
expect = { outcome = "grounded", crack = 6, health_green = true }
""")


def toml(value: Any) -> str:
    """Write a value as TOML, tables in a line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{key}" = {toml(inner)}' for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml(inner) for inner in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'" + value + "'"
    return value.isoformat() if isinstance(value, datetime.date) else repr(value)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file to write scenarios to, again and again."""
    return tmp_path_factory.mktemp("scenarios") / "mine.toml"


def written(file: Path, data: dict[str, Any]) -> Path:
    """Write a scenario to the file, and return the file."""
    file.write_text("\n".join(f'"{key}" = {toml(value)}' for key, value in data.items()), encoding="utf-8")
    return file


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the full scenario with a value at a key path, which may be a new one."""
    data = copy.deepcopy(FULL)
    at(data, path.rpartition(".")[0])[path.rpartition(".")[2]] = value
    return data


def at(data: Any, path: str) -> Any:
    """Return what stands at a key path."""
    for part in filter(None, path.split(".")):
        data = data[int(part)] if isinstance(data, list) else data[part]
    return data


def mistakes(path: Path) -> tuple[str, ...]:
    """Load a scenario that is wrong, and return its mistakes."""
    with pytest.raises(ScenarioError) as caught:
        scenario_file.load(path)
    assert caught.value.file == str(path)
    return caught.value.mistakes


def tables(value: Any, path: str = "") -> list[str]:
    """Return the key path of every table in a scenario."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    below = [table for key, child in inner for table in tables(child, f"{path}.{key}".lstrip("."))]
    return [path, *below] if isinstance(value, dict) else below


def leaves(value: Any, path: str = "") -> list[str]:
    """Return the key path of everything below a scenario's top that has a key."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    below = [leaf for key, child in inner for leaf in leaves(child, f"{path}.{key}".lstrip("."))]
    return [path, *below] if path and not path.rpartition(".")[2].isdigit() else below


MODELS = (NightPlan, PacePlan, WorkloadPlan, VariantPlan, FacilityPlan, ServerSettings, CallerSettings, Settings, Expectation)
KNOWN = {
    *scenario_file.SECTIONS,
    *scenario_file.STEP_KEYS,
    *(field.alias or name for model in MODELS for name, field in model.model_fields.items()),
    *Latency.__dataclass_fields__,
    *Restart.__dataclass_fields__,
    *TRANSACTIONS,
    *(name for transactions in TRANSACTIONS.values() for name in transactions),
    "original",
    "fixed",
    "patient",
}
WORDS = st.from_regex(r"[a-z][a-z_]{0,11}", fullmatch=True).filter(lambda word: word not in KNOWN)
VALUES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(),
        st.floats(),
        st.dates(),
        st.sampled_from(
            ["", "never", "23:00", "99:99", "hung", "kiosk", "switchover", "restart", "blocked", "fixed", "../x", "\u0663\u0663:00"]
        ),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*sorted(KNOWN), "tuple", ""]), inner, max_size=3),
    max_leaves=6,
)


def test_every_key_there_is_is_read(file: Path) -> None:
    """A scenario that uses every key comes out as the records that it says."""
    scenario = scenario_file.load(written(file, FULL))
    assert (scenario.name, scenario.title, scenario.facts) == ("mine", "Every key there is", ("O1", "C4"))
    assert scenario.facility.server_names == ("cf-1", "cf-2")
    assert [variant.name for variant in scenario.variants] == ["original", "patient"]
    original, patient = scenario.variants
    assert (original.expect.outcome, original.expect.crack) == (("contained", "grounded"), (5, 6))
    assert (patient.expect.outcome, patient.expect.crack) == (("grounded",), (6,))
    assert patient.settings.application_server.pool_checkout_timeout_s is None
    assert patient.settings.caller.call_read_timeout_s == 2.5


def test_a_timeline_expands_to_timed_steps(file: Path) -> None:
    """Steps come out in their order, with times of the night and typed parameters, and nothing is started for it."""
    steps = scenario_file.load(written(file, FULL)).steps
    assert [(step.word, step.action, step.at_night_s, step.when, step.within_s) for step in steps] == [
        ("switchover", Switchover(), 82_800, None, 30),
        ("latency", Latency(20, 5), 88_200, None, 30),
        ("restart", Restart(("cf-1",)), None, "hung", 10),
    ]


@settings(max_examples=40)
@given(st.data())
def test_an_unknown_key_is_refused_wherever_it_stands(file: Path, data: st.DataObject) -> None:
    """Whichever table a key is put into that it does not know, the refusal names the key's path."""
    table, word = data.draw(st.sampled_from(tables(FULL))), data.draw(WORDS)
    path = f"{table}.{word}".lstrip(".")
    assert any(mistake.startswith(f"{path}: ") for mistake in mistakes(written(file, changed(path, 1))))


@given(st.sampled_from(leaves(FULL)), VALUES)
def test_whatever_stands_in_a_file_is_read_or_refused(file: Path, path: str, value: Any) -> None:
    """A wrong value of any kind, anywhere, is a ScenarioError with a line for it, and nothing else."""
    try:
        scenario_file.load(written(file, changed(path, value)))
    except ScenarioError as error:
        assert error.mistakes  # noqa: PT017 - some values are right where they stand


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("timeline.0.att", "23:00", "timeline.0.att: unknown key, did you mean at?"),
        ("timeline.0.when", "hung", "timeline.0: allowed: either `at`"),
        ("timeline.0.operation", "restart", "timeline.0: allowed: either `fault`"),
        ("timeline.0.within_s", 5, "timeline.0.within_s: found beside `at`"),
        ("timeline.1.latency_ms", "20", 'timeline.1.latency_ms: found "20"'),
        ("timeline.2.when", "hang", "timeline.2.when: found 'hang', did you mean hung?"),
        ("timeline.2.within_s", 0, "timeline.2.within_s: found 0"),
        ("timeline.2.services", ["cf-1", "cf-3"], "timeline.2.services.1: found 'cf-3'"),
        ("timeline.2.services", ["cf-1", "cf-1"], 'timeline.2.services.1: found "cf-1" a second time'),
        ("facility.links", ["cf-1", "kiosk", "cf-1"], 'facility.links.2: found "cf-1" a second time; allowed: each once'),
        ("facts", ["O1", "C4", "O1"], 'facts.2: found "O1" a second time; allowed: each once'),
        ("needs", ["links", "links"], 'needs.1: found "links" a second time; allowed: each once'),
        ("night.from", "٢٢:٣٠", r'night.from: found "\u0662\u0662:\u0663\u0660"'),
        ("night.pace.0.to", "٢٢:٣٠", r'night.pace.0.to: found "\u0662\u0662:\u0663\u0660"'),
        ("timeline.0.at", "٢٣:٢٢", r'timeline.0.at: found "\u0662\u0663:\u0662\u0662"'),
        (
            "variants.patient.settings.caller.decoupled_broker",
            "\u202e://x",
            r'variants.patient.settings.caller.decoupled_broker: found "\u202e://x"; value error, allowed: the URL of a broker',
        ),
        ("variants.patient.settings.caller.decoupled_broker", "memory", "variants.patient.settings.caller.decoupled_broker: found"),
        ("facts", [["O1"]], 'facts.0: found ["O1"]'),
        ("facility.application_servers", 17, "facility.application_servers: found 17"),
        ("facility.request_threads", 201, "facility.request_threads: found 201"),
        ("facility.callers", ["kiosk", "kiosk", "ivr", "partner"], "facility.callers: found"),
        ("facility.callers", ["kiosk", "ivr"], "workload.shares.partner: no such caller"),
        ("night.to", "25:00", "night.to: '25:00' is no time of day"),
        ("night.pace.1.from", "23:01", "night.pace.1: found 23:01:00 to 03:00:00"),
        ("night.pace.1.to", "05:31", "night.pace.1: found 00:00:00 to 05:31:00"),
        ("workload.rate_per_minute", float("nan"), "workload.rate_per_minute: found NaN"),
        ("workload.seed", True, "workload.seed: found true"),
        ("workload.trace", "traces/none.jsonl", 'workload.trace: "traces/none.jsonl" is no file'),
        ("variants.patient.settings.caller.call_read_timeout_s", "nver", "variants.patient.settings.caller.call_read_timeout_s: found"),
    ],
)
def test_a_mistake_is_told_by_path_with_what_was_found(file: Path, path: str, value: Any, message: str) -> None:
    """One mistake gives one line, which begins with where it is and what was found there."""
    assert [mistake.startswith(message) for mistake in mistakes(written(file, changed(path, value)))].count(True) == 1


def test_a_variants_name_cannot_lead_out_of_the_directory_of_runs(file: Path) -> None:
    """A variant names a journal and a directory, so nothing but a plain word is taken."""
    data = copy.deepcopy(FULL)
    data["variants"]["../x"] = data["variants"]["patient"]
    assert mistakes(written(file, data)) == ("variants.../x: found '../x'; allowed: a name of a-z, 0-9, _ and - that begins with a letter",)


def test_all_mistakes_are_told_at_once(file: Path) -> None:
    """A file with a mistake in each section is refused with a line for each."""
    data = copy.deepcopy(FULL)
    data["timeline"][0] = {"at": 5, "fault": "swichover", "operation": "restart"}
    data["timeline"].append({"at": "99:00", "fault": "latency", "latency_ms": "x", "linc": 1})
    data["facility"]["pool_size"] = 0
    data["night"]["speed"] = -1
    data["workload"]["seeed"] = 1
    data["variants"]["original"]["expect"]["outcome"] = "lost"
    data["facts"] = ["Z1"]
    data["sumary"] = "?"
    found = "\n".join(mistakes(written(file, data)))
    for path in (
        "timeline.0.at:",
        "timeline.0:",
        "timeline.3.latency_ms:",
        "timeline.3.linc:",
        "facility.pool_size:",
        "night.speed:",
        "workload.seeed:",
        "variants.original.expect.outcome",
        "facts.0:",
        "sumary: unknown key, did you mean summary?",
    ):
        assert path in found


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'title = "x"\n[night\n', "not TOML: .*line 2"),
        (b"seed = " + b"1" * 5000, "cannot be read as TOML"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "cannot be read as TOML"),
    ],
)
def test_a_file_beyond_what_toml_can_be_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """A broken line comes with its number; absurd numbers and depths are mistakes of the file, not of the testbed."""
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(ScenarioError, match=message):
        scenario_file.load(path)


def test_a_broken_file_of_variants_is_told_beside_the_scenarios_own_mistakes(file: Path, tmp_path: Path) -> None:
    """The variants beside a scenario are checked as strictly as the scenario."""
    path = tmp_path / "mine.toml"
    path.write_text(written(file, changed("night.speed", 0)).read_text())
    (tmp_path / "variants.toml").write_text('[original]\napplication_server = { lookup = "orignal" }\n')
    found = mistakes(path)
    assert any("original.application_server.lookup" in mistake for mistake in found)
    assert any(mistake.startswith("night.speed") for mistake in found)


def test_what_the_command_line_changes_is_changed_and_no_more(file: Path) -> None:
    """A speed goes for the whole night; seed and rate replace the file's; what is not given stays."""
    scenario = scenario_file.load(written(file, FULL))
    assert scenario.with_overrides() == scenario
    other = scenario.with_overrides(seed=0, rate_per_minute=3.0, speed=7200)
    assert (other.workload.seed, other.workload.rate_per_minute, other.night.speed, other.night.pace) == (0, 3.0, 7200, ())
    assert (other.steps, other.variants, other.workload.shares) == (scenario.steps, scenario.variants, scenario.workload.shares)
    assert other.night.clock().real_s(other.night.to_s) == pytest.approx(7.5 * 3600 / 7200)


def test_a_scenario_is_found_by_name_before_a_directory_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`calm` is the scenario, also where a directory `calm` happens to stand."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "calm").mkdir()
    assert scenario_file.find("calm") == SCENARIOS / "calm.toml"


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", ""])
def test_a_scenario_that_is_not_there_is_wrong_usage(name: str) -> None:
    """A name that is not known, however odd, is refused with those that are."""
    with pytest.raises(UsageError, match=r"no scenario .*; there are .*the_night"):
        scenario_file.find(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[timeline]]\nat = "23:00"\nfault = "latency"\n' * 20_000, "timeline: 20,000 entries"),
        ("[facility]\nlinks = [" + '"kiosc", ' * 1_001 + "]\n", "facility.links: 1,001 entries"),
        ("".join(f"key_{number} = 1\n" for number in range(1_001)), "the file: 1,001 entries"),
        ("".join(f"[variants.v{number}]\n" for number in range(1_001)), "variants: 1,001 entries"),
    ],
    ids=["steps", "links", "keys", "variants"],
)
def test_a_table_or_list_of_thousands_is_one_mistake(tmp_path: Path, text: str, message: str) -> None:
    """It is not read any further, as each of its entries would be planned, shown or told."""
    path = tmp_path / "long.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        scenario_file.load(path)
    assert caught.value.mistakes == (f"{message}; allowed: at most 1,000",)


def test_a_long_key_is_not_kept_once_more_for_each_value_below_it(tmp_path: Path) -> None:
    """The memory that a file takes grows as the file does."""
    path = tmp_path / "key.toml"
    path.write_text(f"[{'k' * 2**20}]\na = {[[0] * 9] * 100}\n")
    tracemalloc.start()
    try:
        with pytest.raises(ScenarioError):
            scenario_file.load(path)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 50 * 2**20


def test_a_word_is_looked_up_once_for_all_its_steps(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are; a wrong one is told at each."""
    made = Mock(wraps=scenario_file._with_model)  # noqa: SLF001 - counted
    monkeypatch.setattr(scenario_file, "_with_model", made)
    data = copy.deepcopy(FULL)
    data["needs"] = ["processes"]
    data["timeline"] = [{"at": "23:30", "fault": "burst", "requests": number} for number in range(1, 1_001)]
    steps = scenario_file.load(written(file, data)).steps
    assert [step.action.requests for step in steps if isinstance(step.action, Burst)] == list(range(1, 1_001))
    assert made.call_count == 1
    data["timeline"] = [{"at": "23:30", "fault": "latencz"}] * 2
    assert [mistake.partition(":")[0] for mistake in mistakes(written(file, data))] == ["timeline.0.fault", "timeline.1.fault"]


def test_a_night_has_one_clock_and_a_hundred_paces(file: Path) -> None:
    """It is asked for with each setting of each step that is shown; another night has another."""
    night = scenario_file.load(written(file, FULL)).night
    assert night.clock() is night.clock()
    assert night.model_copy(update={"speed": 7.0}).clock() == replace(night.clock(), speed=7.0)
    paces = [{"from": "23:00", "to": "23:01", "speed": 1.0}] * 101
    assert any(mistake.startswith("night.pace: found") for mistake in mistakes(written(file, changed("night.pace", paces))))
