"""The user's own `scenarios` folder: it adds to the package's, and its files go first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed import scenario_file
from testbed.cli import main
from testbed.errors import ScenarioError, UsageError
from testbed.plan import package_data

if TYPE_CHECKING:
    from pathlib import Path

PACKAGED = {path.stem for path in scenario_file.known()}
CALM = scenario_file.find("calm").read_text(encoding="utf-8")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty `scenarios` in the current directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenarios").mkdir()
    return tmp_path / "scenarios"


def known() -> set[str]:
    """Return the names of all known scenarios."""
    return {path.stem for path in scenario_file.known()}


def test_an_empty_folder_of_that_name_hides_nothing(own: Path) -> None:
    """All of the package's are known, and can be read."""
    assert known() == PACKAGED
    assert scenario_file.load(scenario_file.find("the_night")).name == "the_night"
    assert scenario_file.origins() == scenario_file.variant_origins() == {}


def test_a_file_of_that_name_is_no_folder(own: Path) -> None:
    """It is somebody else's, and is not read."""
    own.rmdir()
    own.write_text("")
    assert known() == PACKAGED


def test_a_folder_of_another_program_adds_nothing(own: Path) -> None:
    """A TOML file that has nothing of a scenario is none, also where it has a scenario's name."""
    for name in ("other.toml", "the_night.toml"):
        (own / name).write_text('title = "another program"\n[tool.black]\nline-length = 88\n')
    (own / "directory.toml").mkdir()
    (own / "test_feature.py").write_text("print 'of an old Python'")
    assert known() == PACKAGED
    assert scenario_file.find("the_night").parent == package_data.directory("scenarios")


