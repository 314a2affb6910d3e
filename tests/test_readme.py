from __future__ import annotations

import importlib.util
import json
import re
import shlex
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click
import pytest

from testbed import cli_replay, facts, faults, operations, scenario_file, summary, topology, trace, verdict
from testbed.checks import Verdict
from testbed.cli import COMMANDS, main_group
from testbed.expectation import Crack, Expectation, OutcomeWord
from testbed.scan.effect import Effect, Over, Scan
from testbed.scenario import CONDITIONS
from tests.journals import hung_night

if TYPE_CHECKING:
    from testbed.scenario import Scenario

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROSE = re.sub(r"^```.*?^```", "", README, flags=re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    """Give the text below a heading."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found is not None, f"README.md has no section {title!r}"
    return found[1]


def first_cells(text: str) -> list[str]:
    """Give the first cell of every row of the tables in a text, without their headings."""
    rows = re.findall(r"^\| (.*?) \|", text, re.MULTILINE)
    return [cell for cell, below in zip(rows, [*rows[1:], ""], strict=True) if not below.startswith("---") and not cell.startswith("---")]


def words(cells: list[str]) -> set[str]:
    """Give what stands between backticks in some cells."""
    return set(re.findall(r"`([^`]+)`", " ".join(cells)))


@pytest.fixture
def example(tmp_path: Path) -> Scenario:
    """Give the README's scenario, saved outside the project as a stranger would."""
    block = re.search(r"^```toml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert block is not None
    path = tmp_path / "half_a_restart.toml"
    path.write_text(block[1], encoding="utf-8")
    return scenario_file.load(path)


def command_of(name: str) -> click.Command:
    """Give a command of the command line."""
    found = main_group.get_command(click.Context(main_group), name)
    assert found is not None, name
    return found


def test_the_two_commands_are_two_and_one_line_each() -> None:
    """What CI takes from the README is there: the night, and the tests."""
    commands = [line.strip() for line in section("Two commands").splitlines() if line.startswith("    ")]
    assert len(commands) == 2
    assert commands[0].endswith("testbed replay the_night")
    assert commands[1].endswith("pytest")


def test_every_command_is_in_the_table_and_every_one_in_the_table_is_there() -> None:
    """The table of commands is the command line's."""
    named = {cell.split()[1] for cell in words(first_cells(section("The commands"))) if cell.startswith("testbed ")}
    assert named == set(COMMANDS)


def test_every_command_and_option_named_anywhere_is_there() -> None:
    """No line of the README asks for a command or an option that the command line does not have."""
    lines = re.findall(r"(?:`|^    )(?:\.venv/bin/)?(testbed [^`\n]*)", PROSE, re.MULTILINE)
    assert len(lines) > 10
    for line in lines:
        word, *rest = shlex.split(line.replace("…", ""))[1:]
        command = command_of(word)
        if isinstance(command, click.Group) and rest and rest[0] in command.commands:
            command = command.commands[rest.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {one for one in rest if one.startswith("--")} <= known, line


def test_every_option_of_the_replay_is_told() -> None:
    """An option that nobody can find does not exist."""
    options = {option for parameter in command_of("replay").params for option in parameter.opts if option.startswith("--")}
    told = set(re.findall(r"--[a-z]+", section("The commands")))
    assert options - {"--runtime"} <= told


def test_every_option_of_the_commands_by_hand_is_told() -> None:
    """The section on playing by hand names every option of every one of its commands."""
    by_hand = [command_of(name) for name, (module, _) in COMMANDS.items() if module == "testbed.cli_by_hand"]
    options = {option for command in by_hand for parameter in command.params for option in parameter.opts if option.startswith("--")}
    assert options <= set(re.findall(r"--[a-z]+", section("By hand")))


def test_every_option_of_the_matrix_is_told() -> None:
    """Where it says what the matrix is for, or with those of the replay."""
    options = {option for parameter in command_of("matrix").params for option in parameter.opts if option.startswith("--")}
    told = set(re.findall(r"--[a-z]+", section("What stops the crack") + section("The commands")))
    assert options <= told


def test_every_option_of_the_scan_is_told() -> None:
    """Where it says what the scan is for, or with those of the replay."""
    options = {option for parameter in command_of("scan").params for option in parameter.opts if option.startswith("--")}
    told = set(re.findall(r"--[a-z]+", section("Which links stop check-in") + section("The commands")))
    assert options <= told


def test_the_fields_of_the_scan_are_told() -> None:
    """Every field of its JSON object is in its table, and nothing else is."""
    records = (Scan, Over, Effect, topology.IntegrationPoint)
    wanted = {name for one in records for name in (*one.model_fields, *one.model_computed_fields)}
    rows = "\n".join(re.findall(r"^\| (`.*?) \|", section("Which links stop check-in"), re.MULTILINE))
    assert set(re.findall(r"`(\w+)`", rows)) == wanted


def test_the_table_of_faults_and_operations_is_whole() -> None:
    """Every word that a timeline may have is there, with every parameter."""
    rows = re.findall(r"^\| (fault|operation) `(\w+)` \| (.*?) \|", section("How to write a scenario"), re.MULTILINE)
    assert {(kind, word) for kind, word, _ in rows} == {
        *(("fault", word) for word in faults.names()),
        *(("operation", word) for word in operations.names()),
    }
    for kind, word, parameters in rows:
        action = (faults if kind == "fault" else operations).load(word)
        taken = {field.name for field in fields(action)}  # type: ignore[arg-type]
        assert taken == set(re.findall(r"`(\w+)`", parameters)), word


def test_every_condition_is_told() -> None:
    """Every word for `when` is explained."""
    paragraph = section("How to write a scenario").partition("Conditions, for")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)` \(", paragraph)) == set(CONDITIONS)


def test_the_table_of_expectations_is_whole() -> None:
    """Every key of an expectation has its row."""
    table = section("How to write a scenario").partition("What may be expected")[2].partition("What a variant may set")[0]
    assert words(first_cells(table)) == set(Expectation.model_fields)


def test_every_setting_of_a_variant_is_told() -> None:
    """What a variant may set is named, for each role, and nothing else is."""
    paragraph = section("How to write a scenario").partition("What a variant may set")[2].partition("Times are")[0]
    servers, _, rest = paragraph.partition("`settings.caller`")
    callers, _, facility = rest.partition("`settings.facility`")
    assert set(re.findall(r"`(\w+)`", servers)) == set(topology.ServerSettings.model_fields)
    assert set(re.findall(r"`(\w+)`", callers)) == set(topology.CallerSettings.model_fields)
    assert set(re.findall(r"`(\w+)`", facility)) == set(topology.FacilitySettings.model_fields)


def test_the_words_for_outcomes_and_the_crack_are_the_verdicts() -> None:
    """The outcomes are the three that there are; the crack's steps stand in their order."""
    assert words(first_cells(section("What comes out"))) == set(get_args(OutcomeWord))
    steps = re.findall(r"(\d) (\w+)", section("What comes out").partition("The *crack*")[2])
    assert [(int(number), word) for number, word in steps] == [(level.value, level.word) for level in Crack]


def test_the_exit_codes_are_those_of_the_command_line() -> None:
    """0 held, 1 broken, 3 unknown."""
    assert cli_replay.EXIT == {Verdict.HELD: 0, Verdict.BROKEN: 1, Verdict.UNKNOWN: 3}
    assert "0 when every expectation of the scenario held, 1 when one was broken, 2 for wrong usage" in section("What comes out")


def test_the_table_for_programs_has_every_field() -> None:
    """Each field of the JSON line is in the table, and nothing else is."""
    kept = hung_night().journal()
    line = json.loads(summary.line(verdict.judge(kept), 1.0))
    rows = "\n".join(re.findall(r"^\| (`.*?) \|", section("For programs"), re.MULTILINE))
    assert set(re.findall(r"`(\w+)`", rows)) == set(line)


def test_the_example_is_a_scenario_and_has_passengers(example: Scenario) -> None:
    """The scenario that a stranger copies is accepted as it stands, and says what the text says of it."""
    assert [step.word for step in example.steps] == ["switchover", "restart"]
    assert [variant.name for variant in example.variants] == ["original", "impatient"]
    assert len(trace.of(example).requests) > 300
    assert set(example.facts) <= set(facts.FACTS)


def test_the_example_of_a_fault_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The class that a stranger copies is a fault that a timeline could have."""
    block = re.search(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert block is not None
    path = tmp_path / "power_cut.py"
    path.write_text(block[1], encoding="utf-8")
    spec = importlib.util.spec_from_file_location("power_cut", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "power_cut", module)  # dataclasses look their module up there
    spec.loader.exec_module(module)
    fault = module.PowerCut("cf-1")
    assert fault.service == "cf-1"
    assert callable(fault.inject)


def test_every_file_that_is_linked_or_named_is_there() -> None:
    """A link leads somewhere, and so does every path in the text."""
    links = {link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link}
    paths = set(re.findall(r"`((?:testbed|flight_search|scenarios|tests|compose)/[\w/.*]*)`", README))
    to_be_made = {"scenarios/half_a_restart.toml", "testbed/faults/power_cut.py"}  # by the reader
    assert len(links) > 5
    assert [one for one in (links | paths) - to_be_made if not (ROOT / one).exists()] == []
