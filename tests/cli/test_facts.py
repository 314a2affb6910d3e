from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from testbed import scenario_file
from testbed.cli import facts, main
from testbed.cli.facts import ShownBy
from testbed.plan import package_data
from testbed.plan.facts import FACTS
from tests.nights import scenario

if TYPE_CHECKING:
    from pathlib import Path

TESTS = '''
import pytest

@pytest.mark.fact("O1")
@pytest.mark.parametrize("x", [1])
async def test_marked(x):
    """Marked, and with another mark in between."""

@pytest.mark.fact(
    "O1",
    "O2",
)
def test_marked_over_lines():
    """Marked over some lines."""

def test_unmarked():
    """Not marked: @pytest.mark.fact("O3") in a text is none."""

class TestThings:
    @pytest.mark.fact("Z9")
    def test_of_nothing(self):
        """Marked with what is no fact."""

@pytest.mark.fact("O4")
def not_a_test():
    pass
'''
OF_MODULE = """
import pytest

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.fact("O5")]

def test_night(): ...
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a project with one scenario, and tests in both places."""
    (tmp_path / "scenarios").mkdir()
    path = scenario(tmp_path / "scenarios").path
    path.write_text('facts = ["O4", "O5"]\n' + path.read_text())
    (tmp_path / "tests" / "deeper").mkdir(parents=True)
    (tmp_path / "tests" / "deeper" / "test_some.py").write_text(TESTS)
    (tmp_path / "scenarios" / "test_night.py").write_text(OF_MODULE)
    (tmp_path / "tests" / "helper.py").write_text("this is not even Python")
    monkeypatch.setattr(scenario_file, "directories", lambda: (tmp_path / "scenarios",))
    monkeypatch.setattr(scenario_file, "known", lambda: (path,))
    monkeypatch.setattr(package_data, "checkout", lambda: tmp_path)
    variants = '[original]\n[fixed]\napplication_server = { lookup = "fixed" }\n'
    (tmp_path / "scenarios" / "variants.toml").write_text(variants)
    return tmp_path


def test_a_fact_is_shown_by_scenarios_that_name_it_and_by_tests_that_are_marked(project: Path) -> None:
    """And every other fact of the case is in the list, with nothing."""
    shown = facts.shown()
    assert {fact: by for fact, by in shown.items() if by} == {
        "O1": ShownBy(tests=("tests/deeper/test_some.py::test_marked", "tests/deeper/test_some.py::test_marked_over_lines")),
        "O2": ShownBy(tests=("tests/deeper/test_some.py::test_marked_over_lines",)),
        "O4": ShownBy(scenarios=("a_night",)),
        "O5": ShownBy(scenarios=("a_night",), tests=("scenarios/test_night.py::test_night",)),
        "Z9": ShownBy(tests=("tests/deeper/test_some.py::test_of_nothing",)),
    }
    assert set(shown) == {*FACTS, "Z9"}


def test_what_cannot_be_read_as_python_shows_nothing(project: Path) -> None:
    """A folder, a dangling link, an expression that is too deep, a null byte: each is passed over, and so is an id that is no text."""
    before = facts.shown()
    (project / "tests" / "test_d.py").mkdir()
    (project / "tests" / "test_dangling.py").symlink_to(project / "nowhere.py")
    (project / "tests" / "test_deep.py").write_text("x = " + "-" * 100_000 + "1\n")
    (project / "tests" / "test_calls.py").write_text(f"@a{'()' * 3000}\ndef test_x(): ...\n")
    (project / "tests" / "test_null.py").write_bytes(b"x = 1\0\n")
    (project / "tests" / "test_number.py").write_text("@pytest.mark.fact(7, None)\ndef test_x(): ...\n")
    assert facts.shown() == before


def test_tests_of_another_project_show_no_fact(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a `scenarios` of the user's own, only its scenarios count: the tests of the case are in a checkout of it."""
    monkeypatch.setattr(package_data, "checkout", lambda: None)
    assert {fact: by for fact, by in facts.shown().items() if by} == {
        "O4": ShownBy(scenarios=("a_night",)),
        "O5": ShownBy(scenarios=("a_night",)),
    }


def drawn(by_fact: dict[str, ShownBy], width: int) -> str:
    """Draw the table for a terminal of this width."""
    console = Console(width=width, file=io.StringIO())
    with console.capture() as captured:
        console.print(facts.table(by_fact))
    return captured.get()


def test_the_table_says_what_is_shown_by_nothing_and_what_is_no_fact(project: Path) -> None:
    """With how many of how many at its foot, and which are missing."""
    by_fact = facts.shown()
    text = " ".join(drawn(by_fact, 200).split())
    assert re.search(r"O6 .* nothing yet", text)
    assert "Z9 not a fact of the case 0 1" in text
    assert f"5 of {len(FACTS) + 1} facts" in text
    assert all(fact in text.partition("nothing shows")[2] for fact, by in by_fact.items() if not by)


def test_the_table_has_one_line_a_fact_and_fits_80_columns() -> None:
    """Whatever the length of a fact's text, and of the names of what shows it."""
    lines = drawn(facts.shown(), 80).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if line.split()[:1] and line.split()[0] in FACTS] == list(FACTS)
    assert all(re.search(r"(\d+ +\d+|nothing +yet) *$", line) for line in lines if line.split()[:1] and line.split()[0] in FACTS)


@pytest.mark.parametrize("width", [12, 16, 20, 30])
def test_an_id_is_whole_at_any_width(width: int) -> None:
    """However narrow the terminal is, the other columns give way."""
    words = [line.split()[0] for line in drawn(facts.shown(), width).splitlines() if line.split()]
    assert [word for word in dict.fromkeys(words) if word in FACTS] == list(FACTS)  # the foot has those again that nothing shows


def test_no_text_is_cut_in_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each fact is a whole line, unless a width is asked for."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("sys.argv", ["testbed", "facts"])
    main.main()
    text = capsys.readouterr().out
    assert "…" not in text
    assert all(re.search(rf"^ *{fact} +{re.escape(words)} ", text, re.MULTILINE) for fact, words in FACTS.items())
    monkeypatch.setenv("COLUMNS", "80")
    main.main()
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_the_long_list_names_every_scenario_and_test_unbroken(project: Path) -> None:
    """One a line below its fact, so that a name can be pasted."""
    lines = list(facts.lines(facts.shown()))
    at = lines.index(f"O5  {FACTS['O5']}")
    assert lines[at + 1 : at + 4] == ["    scenario a_night", "    scenarios/test_night.py::test_night", f"O6  {FACTS['O6']}"]
    assert lines[lines.index(f"O6  {FACTS['O6']}") + 1] == "    nothing yet"


def test_no_mark_of_this_project_names_what_is_no_fact() -> None:
    """A mark with a wrong id would show nothing."""
    assert set(facts.shown()) == set(FACTS)


def test_the_facts_of_the_outage_are_all_shown() -> None:
    """The outage is what this testbed recreates, from the first to the last fact of it."""
    assert [fact for fact, by in facts.shown().items() if fact.startswith("O") and not by] == []
