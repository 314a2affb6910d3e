"""A service of somebody else's in the place of the application servers: its file, its mistakes, and the night over it, on real parts."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

import testbed
from testbed.errors import ScenarioError, ServiceError, UsageError
from testbed.experiments.planned import planned
from testbed.plan import own_service
from testbed.plan.expectation import Outcome

ROOT = Path(__file__).parents[1]
HERE = ROOT / "tests" / "foreign_services"
EXPECT, FAULT = "[variants.ours.expect]", 'fault = "switchover"'
PAGE = (ROOT / "scenarios" / "README.md").read_text(encoding="utf-8")


def example() -> str:
    """Return the scenario of the page, which runs the Python of these tests."""
    section = PAGE.partition("## A service of your own\n")[2]
    found = re.search(r"^```toml\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1].replace('"python ', f'"{sys.executable} ')


def written(home: Path, text: str) -> Path:
    """Write a scenario, with the service beside it."""
    shutil.copy(HERE / "plain.py", home)
    path = home / "ours.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_is_a_scenario(tmp_path: Path) -> None:
    """It is read as it stands on the page, needs the processes, and knows nothing that it was not told."""
    scenario = testbed.load_scenario(written(tmp_path, example()))
    assert scenario.needs == ("processes",)
    service = scenario.facility.service
    assert service is not None
    assert (scenario.facility.connections, service.directory, service.readings) == (5, str(tmp_path), None)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("[service.requests.search]", "[service.requests.serch]", ("service.requests.serch: no transaction", "did you mean search?")),
        ("[service.requests.search]", "[service.requests.book]", ("service.requests.search: missing", "workload.shares.partner")),
        (EXPECT, f"[variants.ours.settings.application_server]\nlookup = 'fixed'\n{EXPECT}", ("lookup: found", "only flight_search")),
        ("crack = 6", "leaked_connections = 5", ("variants.ours.expect.leaked_connections: found 5", "pool_out")),
        ("crack = 6", "errors_per_server = 5", ("variants.ours.expect.errors_per_server: found 5", "only flight_search")),
        (FAULT, f"{FAULT}\n[[timeline]]\nwhen = 'pool_empty'\noperation = 'restart'", ("timeline.1.when", "pool_out")),
        (FAULT, 'fault = "disk_full"', ("timeline.0: found disk_full",)),
        (FAULT, 'fault = "burst"\ndoor = "cf-1"', ("timeline.0.door: found 'cf-1'", "a caller")),
        ("max_connections", "directory = 'nowhere'\nmax_connections", ("service.directory", "is no directory")),
        ("max_connections", "schema = 'no.sql'\nmax_connections", ("service.schema", "is no file")),
        ("request_threads = 10 ", "service = {command = 'x'}\nrequest_threads = 10 ", ("facility.service", "[service]")),
    ],
)
def test_what_does_not_go_together_is_a_mistake(tmp_path: Path, before: str, after: str, words: tuple[str, ...]) -> None:
    """The key is named, what was found there, and what is allowed."""
    text = example()
    assert before in text
    with pytest.raises(ScenarioError) as caught:
        testbed.load_scenario(written(tmp_path, text.replace(before, after)))
    assert any(all(word in mistake for word in words) for mistake in caught.value.mistakes), caught.value.mistakes


def test_a_file_takes_the_place_in_any_scenario() -> None:
    """Nothing is expected of it: what the scenario expects is of its own variants; and those of callers can be had all the same."""
    plan = planned("the_night", service=HERE / "plain.toml")
    assert [variant.name for variant in plan.variants] == ["plain"]
    assert not plan.variants[0].expect.can_be_broken
    assert plan.longest_timeout_s == 0
    [over] = planned("the_night", ("call_timeout",), service=HERE / "plain.toml").variants
    assert (over.name, over.settings.caller.call_read_timeout_s is not None) == ("call_timeout", True)
    with pytest.raises(ScenarioError, match="only flight_search knows it"):
        planned("the_night", ("fixed",), service=HERE / "plain.toml")


def test_containers_refuse_it_in_a_sentence() -> None:
    """One that says what is needed, and what to choose."""
    with pytest.raises(testbed.FacilityError, match=r"needs .*'processes', which runtime 'containers' does not provide") as caught:
        testbed.replay(planned("the_night", service=HERE / "plain.toml"), runtime="containers")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.toml", "", ("service: missing",)),
        ("a.toml", "[service]\ncommand = 'x'\n[servise]", ("servise: unknown key", "[service]")),
        ("a.toml", "[service]\ncommnd = 'x'", ("service.commnd: unknown key, did you mean command?",)),
    ],
)
def test_mistakes_of_a_file(tmp_path: Path, name: str, text: str, words: tuple[str, ...]) -> None:
    """Each has its key."""
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError) as caught:
        own_service.read(tmp_path / name)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("python -c 'print(\"no such luck\"); raise SystemExit(7)'", ("ended with exit code 7 before it was ready", "no such luck")),
        ("python -c 'import time; print(1, flush=True); time.sleep(99)'", ("was not ready within 1 s", "connection refused")),
        ("python -c pass", ("ended with exit code 0 before it was ready",)),
        ("no-such-program", ("cannot be started", "no program 'no-such-program'")),
    ],
)
def test_a_service_that_does_not_come_up_is_one_error(tmp_path: Path, command: str, words: tuple[str, ...]) -> None:
    """It names the server, how it ended, and its last lines."""
    text = example().replace(f'"{sys.executable} plain.py {{port}}"', f"'''{command.replace('python ', sys.executable + ' ')}'''")
    path = written(tmp_path, text.replace("max_connections", "start_within_s = 1\nmax_connections"))
    with pytest.raises(ServiceError) as caught:
        testbed.replay(path, runs=tmp_path / "runs")
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize("careful", [False, True])
def test_the_night_over_a_service_that_the_testbed_does_not_know(tmp_path: Path, *, careful: bool) -> None:
    """One that loses a connection with every error grounds the airline, and a careful one does not; nobody knows how far it went inside."""
    text = example()
    if careful:
        text = text.replace('POOL_SIZE = "5"', 'POOL_SIZE = "5", CAREFUL = "1"').replace(
            '"grounded"\ncrack = 6', '["contained", "unharmed"]'
        )
    [result] = testbed.replay(written(tmp_path, text), runs=tmp_path / "runs")
    judgement, service = result.judgement, result.journal.header.service
    assert service is not None
    assert service.tells == ("health",)
    assert judgement.outcome is not None, judgement.reason
    assert (judgement.outcome is Outcome.GROUNDED) is not careful, judgement.reason
    assert set(judgement.figures.leaked_connections.values()) == {None}
    assert judgement.crack_number == ("at least 1" if careful else "6")
