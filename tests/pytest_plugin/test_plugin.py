from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pytest_plugin.project import ROOT, Case, run

README = Path(ROOT, "testbed/pytest_plugin/README.md")
EXAMPLES = "\n".join(re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL))
ODD = """
import pathlib

import psycopg
import pytest


def test_takes_no_pair():
    pathlib.Path("untouched").touch()


def test_a_fault_without_with(facility):
    facility.silence()


def test_a_fault_that_is_left(facility):
    facility.refuse().__enter__()


def test_fails_under_a_fault(facility):
    with facility.latency(0.05):
        raise ZeroDivisionError


def test_finds_the_pair_as_it_was(facility):
    psycopg.connect(facility.dsn).close()


async def test_on_an_event_loop(async_facility):
    async with async_facility.refuse():
        with pytest.raises(psycopg.OperationalError):
            await psycopg.AsyncConnection.connect(async_facility.dsn)
    await async_facility.switchover()


def test_leaves_a_connection_out(facility, no_leaks):
    import sqlalchemy

    engine = sqlalchemy.create_engine(facility.url("psycopg"))
    watch = no_leaks(engine)
    kept.append(engine.connect())
    assert len(watch.out) == 1


kept = []
"""
SETTINGS = "asyncio_mode = auto\n"


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    """Return what became of the README's examples, and of tests that do what they should not."""
    return run(tmp_path_factory.mktemp("project"), {"test_examples.py": EXAMPLES, "test_odd.py": ODD}, settings=SETTINGS)


def test_the_examples_of_the_readme_pass(cases: dict[str, Case]) -> None:
    """All of them, as they stand."""
    names = re.findall(r"^def (test_\w+)", EXAMPLES, re.MULTILINE)
    assert {name: cases[name].outcome for name in names} == dict.fromkeys(names, "passed")
    assert len(names) == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("test_a_fault_without_with", r"never used, which does nothing: with facility\.silence"),
        ("test_a_fault_that_is_left", "refuse was still active"),
        (
            "test_leaves_a_connection_out",
            r"(?s)1 connection was taken from Engine and not given back.*test_odd\.py:\d+ in test_leaves",
        ),
    ],
)
def test_what_a_test_leaves_behind_is_told(cases: dict[str, Case], name: str, message: str) -> None:
    """As an error of that test, and of no other."""
    assert cases[name].outcome == "error"
    assert re.search(message, cases[name].text)


def test_a_test_that_fails_shows_what_was_done(cases: dict[str, Case]) -> None:
    """Its fault is healed all the same, and the next test has a pair that answers."""
    assert cases["test_fails_under_a_fault"].outcome == "failure"
    assert {cases[name].outcome for name in ("test_finds_the_pair_as_it_was", "test_on_an_event_loop", "test_takes_no_pair")} == {"passed"}


def test_where_no_postgresql_is_there_one_sentence_says_what_to_do(tmp_path: Path) -> None:
    """The test fails: one that is skipped would be missed."""
    text = "def test_needs_it(facility):\n    pass\n"
    conftest = "import os\nos.environ['TESTBED_POSTGRES'] = '/nowhere'\n"
    case = run(tmp_path, {"test_it.py": text, "conftest.py": conftest})["test_needs_it"]
    assert case.outcome == "error"
    assert "cannot start its database pair: no PostgreSQL at /nowhere" in case.text
    assert "give the directory that holds initdb and postgres" in case.text


def test_loading_the_plug_in_imports_nothing_of_the_testbed_but_itself() -> None:
    """A suite that uses none of it pays next to nothing."""
    script = (
        "import sys, json, testbed.pytest_plugin.plugin; print(json.dumps([name for name in sys.modules if name.startswith('testbed')]))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    allowed = {"testbed", "testbed.replay", "testbed.pytest_plugin", "testbed.pytest_plugin.plugin", "testbed.pytest_plugin.outages"}
    assert {name for name in json.loads(done.stdout) if name.startswith("testbed")} <= allowed
