from __future__ import annotations

import importlib.util
import json
import re
import shlex
import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import click
import pytest

from scenarios.conftest import PLANS
from scenarios.test_expectations import CASES
from testbed import faults, operations, scenario_file
from testbed.cli import output
from testbed.cli.main import COMMANDS, main_group
from testbed.experiments.scan.effect import Effect, Scan, VariantScan
from testbed.fakes.builder import FakeBuilder
from testbed.fakes.virtual_time import run as in_virtual_time
from testbed.faultproxy import toxics
from testbed.journal import events
from testbed.journal.evidence import Evidence
from testbed.journal.reader import read
from testbed.journal.stuck import STUCK_S, STUCK_SAMPLES
from testbed.journal.writer import JournalWriter
from testbed.plan import facts, passengers, settings, topology
from testbed.plan.clock import NightClock
from testbed.plan.expectation import Crack, Expectation, OutcomeWord
from testbed.plan.scenario import CONDITIONS, NEEDS
from testbed.plan.topology import FacilityPlan
from testbed.replay import actions
from testbed.replay.actions import Actions
from testbed.replay.recorder import Recorder
from testbed.replay.state import FacilityState
from testbed.report import json_lines
from testbed.runtime.containers.runtime import CAPABILITIES
from testbed.runtime.processes import runtime
from testbed.verdict import checks, judge, latency
from testbed.verdict.finding import Verdict
from tests.journals import header, hung_night

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.plan.scenario import Scenario

