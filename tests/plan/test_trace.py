from __future__ import annotations

import datetime
import json
from collections import Counter
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import pytest

from testbed import scenario_file
from testbed.errors import ScenarioError, UsageError
from testbed.plan import passengers, trace
from testbed.plan.topology import TRANSACTIONS

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.plan.scenario import Scenario
    from testbed.plan.trace import Trace


@pytest.fixture(scope="module")
def night() -> Scenario:
    """Return the night of the case."""
    return scenario_file.load(scenario_file.find("the_night"))


@pytest.fixture(scope="module")
def derived(night: Scenario) -> Trace:
    """Return its trace."""
    return passengers.derive(night)


def test_the_same_seed_is_the_same_night(night: Scenario, derived: Trace) -> None:
    """Two derivations are equal to the byte, and another seed is another night."""
    assert passengers.derive(night) == derived
    assert derived.header.sha256 != passengers.derive(night.with_overrides(seed=7)).header.sha256


def test_a_seed_means_the_same_passengers_everywhere(night: Scenario) -> None:
    """The checksum of a seed is kept, so that another Python or another machine that draws others is found."""
    window = replace(night, night=night.night.model_copy(update={"from_": "22:15", "to": "05:15"}))  # whatever the scenario's is today
    assert passengers.derive(window.with_overrides(seed=1, rate_per_minute=0.5)).header.sha256 == (
        "cffd71aa2ebc1bcda4a5ca58143649efc18d521ae62c3e51124ee5850c359d40"
    )


@pytest.mark.parametrize("rate", [0.2, 10.0])
def test_the_rate_is_the_mean_over_the_night(night: Scenario, rate: float) -> None:
    """Thinned or replicated, the night has as many requests as the rate says."""
    assert len(passengers.derive(night.with_overrides(rate_per_minute=rate)).requests) == round(rate * night.night.minutes)


