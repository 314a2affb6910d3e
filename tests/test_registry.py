from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import pytest

from testbed import faults, operations, scenario_file
from testbed.cli import main
from testbed.errors import ScenarioError, UsageError, WordError
from testbed.experiments.planned import planned
from testbed.facility.link import ToxicOn
from testbed.faultproxy import toxics
from testbed.faults import silence
from testbed.verdict import checks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CALM = scenario_file.find("calm").read_text(encoding="utf-8")
STEP = '\n[[timeline]]\nat = "01:00"\n{kind} = "earthquake"\n'
CLASS = """
from __future__ import annotations
from dataclasses import dataclass
@dataclass(frozen=True)
class {name}:
    {field}
    async def {method}(self, actions): return ""
"""
WRONG = {
    "misnamed": (CLASS.format(name="EarthQuake", field="", method="inject"), "it has the class EarthQuake; allowed: a class Earthquake, a"),
    "syntax": ("class Earthquake(:\n", "it cannot be imported: SyntaxError: invalid syntax"),
    "import": ("import no_such_module_at_all\n", "it cannot be imported: ModuleNotFoundError: No module named"),
    "no_class": ("", "it has no class; allowed: a class Earthquake"),
    "no_dataclass": (
        "class Earthquake:\n    async def inject(self, actions): return ''\n",
        "its class Earthquake is no dataclass; allowed",
    ),
    "no_method": (CLASS.format(name="Earthquake", field="", method="shake"), "its class Earthquake has no `async def inject`; allowed: a"),
    "no_type": (
        CLASS.format(name="Earthquake", field="x: Nowhere = 1", method="inject"),
        "the fields of its class Earthquake cannot be read",
    ),
    "odd_type": (CLASS.format(name="Earthquake", field="x: type(sys) = 1", method="inject"), "cannot be read"),
}


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]  # noqa: ANN201 - a function of a package and a text
    """Return a function that adds the file of the word `earthquake` to a package, as a contributor would; it is forgotten afterwards."""

    def add_word(package: Any, text: str) -> Path:
        folder = tmp_path / package.__name__
        folder.mkdir()
        (folder / "earthquake.py").write_text(text)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, f"{package.__name__}.earthquake", raising=False)
        return folder / "earthquake.py"

    yield add_word
    for package in (faults, operations, toxics, checks):
        sys.modules.pop(f"{package.__name__}.earthquake", None)
        vars(package).pop("earthquake", None)


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=list(WRONG))
def test_a_wrong_file_of_a_fault_is_a_mistake_of_the_scenario_that_names_it(
    text: str, message: str, add: Callable[[Any, str], Path], tmp_path: Path
) -> None:
    """It names the step, the file, what it has and what is wanted; and is told when the scenario is read."""
    file = add(faults, text)
    path = tmp_path / "mine.toml"
    path.write_text(CALM + STEP.format(kind="fault"))
    with pytest.raises(ScenarioError) as raised:
        scenario_file.load(path)
    (mistake,) = raised.value.mistakes
    assert "fault: " in mistake
    assert f"{file}: " in mistake
    assert message in mistake
    assert "\n" not in mistake


@pytest.mark.parametrize(("package", "method"), [(operations, "perform"), (toxics, "pipe")])
def test_operations_and_toxics_are_checked_alike(package: Any, method: str, add: Callable[[Any, str], Path]) -> None:
    """Each by the one method that it must have."""
    file = add(package, CLASS.format(name="Earthquake", field="", method="inject"))
    with pytest.raises(WordError, match=f"{file}: its class Earthquake has no `async def {method}`; allowed"):
        package.load("earthquake")


def test_a_toxic_is_checked_where_a_scenario_names_a_fault_that_puts_it_on_a_link(
    add: Callable[[Any, str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not by the fault proxy, when everything has come up."""
    file = add(toxics, "class Earthquake(:\n")
    monkeypatch.setattr(silence, "BOTH", (ToxicOn("earthquake", "upstream"), ToxicOn("earthquake")))
    (tmp_path / "mine.toml").write_text(CALM + STEP.format(kind="fault").replace("earthquake", "silence"))
    with pytest.raises(ScenarioError, match=f"fault: {file}: it cannot be imported: SyntaxError"):
        scenario_file.load(tmp_path / "mine.toml")


def test_a_check_without_its_function_is_refused_before_anything_starts(
    add: Callable[[Any, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verdict that would be unknown after all the work is no surprise then."""
    file = add(checks, "def chek(journal, figures, expected): ...\n")
    monkeypatch.setattr(checks, "ALWAYS", ("earthquake",))
    with pytest.raises(UsageError, match=f"{file}: it has no function check; allowed: a function `def check`"):
        planned("calm")


def test_the_list_warns_of_scenarios_with_a_wrong_fault_and_has_all_others(
    add: Callable[[Any, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the scenario is one of the package's, as in a checkout; asked for by name, it is refused with exit code 2."""
    file = add(faults, "class Earthquake(:\n")
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "shaken.toml").write_text(CALM + STEP.format(kind="fault"))
    known = scenario_file.known()
    monkeypatch.setattr(scenario_file, "known", lambda: (*known, tmp_path / "scenarios" / "shaken.toml"))
    monkeypatch.setattr(scenario_file, "directories", lambda: (tmp_path / "scenarios",))
    monkeypatch.setattr("sys.argv", ["testbed", "list"])
    main.main()
    out, err = capsys.readouterr()
    assert "the_night" in out
    assert err.startswith(f"testbed: warning: passed over {tmp_path}/scenarios/shaken.toml: timeline.")
    assert str(file) in err
    monkeypatch.setattr("sys.argv", ["testbed", "plan", str(tmp_path / "scenarios" / "shaken.toml")])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 2
