from __future__ import annotations

import asyncio
import dataclasses
import inspect
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import testbed
from testbed.errors import ServiceError, UsageError
from testbed.experiments import batch
from testbed.fakes.backend import FakeBackend
from testbed.fakes.virtual_time import run as in_virtual_time
from testbed.runtime import backends
from tests.journals import hung_night
from tests.nights import SCENARIO, scenario
from tests.test_layout import ROOMS

if TYPE_CHECKING:
    from testbed.fakes.builder import FakeBuilder

ROOT = Path(__file__).parents[1]
TYPED = """
from pathlib import Path

import testbed
from testbed import Verdict
from testbed.replay import actions
from testbed.replay.replay import replay

results: tuple[testbed.Result, ...] = testbed.replay("the_night", variants=["fixed"], runs=Path("runs"))
verdict: Verdict = results[0].judgement.verdict
path: Path = results[0].journal.path
judgement: testbed.Judgement = testbed.judge(path)
operation: type[actions.Operation]
reveal_type(replay)
testbed.replay("the_night", variant="fixed")
testbed.nonsense
"""


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a fresh interpreter."""
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def builders(monkeypatch: pytest.MonkeyPatch) -> list[FakeBuilder]:
    """Replay on fakes in virtual time; returns the builders that were made, and a third one fails."""
    backend = FakeBackend(failures=[None, None, ServiceError("cf-1 was not ready")])
    monkeypatch.setattr(backends, "of", lambda *_, **__: backend)
    monkeypatch.setattr(batch, "run_interruptible", in_virtual_time)
    return backend.builders


def test_every_public_name_is_listed_before_it_is_imported(tmp_path: Path) -> None:
    """So that a shell completes it."""
    listed = python("-c", "import testbed; print(*dir(testbed))", cwd=tmp_path).stdout.split()
    assert set(testbed.__all__) <= set(listed)


def test_the_public_names_are_sorted_and_all_there() -> None:
    """Each is what its own module calls so, or a function of the package."""
    assert testbed.__all__ == sorted(testbed.__all__)
    for name in testbed.__all__:
        assert getattr(testbed, name).__name__ == name
    assert not hasattr(testbed, "nonsense")


def test_the_map_has_the_rooms_in_the_order_of_the_table() -> None:
    """From the errors to the command line."""
    listed = re.findall(r"^    (\w+)/? {2,}", (testbed.__doc__ or "").partition("The rooms")[2].partition("One word")[0], re.MULTILINE)
    assert [*listed, "__main__"] == list(ROOMS)


def test_no_public_name_is_left_out_of_the_list() -> None:
    """What is defined here or loaded when asked for is in `__all__`, and nothing else is."""
    functions = {name for name, found in vars(testbed).items() if inspect.isfunction(found) and found.__module__ == "testbed"}
    assert functions - {"__getattr__", "__dir__"} | testbed.HOMES.keys() == set(testbed.__all__)


@pytest.mark.parametrize("name", testbed.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    """In a sentence at least."""
    assert (getattr(testbed, name).__doc__ or "").partition("\n")[0].endswith((".", ":", ";")), name


@pytest.mark.parametrize("name", [name for name in testbed.__all__ if inspect.isfunction(getattr(testbed, name))])
def test_every_function_says_what_it_takes_and_what_it_raises(name: str) -> None:
    """Each parameter by its name, and the errors of each function that takes any."""
    function = getattr(testbed, name)
    words = re.findall(r"\w+", function.__doc__)
    parameters = inspect.signature(function).parameters
    assert [parameter for parameter in parameters if parameter not in words] == []
    assert "Raises" in words or not parameters


def test_the_loop_s_own_function_takes_what_replay_takes() -> None:
    """So that it can be awaited in its place."""
    ours, its = inspect.signature(testbed.replay), inspect.signature(batch.replay_scenario)
    assert [(parameter.name, parameter.kind, parameter.default) for parameter in ours.parameters.values()] == [
        (parameter.name, parameter.kind, parameter.default) for parameter in its.parameters.values()
    ]


def test_a_child_process_that_imports_the_package_loads_none_of_its_rooms(tmp_path: Path) -> None:
    """But for the one of the function's name; a public name loads its own."""
    text = """
import json, sys, testbed
first = sorted(name for name in sys.modules if name.startswith("testbed"))
testbed.UsageError
print(json.dumps([first, sorted(name for name in sys.modules if name.startswith("testbed"))]))
"""
    done = python("-c", text, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["testbed", "testbed.replay"], ["testbed", "testbed.errors", "testbed.replay"]]