def test_passengers_come_as_the_schedule_has_them(night: Scenario, derived: Trace) -> None:
    """Everybody is due in the night, in order, for a real flight; hardly anybody between 01:00 and 03:00, most after 04:00."""
    requests = derived.requests
    due = [request.due_night_s for request in requests]
    assert due == sorted(due)
    assert night.night.from_s <= due[0] <= due[-1] <= night.night.to_s
    hours = Counter(int(due_s // 3600) for due_s in due)
    assert hours[25] == hours[26] == 0
    assert hours[28] > 10 * hours[23]


def test_the_shares_are_kept(night: Scenario) -> None:
    """Transactions come in the stated shares, give or take chance."""
    requests = passengers.derive(night.with_overrides(rate_per_minute=10)).requests
    counts = Counter((request.caller, request.transaction) for request in requests)
    weights = {(caller, name): weight for caller, names in night.workload.shares.items() for name, weight in names.items()}
    for kind, weight in weights.items():
        assert counts[kind] / len(requests) == pytest.approx(weight / sum(weights.values()), abs=0.03)


def test_any_seed_has_enough_passengers_to_empty_every_pool_and_block_every_caller(night: Scenario) -> None:
    """For six seeds: after 80 failures in both pools, each caller has forty calls to hang, some minutes before the end."""
    for seed in range(6):
        failed, hanging = 0, Counter[str]()
        for request in passengers.derive(night.with_overrides(seed=seed)).requests:
            if request.due_night_s > night.steps[0].at_night_s and TRANSACTIONS[request.caller][request.transaction]:  # type: ignore[operator]
                failed += 1
                if failed > 80 and request.due_night_s < night.night.to_s - 300:
                    hanging[request.caller] += 1
        assert min(hanging[caller] for caller in TRANSACTIONS) >= 40, seed


def test_a_trace_file_comes_back_as_it_was_written(night: Scenario, derived: Trace, tmp_path: Path) -> None:
    """Writing and reading are inverse."""
    trace.write(derived, tmp_path / "a.jsonl")
    assert trace.read(tmp_path / "a.jsonl", night) == derived


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"caller": "web"}, "line 2: caller: found 'web'"),
        ({"transaction": "fly"}, "line 2: transaction: found 'fly'"),
        ({"due_night_s": 1.0}, "line 2: due_night_s: 00:00:01 is not in the night"),
        ({"flight": "x"}, "line 2: flight"),
        ({"passenger": "somebody else"}, "sha256"),
    ],
)
def test_a_damaged_trace_is_refused_by_its_line(
    night: Scenario, derived: Trace, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    """A request that does not fit the night and a line that was changed by hand are both refused."""
    path = tmp_path / "a.jsonl"
    trace.write(derived, path)
    lines = path.read_text().splitlines()
    lines[1] = json.dumps({**asdict(derived.requests[0]), **change})
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(ScenarioError, match=message.replace("(", r"\(")):
        trace.read(path, night)


def test_a_date_without_flights_names_the_dates_that_have_some(night: Scenario) -> None:
    """The week is all there is."""
    elsewhere = night.night.model_copy(update={"date": datetime.date(2020, 1, 1)})
    with pytest.raises(UsageError, match="2013-10-07 to 2013-10-13"):
        passengers.derive(replace(night, night=elsewhere))


@pytest.fixture
def trace_file(derived: Trace, tmp_path: Path) -> Path:
    """Return a trace file of the night."""
    path = tmp_path / "kept.jsonl"
    trace.write(derived, path)
    return path


def refused(path: Path, night: Scenario) -> tuple[str, ...]:
    """Read a trace file that is wrong, and return its mistakes."""
    with pytest.raises(ScenarioError) as caught:
        trace.read(path, night)
    return caught.value.mistakes


def edited(path: Path, number: int, **fields: object) -> None:
    """Change fields of a line of a trace file; lines count from 1, and the first is the header."""
    lines = path.read_text().splitlines()
    lines[number - 1] = json.dumps({**json.loads(lines[number - 1]), **fields})
    path.write_text("\n".join(lines) + "\n")


def test_all_wrong_lines_of_a_trace_are_told_at_once(night: Scenario, trace_file: Path) -> None:
    """A line that cannot be read hides no other, nor shifts the others' numbers."""
    lines = trace_file.read_text().splitlines()
    lines[3] = lines[3][:20]
    trace_file.write_text("\n".join(lines) + "\n")
    edited(trace_file, 6, caller="nobody")
    edited(trace_file, 9, transaction="nothing")
    edited(trace_file, 10, id=1)
    edited(trace_file, 11, due_night_s=float("nan"))
    assert [mistake.split(":")[0] for mistake in refused(trace_file, night)] == ["line 4", "line 6", "line 9", "line 10", "line 11"]


@pytest.mark.parametrize("cut", [1, 100])
def test_a_trace_that_lost_lines_is_refused(night: Scenario, trace_file: Path, cut: int) -> None:
    """The checksum is of every line, so a file that breaks off is not taken for a shorter night."""
    trace_file.write_text("\n".join(trace_file.read_text().splitlines()[:-cut]) + "\n")
    assert [mistake.split(":")[0] for mistake in refused(trace_file, night)] == ["sha256"]


def test_a_trace_of_another_format_is_refused(night: Scenario, trace_file: Path) -> None:
    """A header of another format is not read as if it were this one."""
    edited(trace_file, 1, trace=2)
    assert refused(trace_file, night)[0].startswith("line 1: trace: found format 2; allowed: 1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: line: Invalid JSON"),
        (b"\xff\xfe", "cannot be read: 'utf-8' codec"),
        (b"{}\n", "line 1: trace: Field required"),
        (b"[1]\n", "line 1: line: Input should be an object"),
    ],
)
def test_what_is_no_trace_is_refused(night: Scenario, tmp_path: Path, content: bytes, message: str) -> None:
    """An empty file, another encoding and other JSON are ScenarioErrors, each with the line and what is wrong in it."""
    (tmp_path / "other").write_bytes(content)
    assert refused(tmp_path / "other", night)[0].startswith(message)


def test_a_trace_does_not_know_the_variant(night: Scenario, derived: Trace) -> None:
    """Every variant is sent the same requests."""
    assert passengers.derive(night.only(("fixed",))) == derived


def test_a_scenario_that_names_a_trace_sends_that_one(night: Scenario, derived: Trace, trace_file: Path) -> None:
    """A kept trace is sent as it is, whatever the scenario's seed says."""
    named = replace(night, workload=night.workload.model_copy(update={"trace": str(trace_file), "seed": 5}))
    assert passengers.of(named) == derived != passengers.of(night.with_overrides(seed=5))


def test_a_night_in_which_nobody_comes_is_refused(night: Scenario) -> None:
    """A rate that makes no request and hours in which nobody checks in are errors, not empty traces."""
    with pytest.raises(ScenarioError, match="makes no request"):
        passengers.derive(night.with_overrides(rate_per_minute=0.001))
    with pytest.raises(ScenarioError, match="nobody checks in"):
        passengers.derive(replace(night, night=night.night.model_copy(update={"from_": "00:10", "to": "02:00"})))


def test_more_passengers_than_can_be_held_are_refused_before_they_are_drawn(night: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """With their number, and the rate that is allowed."""
    most = int(passengers.MAX_REQUESTS / night.night.minutes)
    with monkeypatch.context() as patched:
        patched.setattr(passengers, "derive", lambda scenario: scenario)
        assert passengers.of(night.with_overrides(rate_per_minute=most))
        with pytest.raises(ScenarioError, match=rf"makes [\d,]+ requests; allowed: at most 500,000, which is a rate of {most:,}$"):
            passengers.of(night.with_overrides(rate_per_minute=10_000))