@pytest.mark.parametrize("text", ["", "# to be written\n", 'title = "Mine"\n[facility]\n'])
def test_a_file_that_was_only_begun_is_named_with_what_it_lacks(
    text: str, own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the list, and when it is asked for; another program's file is named only then."""
    (own / "begun.toml").write_text(text)
    (own / "other.toml").write_text("[tool.black]\n")
    why = "it is no scenario, for it has none of night, workload, timeline and variants"
    run(monkeypatch, "list")
    assert capsys.readouterr().err == f"testbed: warning: passed over scenarios/begun.toml: {why}\n"
    for name in ("begun", "other"):
        with pytest.raises(UsageError, match=f"^no scenario '{name}': scenarios/{name}.toml: {why}; `testbed plan scenarios/{name}.toml`"):
            scenario_file.find(name)
    with pytest.raises(ScenarioError, match="night: missing; it is required"):
        scenario_file.load(scenario_file.find("scenarios/begun.toml"))


def test_a_scenario_of_the_users_own_is_added(own: Path) -> None:
    """It may name the package's variants, and `origins` has its file."""
    (own / "mine.toml").write_text(CALM)
    assert known() == PACKAGED | {"mine"}
    assert scenario_file.load(scenario_file.find("mine")).variants == scenario_file.load(scenario_file.find("calm")).variants
    assert scenario_file.origins() == {"mine": "scenarios/mine.toml"}


def test_a_scenario_of_the_users_own_goes_before_the_packages_of_that_name(own: Path) -> None:
    """And `origins` says that it replaces one."""
    (own / "calm.toml").write_text(CALM.replace('title = "', 'title = "Mine: '))
    assert known() == PACKAGED
    assert scenario_file.load(scenario_file.find("calm")).title.startswith("Mine: ")
    assert scenario_file.origins() == {"calm": "scenarios/calm.toml, in place of the package's"}


def test_the_mistakes_of_a_scenario_of_the_users_own_come_with_its_file(own: Path) -> None:
    """It is not taken for another program's, and the package's of that name does not come in its place."""
    (own / "calm.toml").write_text('[night]\nfrom = "23:00"\n')
    with pytest.raises(ScenarioError, match=r"^scenarios/calm.toml: \d+ mistakes"):
        scenario_file.load(scenario_file.find("calm"))


def test_a_trace_is_looked_for_beside_the_scenario_that_names_it(own: Path) -> None:
    """The user's own scenario has its traces in the user's own folder."""
    (own / "mine.toml").write_text(CALM.replace("seed = 2013", 'seed = 2013\ntrace = "traces/kept.jsonl"'))
    with pytest.raises(ScenarioError, match=r"\"traces/kept.jsonl\" is no file beside the scenario"):
        scenario_file.load(scenario_file.find("mine"))
    (own / "traces").mkdir()
    (own / "traces" / "kept.jsonl").touch()
    assert scenario_file.load(scenario_file.find("mine")).trace_path == scenario_file.find("mine").parent / "traces" / "kept.jsonl"


def test_variants_of_the_users_own_add_to_the_packages_and_go_before_them(own: Path) -> None:
    """For every scenario, and in the order of the package's; `variant_origins` has the file of each."""
    packaged = scenario_file.kept_variants()
    (own / "variants.toml").write_text("[mine]\n[fixed]\napplication_server = { lookup = 'fixed', pool_recycle_s = 7 }\n")
    kept = scenario_file.kept_variants()
    assert list(kept) == [*packaged, "mine"]
    assert {name for name in packaged if kept[name] != packaged[name]} == {"fixed"}
    assert scenario_file.variant_origins() == {
        "mine": "scenarios/variants.toml",
        "fixed": "scenarios/variants.toml, in place of the package's",
    }
    night = scenario_file.load(scenario_file.find("the_night"))
    assert {variant.name: variant.settings for variant in night.variants}["fixed"] == kept["fixed"].settings


def test_variants_beside_a_scenario_go_before_all_others(own: Path, tmp_path: Path) -> None:
    """A scenario that is given by its path brings its own, and may name the rest."""
    (own / "variants.toml").write_text("[fixed]\napplication_server = { lookup = 'fixed', pool_recycle_s = 7 }\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "variants.toml").write_text("[fixed]\napplication_server = { lookup = 'fixed', pool_recycle_s = 8 }\n")
    (tmp_path / "elsewhere" / "mine.toml").write_text(CALM)
    read = scenario_file.load(tmp_path / "elsewhere" / "mine.toml")
    assert {variant.name: variant.settings.application_server.pool_recycle_s for variant in read.variants}["fixed"] == 8


def test_the_mistakes_of_variants_of_the_users_own_come_with_their_file(own: Path) -> None:
    """Beside the mistakes of a scenario, and on their own."""
    (own / "variants.toml").write_text("[fixed]\napplication_server = { lookup = 'fixt' }\n")
    with pytest.raises(ScenarioError, match=r"^scenarios/variants.toml: 1 mistake\n  fixed.application_server.lookup: found"):
        scenario_file.kept_variants()
    with pytest.raises(ScenarioError, match=r"\n  scenarios/variants.toml: fixed.application_server.lookup: found"):
        scenario_file.load(scenario_file.find("the_night"))
    (own / "variants.toml").write_text("[fixed\n")
    with pytest.raises(UsageError, match=r"\n  scenarios/variants.toml: not TOML"):
        scenario_file.load(scenario_file.find("the_night"))


def test_the_list_says_where_what_is_not_the_packages_comes_from(
    own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Below the scenarios, a line for each scenario and variant of the user's own; in the checkout there is none."""
    (own / "mine.toml").write_text(CALM)
    (own / "variants.toml").write_text("[fixed]\n")
    monkeypatch.setattr("sys.argv", ["testbed", "list"])
    main.main()
    text = capsys.readouterr().out
    assert "scenario mine: scenarios/mine.toml\n" in "\n".join(f"{line.strip()}" for line in text.splitlines()) + "\n"
    assert "variant fixed: scenarios/variants.toml, in place of the package's" in text
    monkeypatch.chdir(package_data.directory("scenarios").parent)
    main.main()
    assert "the package's" not in capsys.readouterr().out


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """Run a command."""
    monkeypatch.setattr("sys.argv", ["testbed", *words])
    main.main()


@pytest.mark.parametrize("command", ["list", "facts"])
def test_what_is_no_scenario_is_passed_over_with_a_warning(
    command: str, own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By commands that go over all; one that is asked for is refused."""
    (own / "broken.toml").write_text("[tool")
    (own / "loadtest.toml").write_text('night = "unrelated"\n')
    (own / "variants.toml").write_text("[fixed]\napplication_server = { lookup = 'fixt' }\n")
    run(monkeypatch, command)
    out, err = capsys.readouterr()
    warnings = [line.split(": ")[1:3] for line in err.splitlines()]
    assert warnings == [["warning", f"passed over scenarios/{name}.toml"] for name in ("variants", "broken", "loadtest")]
    assert "loadtest" not in out
    with pytest.raises(ScenarioError, match="mistakes"):
        scenario_file.load(scenario_file.find("loadtest"))


@pytest.mark.parametrize("words", [["list"], ["facts"], ["plan", "calm"], ["matrix", "show", "calm"]])
@pytest.mark.parametrize("text", ['[debug]\nlevel = 3\nflags = ["x"]\n', "[mine]\ncaller = 3\n"])
def test_variants_that_nothing_uses_are_passed_over_with_a_warning(
    words: list[str], text: str, own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those of another program, and wrong ones."""
    (own / "variants.toml").write_text(text)
    run(monkeypatch, *words)
    assert capsys.readouterr().err.startswith("testbed: warning: passed over scenarios/variants.toml: ")


def test_another_programs_variants_are_no_error_and_wrong_ones_are_where_they_are_used(own: Path) -> None:
    """A file that has no table like a variant is another program's."""
    packaged = scenario_file.kept_variants()
    (own / "variants.toml").write_text("[debug]\nlvl = 3\n")
    assert scenario_file.kept_variants() == packaged
    (own / "variants.toml").write_text("[mine]\ncaller = 3\n")
    assert list(scenario_file.kept_variants(["fixed"])) == ["fixed"]
    for only in ([], ["mine"]):
        with pytest.raises(ScenarioError, match=r"mine\.caller"):
            scenario_file.kept_variants(only)
    with pytest.raises(ScenarioError, match=r"mine\.caller"):
        scenario_file.variants_of(scenario_file.load(scenario_file.find("calm")), ["mine"])


def test_a_folder_without_permission_is_passed_over(own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With a warning; the package's scenarios are known."""
    (own / "mine.toml").write_text(CALM)
    monkeypatch.setattr("os.access", lambda *_: False)
    assert known() == PACKAGED
    run(monkeypatch, "list")
    assert capsys.readouterr().err.startswith("testbed: warning: passed over scenarios: cannot be read")