def test_replay_stays_the_function_whatever_is_imported(tmp_path: Path) -> None:
    """Also after every module of the room of that name, and they can be imported as ever."""
    text = """
import inspect, pkgutil, sys
from importlib import import_module
import testbed
for module in pkgutil.walk_packages(testbed.__path__, "testbed."):
    if not module.name.endswith("__main__") and not module.name.startswith("testbed.pools.services."):  # programs
        import_module(module.name)
import testbed.replay.look
from testbed.replay import actions, running
from testbed.replay.replay import replay
assert inspect.isfunction(testbed.replay) and testbed.replay.__module__ == "testbed"
assert actions is sys.modules["testbed.replay.actions"]
assert inspect.iscoroutinefunction(replay)
"""
    done = python("-c", text, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_part_of_the_testbed_without_the_room_can_be_imported(tmp_path: Path) -> None:
    """As in the image's stage that makes the array, which has a few rooms only."""
    package = tmp_path / "testbed"
    package.mkdir()
    for name in ("__init__.py", "errors.py"):
        (package / name).write_text((ROOT / "testbed" / name).read_text(encoding="utf-8"), encoding="utf-8")
    done = python("-c", "import testbed, testbed.errors; print(testbed.__file__)", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))


def test_a_program_that_uses_the_package_is_checked_by_mypy(tmp_path: Path) -> None:
    """The function and the room of its name have their own types, and what is not there is an error."""
    (tmp_path / "program.py").write_text(TYPED, encoding="utf-8")
    cache = f"--cache-dir={ROOT / '.mypy_cache'}"
    done = python("-m", "mypy", "--strict", cache, "--config-file", str(ROOT / "pyproject.toml"), str(tmp_path / "program.py"), cwd=ROOT)
    lines = [line.partition("program.py:")[2] for line in done.stdout.splitlines() if "program.py:" in line]
    assert [line.split(":")[1].strip() for line in lines if "note:" not in line] == ["error", "error"], done.stdout
    assert any("Unexpected keyword argument" in line for line in lines)
    assert any('Module has no attribute "nonsense"' in line for line in lines)
    assert any("note: Revealed type" in line and "Coroutine[Any, Any, None]" in line for line in lines)


def test_replay_returns_a_judged_result_for_each_turn(tmp_path: Path, builders: list[FakeBuilder]) -> None:
    """In the order asked for, with the journals where it says; and they are judged the same again."""
    night = scenario(tmp_path)
    results = testbed.replay(night.path, variants=["fixed", "original"], runs=tmp_path / "runs")
    assert [(result.journal.header.variant, result.judgement.outcome) for result in results] == [
        ("fixed", testbed.Outcome.CONTAINED),
        ("original", testbed.Outcome.GROUNDED),
    ]
    assert [result.judgement.verdict for result in results] == [testbed.Verdict.HELD] * 2
    for result in results:
        assert result.journal.path.parent.parent == tmp_path / "runs"
        assert testbed.judge(result.journal.path) == result.judgement == testbed.judge(testbed.read_journal(result.journal.path))
    assert [builder.calls[-1] for builder in builders] == ["tear_down"] * 2


def test_replay_takes_a_scenario_that_was_read_and_what_is_changed_of_it(tmp_path: Path, builders: list[FakeBuilder]) -> None:
    """A seed, a rate, a speed: as the command line does."""
    scenario(tmp_path)
    night = testbed.load_scenario(tmp_path / "a_night.toml")
    [result] = testbed.replay(night, variants=["fixed"], seed=5, rate_per_minute=0.2, speed=9000, runs=tmp_path / "runs")
    first, *_, last = [transaction.request for transaction in result.journal.transactions]
    assert result.journal.header.seed == 5
    assert (last.night_s - first.night_s) / (last.due_s - first.due_s) == pytest.approx(9000, rel=0.001)
    assert len(result.journal.transactions) == 86  # 430 minutes of the night
    assert len(builders) == 1


