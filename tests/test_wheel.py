"""The wheel, installed where there is no checkout: it is built here, and all commands run from an empty folder."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import ZipFile

import pytest

from testbed import scenario_file
from testbed.journal.writer import JournalWriter
from testbed.plan.facts import FACTS
from testbed.runtime.containers import image
from tests import workers
from tests.journals import contained_night
from tests.pytest_plugin.project import junit_cases

ROOT = Path(__file__).parents[1]
STRANGERS = ROOT / "tests" / "pytest_plugin" / "strangers"
NO_ENGINE = "unix:///nowhere/docker.sock"


@dataclass(frozen=True, slots=True)
class Installed:
    """A fresh environment with the wheel in it, and an empty folder to run it in."""

    wheel: Path
    environment: Path
    folder: Path

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in the empty folder."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TESTBED_"))}
        return subprocess.run(
            [self.environment / "bin" / program, *arguments],
            cwd=self.folder,
            env={**kept, "DOCKER_HOST": NO_ENGINE, "COLUMNS": "160"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def testbed(self, *arguments: str) -> tuple[int, str]:
        """Run a command of the testbed; returns its exit code and all that it wrote."""
        done = self.run("testbed", *arguments)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Installed:
    """Return the installed wheel, which is built once for all processes that run these tests, and an empty folder."""
    base = tmp_path_factory.getbasetemp()
    home = (base.parent if workers.in_worker(request.config) else base) / "wheel"
    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        environment = home / "environment"
        if not (home / "is_whole").exists():
            _install(home, environment)
            (home / "is_whole").touch()
    [wheel] = home.glob("*.whl")
    return Installed(wheel, environment, tmp_path_factory.mktemp("empty"))


def _install(home: Path, environment: Path) -> None:
    """Build the wheel and install it. Its dependencies are those of this Python, without the checkout that is installed there."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", home], cwd=ROOT, check=True, capture_output=True)
    [wheel] = home.glob("*.whl")
    venv.create(environment, symlinks=True, clear=True)
    fresh = str(environment / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", fresh]
    # Without its bytecode, which it writes as it is used: most of it never is.
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", "--no-compile", wheel], check=True, capture_output=True)
    packages = sysconfig.get_path("purelib", "venv", {"base": str(environment), "platbase": str(environment)})
    # A directory that is named in a .pth file has its own .pth files left unread, so that no editable install is in it.
    Path(packages, "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")


def test_both_packages_come_from_the_wheel(installed: Installed) -> None:
    """What the other tests here run is what was installed, and not the checkout."""
    names = ("testbed", "flight_search")
    text = f"import json, {', '.join(names)}; print(json.dumps([{', '.join(f'{name}.__file__' for name in names)}]))"
    done = installed.run("python", "-c", text)
    assert done.returncode == 0, done.stderr
    assert [Path(file).is_relative_to(installed.environment) for file in json.loads(done.stdout)] == [True, True]


def test_the_wheel_has_every_file_that_is_read_and_no_test(installed: Installed) -> None:
    """The scenarios, their traces and kept matrix, and the compose files, all of them; the suite stays in the checkout."""
    with ZipFile(installed.wheel) as wheel:
        names = set(wheel.namelist())
        metadata = wheel.read(next(name for name in names if name.endswith("/METADATA"))).decode()
    files = [
        path.relative_to(ROOT)
        for top in ("scenarios", "compose")
        for path in (ROOT / top).rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    ]
    assert {f"testbed/data/{file.as_posix()}" for file in files} == {name for name in names if name.startswith("testbed/data/")}
    assert Path("scenarios/the_night.toml") in files
    html = [
        path.relative_to(ROOT).as_posix() for path in (ROOT / "testbed/report/html").rglob("*") if path.is_file() and path.suffix != ".pyc"
    ]
    assert set(html) <= names
    assert {"testbed/report/html/page.js", "testbed/report/html/page.css", "testbed/report/html/vendor/d3.min.js"} <= set(html)
    assert not [name for name in names if "/test_" in name or "conftest" in name]
    for licence in (
        "LICENSE",
        "testbed/report/html/vendor/d3.LICENSE.txt",
        "testbed/report/html/vendor/plot.LICENSE.txt",
        "testbed/report/html/vendor/dagre.LICENSE.txt",
    ):
        assert any(name.endswith(f"/licenses/{licence}") for name in names), licence
    assert (ROOT / "README.md").read_text(encoding="utf-8").strip() in metadata


def test_list_names_every_scenario_of_the_package(installed: Installed) -> None:
    """All of them, and none of them from anywhere else."""
    code, text = installed.testbed("list")
    assert code == 0, text
    assert [path.stem for path in scenario_file.known() if path.stem not in text] == []
    assert "the package's" not in text


def test_plan_shows_the_night(installed: Installed) -> None:
    """Its steps and its passengers, from the schedule in the wheel."""
    code, text = installed.testbed("plan", "the_night")
    assert code == 0, text
    assert "switchover" in text
    assert "Passengers: " in text


@pytest.mark.alone
def test_replay_replays_the_night_and_keeps_its_journal_in_the_folder(installed: Installed) -> None:
    """With a facility of its own programs, from command to verdict."""
    command = ("replay", "the_night", "--variant", "fixed")
    code, text = installed.testbed(*command)
    if code == 3 and "unknown open_loop" in text:  # the machine was busy with something else; replayed again, as scenarios are
        code, text = installed.testbed(*command)
    assert code == 0, text
    assert "held" in text
    assert len([*installed.folder.glob(".testbed/runs/latest/*.jsonl")]) == 1


def test_the_page_is_made_of_what_the_wheel_has(installed: Installed, tmp_path: Path) -> None:
    """With its scripts and its style."""
    made = contained_night().journal()
    with JournalWriter(tmp_path / "a.jsonl", made.header) as writer:
        for event in made.events:
            writer.append(event)
    code, text = installed.testbed("report", str(tmp_path / "a.jsonl"), "--html", str(tmp_path / "a.html"))
    assert code == 0, text
    assert "Observable" in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_facts_says_that_the_tests_are_not_installed(installed: Installed) -> None:
    """A fact is shown by scenarios at most, and the table says why."""
    code, text = installed.testbed("facts")
    assert code == 0, text
    assert [fact for fact in FACTS if f" {fact} " not in text] == []
    assert "tests are not installed" in " ".join(text.split())


def test_doctor_examines_and_says_what_is_missing(installed: Installed) -> None:
    """Here it is the engine, because the environment says so; exit code 3."""
    code, text = installed.testbed("doctor")
    assert code == 3, text
    assert "none that answers" in text
    assert "needs the engine" in text


def test_the_image_is_that_of_the_checkout(installed: Installed) -> None:
    """The same code is in both, and so the same image serves both."""
    done = installed.run("python", "-c", "from testbed.runtime.containers import image; print(image.name_for_code('x86_64'))")
    assert done.stdout.strip() == image.name_for_code("x86_64"), done.stderr


def test_scenarios_of_the_users_own_add_to_those_of_the_wheel(installed: Installed) -> None:
    """A folder of that name hides nothing; the list says what comes from it."""
    own = installed.folder / "scenarios"
    own.mkdir()
    (own / "mine.toml").write_text(scenario_file.find("calm").read_text(encoding="utf-8"), encoding="utf-8")
    try:
        code, text = installed.testbed("list")
    finally:
        (own / "mine.toml").unlink()
        own.rmdir()
    assert code == 0, text
    assert "scenario mine: scenarios/mine.toml" in text
    assert "the_night" in text


def test_a_project_of_somebody_elses_has_the_plug_in(installed: Installed, tmp_path: Path) -> None:
    """Three services that the testbed does not know, in a folder with nothing else: careful code passes, and what leaks is found."""
    for file in STRANGERS.glob("*.py"):
        shutil.copy(file, tmp_path / file.name.replace("check_", "test_"))
    done = replace(installed, folder=tmp_path).run("python", "-m", "pytest", "-n", "2", "--dist", "loadfile", "--junitxml", "junit.xml")
    cases = junit_cases(tmp_path / "junit.xml") if (tmp_path / "junit.xml").exists() else {}
    assert {"test_gates_are_told_after_a_switchover", "test_careless_gates"} <= cases.keys(), done.stdout + done.stderr
    for name, case in cases.items():
        if case.outcome == "skipped":
            assert "could not import" in case.text, name  # a driver that is not installed here
        elif "careless" in name:
            assert case.outcome == "error", name
            assert re.search(rf"not given back:(?s:.*){name.rpartition('_')[2]}\.py:\d+ in careless", case.text), case.text
        else:
            assert case.outcome == "passed", case.text