ROOT = Path(__file__).parents[1]
FOLDERS = (".github", "testbed", "flight_search", "scenarios", "compose", "tests")
PAGES = (ROOT / "README.md", *sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md")))
WRITTEN = tuple(page for page in PAGES if "containment" not in page.relative_to(ROOT).as_posix())  # not generated
MOST_LINES = 150
MOST_CHARACTERS = 200
TO_BE_MADE = {"scenarios/half_a_restart.toml", "testbed/faults/power_cut.py", "tests/faults/test_power_cut.py"}  # by the reader


def text_of(page: str) -> str:
    """Read a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def without_blocks(text: str) -> str:
    """Return a page's text without its fenced code."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def section(page: str, title: str) -> str:
    """Return the text below a heading, with the headings below that one."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text_of(page), re.MULTILINE | re.DOTALL)
    assert found is not None, f"{page} has no section {title!r}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """Return the cells of every row of the tables in a text, without their headings."""
    tables = re.findall(r"^\|(?:---\|)+\n((?:\|.*\n?)*)", text, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for table in tables for line in table.splitlines()]


def words(cells: list[str]) -> list[str]:
    """Return what stands between backticks in some cells."""
    return re.findall(r"`([^`]+)`", " ".join(cells))


def first_words(text: str) -> list[str]:
    """Return what stands between backticks in the first cell of every row of the tables in a text."""
    return words([cells[0] for cells in rows(text)])


def options_in(text: str) -> set[str]:
    """Return the options that a text names."""
    return set(re.findall(r"--[a-z]+(?:-[a-z]+)*", text))


def options_of(*commands: click.Command) -> set[str]:
    """Return the long options of some commands."""
    return {option for command in commands for parameter in command.params for option in parameter.opts if option.startswith("--")}


@pytest.fixture
def example(tmp_path: Path) -> Scenario:
    """Return the scenario of the page on scenarios, saved outside the project as a stranger would."""
    block = re.search(r"^```toml\n(.*?)^```", text_of("scenarios/README.md"), re.MULTILINE | re.DOTALL)
    assert block is not None
    path = tmp_path / "half_a_restart.toml"
    path.write_text(block[1], encoding="utf-8")
    return scenario_file.load(path)


def command_of(name: str) -> click.Command:
    """Return a command of the command line."""
    found = main_group.get_command(click.Context(main_group), name)
    assert found is not None, name
    return found


def test_the_readme_is_one_page() -> None:
    """Whoever lands there sees all of it."""
    assert len(text_of("README.md").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_lines_are_short_enough_for_a_diff_to_be_read(page: Path) -> None:
    """No line of a page is longer than 200 characters, outside of tables and code."""
    prose = without_blocks(page.read_text(encoding="utf-8"))
    assert [line for line in prose.splitlines() if len(line) > MOST_CHARACTERS and not line.startswith(("|", "    "))] == []


def test_every_room_says_what_it_is() -> None:
    """Each folder with code, and each of the others that the map names, has a README or a package docstring."""
    rooms = {path.parent for path in (ROOT / "testbed").rglob("*.py")}
    rooms |= {ROOT / room for room in ("flight_search", "scenarios", "compose", "tests/benchmarks")}
    silent = {room for room in rooms if not (room / "README.md").exists() and not _docstring(room / "__init__.py")}
    assert silent == set()


def _docstring(module: Path) -> bool:
    return module.exists() and module.read_text(encoding="utf-8").startswith('"""')


def test_the_map_has_every_room() -> None:
    """Every folder at the top of the testbed is in the README's table of rooms."""
    named = set(re.findall(r"testbed/(\w+)/", section("README.md", "The rooms")))
    there = {path.parent.name for path in (ROOT / "testbed").glob("*/__init__.py")}
    assert there <= named


def test_the_table_of_contents_has_every_section() -> None:
    """Where a page has one, each heading of the second level is in it, in order."""
    for page in WRITTEN:
        text = without_blocks(page.read_text(encoding="utf-8"))
        contents = re.findall(r"\]\(#([\w-]+)\)", text.partition("\n## ")[0])
        if contents:
            assert contents == [anchor(title) for title in re.findall(r"^## (.*)$", text, re.MULTILINE)], page


def test_the_two_commands_are_two_and_one_line_each() -> None:
    """What CI takes from the README is there: the night, and the tests."""
    commands = [line.strip() for line in section("README.md", "Two commands").splitlines() if line.startswith("    ")]
    assert len(commands) == 2
    assert commands[0].endswith("testbed replay the_night")
    assert commands[1].endswith("pytest")


def test_every_command_is_in_the_table_and_every_one_in_the_table_is_there() -> None:
    """The table of commands is the command line's."""
    named = {word.split()[1] for word in first_words(section("README.md", "The commands"))}
    assert named == set(COMMANDS)


def test_every_command_and_option_named_anywhere_is_there() -> None:
    """No line of any page but the changelog asks for a command or an option that the command line does not have."""
    prose = "\n".join(without_blocks(page.read_text(encoding="utf-8")) for page in WRITTEN if page.name == "README.md")
    lines = re.findall(r"(?:`|^    )(?:\.venv/bin/)?(testbed [^`\n]*)", prose, re.MULTILINE)
    assert len(lines) > 50
    for line in lines:
        word, *rest = shlex.split(line.replace("…", ""))[1:]
        command = command_of(word)
        if isinstance(command, click.Group) and rest and rest[0] in command.commands:
            command = command.commands[rest.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {argument for argument in rest if argument.startswith("--")} <= known, line


def test_the_load_of_a_class_lasts_for_the_night() -> None:
    """Each example of `testbed load` says for how long; without it, the load is over before the pools are empty."""
    examples = [line for page in WRITTEN for line in re.findall(r"testbed load --rate \d[^`\n]*", page.read_text(encoding="utf-8"))]
    assert len(examples) > 1
    assert [line for line in examples if "--seconds 600" not in line] == []


def test_a_trace_is_kept_in_a_folder_that_is_there() -> None:
    """Each documented `testbed trace` works when pasted into a fresh clone: its folder is in the tree, or the line before makes it."""
    found = 0
    for page in WRITTEN:
        lines = page.read_text(encoding="utf-8").splitlines()
        for before, line in pairwise(lines):
            if traced := re.search(r"testbed trace \w+ (\S+/)\w+\.jsonl", line):
                found += 1
                assert git_has(traced[1]) or before.strip() == f"mkdir -p {traced[1].rstrip('/')}", f"{page}: {line}"
    assert found > 0


def git_has(folder: str) -> bool:
    """Whether a fresh clone has a folder; what is empty or ignored it has not."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", folder], capture_output=True, text=True, check=False)
    return bool(listed.stdout)


def test_every_option_of_the_replay_is_explained() -> None:
    """An option that nobody can find does not exist."""
    assert options_of(command_of("replay")) <= options_in(section("scenarios/README.md", "Replay one"))


def test_every_option_of_the_interactive_commands_is_explained() -> None:
    """The page on playing by hand names every option of every one of its commands."""
    module, _, _ = COMMANDS["up"]
    commands = [command_of(name) for name, (of, _, _) in COMMANDS.items() if of == module]
    assert len(commands) > 1
    assert options_of(*commands) <= options_in(section("testbed/interactive/README.md", "What the commands take"))


def test_every_option_of_the_matrix_is_explained() -> None:
    """Where it says what the matrix is for."""
    assert options_of(command_of("matrix")) <= options_in(section("testbed/experiments/README.md", "The matrix"))


def test_every_option_of_the_scan_is_explained() -> None:
    """Where it says what the scan is for."""
    assert options_of(command_of("scan")) <= options_in(section("testbed/experiments/README.md", "The scan"))


def test_the_fields_of_the_scan_are_explained() -> None:
    """Every field of its JSON object is in its table, and nothing else is."""
    records = (Scan, VariantScan, Effect, topology.IntegrationPoint)
    wanted = {name for record in records for name in (*record.model_fields, *record.model_computed_fields)}
    table = section("testbed/experiments/README.md", "The scan").partition("### Its JSON")[2]
    assert set(first_words(table)) == wanted


def test_the_table_of_faults_and_operations_is_whole() -> None:
    """Every word that a timeline may have is there, with every parameter."""
    table = [(*cells[0].split(), cells[1]) for cells in rows(section("testbed/faults/README.md", "The words"))]
    assert {(kind, word.strip("`")) for kind, word, _ in table} == {
        *(("fault", word) for word in faults.names()),
        *(("operation", word) for word in operations.names()),
    }
    for kind, word, parameters in table:
        action = (faults if kind == "fault" else operations).load(word.strip("`"))
        taken = {field.name for field in fields(action)}  # type: ignore[arg-type]
        assert taken == set(re.findall(r"`(\w+)`", parameters)), word


def test_of_every_fault_it_is_told_whether_it_delays() -> None:
    """And those that say by how much at most are those that tell the replay."""
    late = {
        word: cells[1] for cells in rows(section("testbed/faults/README.md", "Late, or never")) for word in re.findall(r"`(\w+)`", cells[0])
    }
    assert late.keys() == set(faults.names()) | {"nothing"}
    assert {word for word, says in late.items() if says.startswith("at most")} == {
        word for word in faults.names() if hasattr(faults.load(word), "longest_delay_s")
    }


def test_every_fault_says_by_what_means_it_is_done_and_what_it_cannot_show() -> None:
    """The second table of faults has each of them; the one that does nothing has nothing to say."""
    named = first_words(section("testbed/faults/README.md", "By what means, and what it cannot show"))
    assert sorted(named) == sorted(set(faults.names()) - {"nothing"})


def test_every_toxic_that_toxiproxy_lacks_is_explained() -> None:
    """Each row names a toxic of the fault proxy, and all of its attributes."""
    table = rows(section("testbed/faultproxy/README.md", "Toxics of its own"))
    assert len(table) == 5
    for word, attributes, _ in table:
        assert {field.name for field in fields(toxics.load(word.strip("`")))} == set(words([attributes])), word  # type: ignore[arg-type]


def test_every_condition_is_explained() -> None:
    """Every word for `when` has its row."""
    assert first_words(section("scenarios/README.md", "The timeline")) == list(CONDITIONS)


def test_every_need_is_explained_and_says_which_runtime_meets_it() -> None:
    """Every word for `needs` has its row, with a yes below each runtime that has it."""
    table = rows(section("scenarios/README.md", "What a scenario needs"))
    assert words([cells[0] for cells in table]) == list(NEEDS)
    for column, capabilities in ((2, runtime.CAPABILITIES), (3, CAPABILITIES)):
        assert {cells[0].strip("`") for cells in table if cells[column] == "yes"} == capabilities


def test_the_table_of_expectations_is_whole() -> None:
    """Every key of an expectation has its row."""
    assert set(first_words(section("scenarios/README.md", "What may be expected"))) == set(Expectation.model_fields)


def test_every_setting_of_a_variant_is_explained() -> None:
    """What a variant may set is named, for each role, and nothing else is."""
    table = rows(section("scenarios/README.md", "What a variant may set"))
    for role, model in (
        ("application_server", settings.ServerSettings),
        ("caller", settings.CallerSettings),
        ("facility", settings.FacilitySettings),
    ):
        named = words([cells[1] for cells in table if cells[0].startswith(f"`settings.{role}`")])
        assert sorted(named) == sorted(model.model_fields), role


def test_the_words_for_outcomes_and_the_crack_are_the_verdicts() -> None:
    """The outcomes are the three that there are; the crack's steps stand in their order."""
    text = section("README.md", "What comes out")
    assert set(first_words(text)) == set(get_args(OutcomeWord))
    told, ruled = (dict(cells[:2] for cells in rows(part)) for part in (text, section("testbed/verdict/README.md", "The outcome")))
    for word in ("`unharmed`", "`contained`"):
        assert told[word].startswith(ruled[word].partition(", ")[0]), word
    steps = re.findall(r"(\d) (\w+)", text.partition("The *crack*")[2])
    assert [(int(number), word) for number, word in steps] == [(level.value, level.word) for level in Crack]
    table = rows(section("testbed/verdict/README.md", "The crack"))
    assert [(int(number), word) for number, word, _ in table] == [(level.value, level.word) for level in Crack]


def test_the_exit_codes_are_those_of_the_command_line() -> None:
    """0 held, 1 broken, 3 unknown."""
    assert output.EXIT == {Verdict.HELD: 0, Verdict.BROKEN: 1, Verdict.UNKNOWN: 3}
    assert "0 every expectation held, 1 one was broken, 2 wrong usage or a wrong file, 3 unknown" in section("README.md", "The commands")


def test_the_checks_of_every_journal_are_explained() -> None:
    """Each check that is always made has its row, and no other has."""
    assert [cells[0] for cells in rows(section("testbed/verdict/README.md", "The checks"))] == [f"`{word}`" for word in checks.ALWAYS]


def test_the_rule_for_stuck_has_the_numbers_of_the_code() -> None:
    """What counts as stuck is told with the thresholds that judge it."""
    text = section("testbed/verdict/README.md", "The outcome")
    assert f"in at least {STUCK_SAMPLES} samples in a row and for at least {STUCK_S} real seconds" in text
    assert f"within {latency.IN_TIME_S:.0f} seconds" in text
    assert f"answered within {latency.IN_TIME_S:.0f} real seconds from when it was due" in text


def test_the_table_for_programs_has_every_field() -> None:
    """Each field of the JSON line is in the table, and nothing else is."""
    journal = hung_night().journal()
    line = json.loads(json_lines.line(judge.judge(journal), 1.0))
    assert set(first_words(section("testbed/experiments/README.md", "For programs"))) == set(line)


def names_of(record: type) -> Iterator[str]:
    """Yield the names that a record has in a journal's line, with `outer.inner` for those of a record within it."""
    hints = get_type_hints(record, include_extras=True)
    for field in fields(record):  # type: ignore[arg-type]
        inner = [part for part in _parts(hints[field.name]) if isinstance(part, type) and is_dataclass(part)]
        alias = next((part.alias for part in get_args(hints[field.name]) if getattr(part, "alias", None)), field.name)
        yield from (f"{field.name}.{name}" for part in inner for name in names_of(part)) if inner else (alias,)


def _parts(hint: Any) -> Iterator[type]:
    """Yield every type within a type hint."""
    yield hint
    for part in get_args(hint):
        yield from _parts(part)


@pytest.mark.parametrize("event", [events.Header, *get_args(events.Event)], ids=lambda event: event.__name__)
def test_every_event_of_the_journal_is_explained(event: type) -> None:
    """Each kind of event has its section, with every field, and nothing else."""
    word = next(field.default for field in fields(event) if field.name == "event")  # type: ignore[arg-type]
    found = re.search(rf"^### `{word}`\n(.*?)(?=^###? |\Z)", text_of("testbed/journal/README.md"), re.MULTILINE | re.DOTALL)
    assert found is not None, word
    wanted = set(names_of(event)) - {"event", "t_s", "night_s"}
    assert sorted(first_words(found[1])) == sorted(wanted)


def test_every_field_of_the_evidence_is_explained() -> None:
    """The table of the evidence has every field of its records, by the list that it is in, once, and no other."""
    section = text_of("testbed/journal/README.md").partition("\n## The evidence\n")[2]
    named = [name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`([\w.]+)`", row)]
    assert sorted(named) == sorted({".".join(name.split(".")[-2:]) for name in names_of(Evidence)})


def test_no_event_is_explained_that_there_is_not() -> None:
    """A kind of event that is gone leaves no section behind."""
    kinds = {field.default for event in (events.Header, *get_args(events.Event)) for field in fields(event) if field.name == "event"}
    assert set(re.findall(r"^### `(\w+)`$", text_of("testbed/journal/README.md"), re.MULTILINE)) == kinds


def test_the_example_is_a_scenario_and_has_passengers(example: Scenario) -> None:
    """The scenario that a stranger copies is accepted as it stands, and says what the text says of it."""
    assert [step.word for step in example.steps] == ["switchover", "restart"]
    assert [variant.name for variant in example.variants] == ["original", "impatient"]
    assert len(passengers.of(example).requests) > 300
    assert set(example.facts) <= set(facts.FACTS)


def test_the_example_is_replayed_with_every_suite(example: Scenario) -> None:
    """What the page says of both its variants is asserted on real parts, as of every scenario of the folder."""
    replayed = PLANS[example.name]
    assert replace(replayed, path=example.path) == example
    assert {(example.name, variant.name) for variant in example.variants} <= set(CASES)


def python_blocks(page: str) -> list[str]:
    """Return the fenced Python of a page."""
    return re.findall(r"^```python\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL)


def test_the_example_of_a_test_of_a_fault_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the example of a fault among the words of a timeline, as in its file."""
    fault, text = python_blocks("testbed/faults/README.md")
    (tmp_path / "power_cut.py").write_text(fault, encoding="utf-8")
    monkeypatch.setattr(faults, "__path__", [*faults.__path__, str(tmp_path)])
    names: dict[str, Any] = {}
    try:
        exec(text, names)  # noqa: S102 - our own
        (tried,) = (found for name, found in names.items() if name.startswith("test_"))
        tried()
    finally:
        sys.modules.pop("testbed.faults.power_cut", None)
        vars(faults).pop("power_cut", None)


def test_the_example_of_a_fault_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The class that a stranger copies is a fault that a timeline could have, and does what it says by what actions there are."""
    text, _ = python_blocks("testbed/faults/README.md")
    path = tmp_path / "power_cut.py"
    path.write_text(text.replace("if TYPE_CHECKING:", "if True:"), encoding="utf-8")  # what it imports for types is there, too
    spec = importlib.util.spec_from_file_location("power_cut", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "power_cut", module)  # dataclasses look their module up there
    spec.loader.exec_module(module)
    fault = module.PowerCut("cf-1")
    assert isinstance(fault, actions.Fault)

    async def injected() -> str:
        facility = await FakeBuilder(FacilityPlan(application_servers=1, request_threads=1, pool_size=1, callers=("kiosk",))).build()
        with JournalWriter(tmp_path / "a.jsonl", header()) as writer:
            state, recorder = FacilityState(facility.application_servers, facility.callers), Recorder(writer, NightClock(0.0, 1.0), 0.0)
            return await Actions(facility, state, recorder, tmp_path).inject(fault)

    assert in_virtual_time(injected()) == "cf-1 is dead"
    steps = [step.step for step in read(tmp_path / "a.jsonl").of(events.Step) if step.state == "end"]
    assert steps == ["cut the power of cf-1", "verify that cf-1 does not run"]


def test_a_fact_is_explained_before_its_id_is_used() -> None:
    """Before an id such as O4 stands on a page, it says where ids are listed."""
    for page in WRITTEN:
        text = page.read_text(encoding="utf-8")
        first = re.search(r"\b[COPSWA]\d{1,2}\b.*", text)
        assert first is None or "testbed facts" in text[: first.end()], page


def anchor(title: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def test_every_link_leads_somewhere() -> None:
    """A relative link of any page leads to a file or a folder that is there, and to a heading that it has."""
    missing, links = [], 0
    for page in PAGES:
        for link in re.findall(r"\]\(([^)\s]+)\)", without_blocks(page.read_text(encoding="utf-8"))):
            if "://" in link:
                continue
            links += 1
            path, _, heading = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            headings = re.findall(r"^#+ (.*)$", without_blocks(target.read_text(encoding="utf-8")), re.MULTILINE) if heading else []
            if not target.exists() or (heading and heading not in map(anchor, headings)):
                missing.append(f"{page.relative_to(ROOT)}: {link}")
    assert links > 50
    assert missing == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_that_is_named_without_a_folder_is_in_the_room_of_its_page(page: Path) -> None:
    """A bare name of a Python file between backticks is a file of the page's folder or below it."""
    names = re.findall(r"`(\w+\.py)`", without_blocks(page.read_text(encoding="utf-8")))
    assert [name for name in names if not any(page.parent.rglob(name))] == []


def test_every_path_that_is_named_is_there() -> None:
    """A path between backticks, from the project's root, exists."""
    paths = {
        path
        for page in WRITTEN
        for path in re.findall(r"`((?:testbed|flight_search|scenarios|tests|compose)/[\w/.*-]*)`", page.read_text(encoding="utf-8"))
    }
    assert len(paths) > 5
    expected = {path for path in paths if path not in TO_BE_MADE}
    assert sorted(path for path in expected if not (ROOT / path).exists()) == []