def test_a_replay_that_fails_takes_everything_down_and_raises_its_error(tmp_path: Path, builders: list[FakeBuilder]) -> None:
    """The journals up to there stay."""
    night = scenario(tmp_path)
    with pytest.raises(testbed.FacilityError, match="cf-1 was not ready"):
        testbed.replay(night, repetitions=2, runs=tmp_path / "runs")
    assert [builder.calls[-1] for builder in builders] == ["tear_down"] * 4
    assert sorted(path.name for path in (tmp_path / "runs" / "latest").glob("*.jsonl")) == [
        "fixed-001.jsonl",
        "original-001.jsonl",
        "original-002.jsonl",
    ]


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"variants": "fixed"}, "variants: found 'fixed'; allowed: a list of names"),
        ({"variants": None}, "variants: found None; allowed: a list of names"),
        ({"variants": [["x"]]}, "variants: found [['x']]; allowed: a list of names"),
        ({"repetitions": None}, "repetitions: found None; allowed: a whole number, at least 1"),
        ({"runs": 5}, "runs: found 5; allowed: a path"),
        ({"runs": b"runs"}, "runs: found b'runs'; allowed: a path"),
        ({"runs": "a\0b"}, "runs: found 'a\\x00b'; allowed: a path that the system can have"),
        ({"runs": "/nope/\ud800"}, "runs: found '/nope/\\ud800'; allowed: a path that the system can have"),
        ({"seed": 1.5}, "seed: found 1.5; allowed: a whole number"),
        ({"seed": "1"}, "seed: found '1'; allowed: a whole number"),
        ({"repetitions": True}, "repetitions: found True; allowed: a whole number"),
        ({"speed": "fast"}, "speed: found 'fast'; allowed: a number"),
        ({"variants": ["fixd"]}, "has no variant 'fixd', did you mean fixed?; it has original, fixed"),
        ({"runtime": "process"}, "no runtime 'process'; there are processes, containers"),
        ({"seed": -1}, "seed: found -1; allowed: a whole number, at least 0, at most 9,223,372,036,854,775,807"),
        ({"rate_per_minute": 0}, "rate_per_minute: found 0; allowed: a number, more than 0, at most 10,000"),
        ({"speed": float("nan")}, "speed: found nan; allowed: a number, more than 0, at most 1,000,000"),
        ({"repetitions": 0}, "repetitions: found 0; allowed: a whole number, at least 1, at most 1,000"),
    ],
    ids=str,
)
def test_what_is_not_allowed_is_refused_before_anything_starts(
    changed: dict[str, Any], text: str, tmp_path: Path, builders: list[FakeBuilder]
) -> None:
    """With what was found and what is allowed."""
    with pytest.raises(UsageError, match=re.escape(text)):
        testbed.replay(scenario(tmp_path), **{"runs": tmp_path / "runs", **changed})
    assert builders == []
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("given", [None, b"calm", 5, ["calm"]], ids=repr)
def test_what_is_no_name_and_no_path_is_refused(given: Any, builders: list[FakeBuilder]) -> None:
    """With what was found, by every function that takes one."""
    for function in (testbed.replay, testbed.load_scenario):
        with pytest.raises(UsageError, match=re.escape(f"scenario: found {given!r}; allowed: a name, or a path to a .toml file")):
            function(given)
    for function in (testbed.read_journal, testbed.judge):
        with pytest.raises(UsageError, match=re.escape(f"path: found {given!r}; allowed: a path")):
            function(given)
    assert builders == []


def test_wrong_files_raise_the_errors_of_the_package(tmp_path: Path) -> None:
    """An unknown name, a scenario with mistakes, and a journal that is not there."""
    with pytest.raises(testbed.UsageError, match="no scenario 'the_nigth', did you mean the_night"):
        testbed.load_scenario("the_nigth")
    (tmp_path / "wrong.toml").write_text(SCENARIO, encoding="utf-8")  # with its fields not filled in
    with pytest.raises(testbed.ScenarioError):
        testbed.load_scenario(tmp_path / "wrong.toml")
    for function in (testbed.read_journal, testbed.judge):
        with pytest.raises(testbed.JournalError, match="No such file"):
            function(tmp_path / "no.jsonl")


def test_scenarios_are_named_as_they_can_be_replayed() -> None:
    """Sorted, and each can be loaded by its name."""
    names = testbed.scenarios()
    assert list(names) == sorted(names)
    assert "the_night" in names
    assert testbed.load_scenario("the_night").name == "the_night"


def test_a_journal_that_was_read_is_judged_as_it_is() -> None:
    """Without its file."""
    assert testbed.judge(hung_night().journal()).outcome == testbed.Outcome.GROUNDED


def test_what_a_replay_returns_is_one_line_at_a_prompt() -> None:
    """It says what it is, what it means and where its journal is; it does not print the night."""
    journal = hung_night().journal()
    judgement = testbed.judge(journal)
    result = testbed.Result(journal, judgement, 1.0)
    where = repr(str(journal.path))
    assert repr(journal) == f"<Journal: {journal.header.scenario} over {journal.header.variant}, {len(journal.events)} events, in {where}>"
    meant = f"verdict {judgement.verdict}, outcome grounded, crack 6"
    events = f"{len(journal.events)} events in {where}"
    assert repr((result,)) == f"(<Result: {journal.header.scenario} over {journal.header.variant}, {meant}; {events}>,)"
    for shown in (judgement, judgement.figures):
        assert len(repr(shown)) < 200
        assert where in repr(shown)
    assert "torn" in repr(dataclasses.replace(journal, torn=True))


async def test_in_an_event_loop_replay_names_the_function_to_await(tmp_path: Path) -> None:
    """It would block the loop; and that function is there."""
    with pytest.raises(UsageError, match=r"await testbed\.experiments\.batch\.replay_scenario\(…\)"):
        testbed.replay("the_night", runs=tmp_path)
    assert inspect.iscoroutinefunction(batch.replay_scenario)


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, InterruptedError)])
def test_a_signal_takes_everything_down_and_then_does_what_it_would_have_done(
    number: signal.Signals, raised: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C raises KeyboardInterrupt; a handler of the caller's own is called, and is there again afterwards."""
    ended: list[str] = []

    def handler(*_: object) -> None:
        raise InterruptedError(*ended)

    async def work() -> None:
        try:
            signal.raise_signal(number)
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            ended.append("taken down")

    wanted = signal.default_int_handler if number == signal.SIGINT else handler
    before = signal.signal(number, wanted)
    try:
        with pytest.raises(raised):
            batch.run_in_own_loop(work(), "that")
        assert signal.getsignal(number) is wanted
    finally:
        signal.signal(number, before)
    assert ended == ["taken down"]
