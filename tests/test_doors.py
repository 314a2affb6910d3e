"""Files that nobody would write, at each door: they are taken, or refused in one message, and nothing else leaves the border.

A hundred of each come with every suite, and thousands with `--hypothesis-profile thorough` (tests/README.md).
"""

from __future__ import annotations

import json
import random
import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbed import scenario_file
from testbed.errors import MISTAKE_CHARACTERS, MISTAKES, ScenarioError, UsageError, visible
from testbed.experiments.matrix import folder
from testbed.plan import passengers, trace
from testbed.plan.variants import read_variants
from tests.mutations import changed, times, toml

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.plan.scenario import Scenario

SCENARIOS = [tomllib.loads(path.read_text(encoding="utf-8")) for path in scenario_file.known()]
NIGHT = scenario_file.find("the_night")
VARIANTS = NIGHT.with_name("variants.toml")
KEPT = NIGHT.parent / "containment"
SEED = 2013
REQUESTS_AT_MOST = 2_000  # a trace of more takes its time, and shows nothing new
HEAD, REST = 300, 20 * (MISTAKE_CHARACTERS + 10)


def require_bounds(error: UsageError, path: Path) -> None:
    """Check that a refusal names its file, is in bounds, and has nothing that a terminal would obey."""
    message = str(error)
    assert str(path) in message, message
    assert message == visible(message)
    assert len(message) <= HEAD + REST
    lines = message.splitlines()
    assert len(lines) <= MISTAKES + 2
    assert all(len(line) <= MISTAKE_CHARACTERS + HEAD for line in lines)


def is_taken(read: Callable[[], object], path: Path, refusal: type[UsageError] = ScenarioError) -> bool:
    """Read a file, and return whether it was taken; the message is looked at if it is refused."""
    try:
        read()
    except refusal as error:
        require_bounds(error, path)
        return False
    return True


def load(path: Path) -> Scenario:
    """Load a scenario, and derive its passengers where there are not too many."""
    scenario = scenario_file.load(path)
    if scenario.workload.trace is None and scenario.workload.rate_per_minute * scenario.night.minutes <= REQUESTS_AT_MOST:
        passengers.of(scenario)
    return scenario


def test_a_scenario_is_taken_or_refused(tmp_path: Path) -> None:
    """However it was changed; some of them are still right, and most are not."""
    chance, path, ends = random.Random(SEED), tmp_path / "a.toml", []
    for _ in range(times(8_000)):
        path.write_text(toml(changed(chance, chance.choice(SCENARIOS))), encoding="utf-8")
        ends.append(is_taken(lambda: load(path), path))
    assert True in ends
    assert False in ends


def test_a_text_that_was_cut_or_scrambled_is_taken_or_refused(tmp_path: Path) -> None:
    """Bytes that are no text, too."""
    chance, path = random.Random(SEED), tmp_path / "a.toml"
    text = NIGHT.read_bytes()
    for _ in range(times(1_000)):
        at, to = sorted(chance.randrange(len(text)) for _ in range(2))
        with_what = chance.choice([b"", b"\xff", b"\x00", b"[", b'"', b"'''", text[to : to + 50], b"1" * 5_000, b"a." * 3_000])
        path.write_bytes(text[:at] + with_what + text[chance.choice([at, to]) :])
        is_taken(lambda: load(path), path)


def test_variants_are_taken_or_refused(tmp_path: Path) -> None:
    """Beside a scenario that uses one of them, and by themselves."""
    chance, file, ends = random.Random(SEED), tmp_path / "variants.toml", []
    kept = tomllib.loads(VARIANTS.read_text(encoding="utf-8"))
    for _ in range(times(1_000)):
        some = dict(chance.sample(sorted(kept.items()), 4))
        file.write_text(toml(changed(chance, some)), encoding="utf-8")
        ends.append(is_taken(lambda: read_variants(file), file))
    assert True in ends
    assert False in ends


def test_a_trace_is_taken_or_refused(tmp_path: Path) -> None:
    """A line that was changed, dropped, doubled or cut."""
    chance, path, ends = random.Random(SEED), tmp_path / "a.jsonl", []
    scenario = scenario_file.load(scenario_file.find("calm"))
    sent = passengers.of(scenario)
    trace.write(sent, path)
    lines = path.read_text(encoding="utf-8").splitlines()
    for _ in range(times(2_000)):
        spoiled = list(lines)
        at = chance.randrange(len(spoiled)) * (chance.random() < 0.7)
        how = chance.choice(["change", "change", "drop", "double", "cut"])
        if how == "change":
            spoiled[at] = json.dumps(changed(chance, json.loads(spoiled[at])), default=str)
        elif how == "cut":
            spoiled[at] = spoiled[at][: chance.randrange(len(spoiled[at]))]
        else:
            spoiled[at : at + 1] = [spoiled[at]] * (2 if how == "double" else 0)
        path.write_text("\n".join(spoiled) + "\n", encoding="utf-8")
        ends.append(is_taken(lambda: trace.read(path, scenario), path))
    assert False in ends


def test_a_matrix_is_taken_or_refused(tmp_path: Path) -> None:
    """A cell of which something was changed."""
    chance, kept, ends = random.Random(SEED), scenario_file.kept_variants(), []
    shutil.copytree(KEPT / "processes", tmp_path / "processes")
    path = tmp_path / "processes" / "the_night.jsonl"
    for other in path.parent.glob("*.jsonl"):
        if other != path:
            other.unlink()
    lines = path.read_text(encoding="utf-8").splitlines()
    for _ in range(times(500, quick=50)):
        spoiled, at = list(lines), chance.randrange(len(lines))
        spoiled[at] = json.dumps(changed(chance, json.loads(spoiled[at])), default=str)
        path.write_text("\n".join(spoiled) + "\n", encoding="utf-8")
        ends.append(is_taken(lambda: folder.read(tmp_path, kept), path, UsageError))
    assert False in ends


@pytest.mark.parametrize("length", [255, 5_000])
def test_a_path_that_no_system_has_is_one_message(length: int) -> None:
    """It is no scenario."""
    with pytest.raises(UsageError, match="cannot be read: File name too long"):
        scenario_file.load(scenario_file.find(f"{'a' * length}.toml"))
