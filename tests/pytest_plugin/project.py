"""A project of somebody else's: a folder with test files, in which pytest runs with the plug-in."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
WITHIN_S = 300
SETTINGS = """[pytest]
filterwarnings = error
addopts = --strict-markers --strict-config -p no:cacheprovider
asyncio_default_fixture_loop_scope = function
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A test case of JUnit's XML: what became of it, why, and its properties."""

    outcome: str
    text: str
    properties: Mapping[str, str]


def run(folder: Path, files: Mapping[str, str], *arguments: str, settings: str = "") -> dict[str, Case]:
    """Write the files, run pytest in the folder, and return its cases by their names."""
    for name, text in {"pytest.ini": SETTINGS + settings, **files}.items():
        (folder / name).write_text(text, encoding="utf-8")
    # Where the package is installed with its entry point, pytest has the plug-in already.
    installed = entry_points(group="pytest11", name="testbed")
    plugin = [] if installed else ["-p", "testbed.pytest_plugin.plugin"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "TESTBED_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, "-q", f"--junitxml={folder / 'junit.xml'}", *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert (folder / "junit.xml").exists(), done.stdout + done.stderr
    return junit_cases(folder / "junit.xml")


def junit_cases(file: Path) -> dict[str, Case]:
    """Return the cases of JUnit's XML by their names."""
    cases: dict[str, Case] = {}
    for case in ET.parse(file).iter("testcase"):  # noqa: S314 - pytest has just written it
        ends = [child for child in case if child.tag in ("failure", "error", "skipped")]
        text = "\n".join(f"{end.get('message', '')}\n{end.text or ''}" for end in ends)
        properties = {found.get("name", ""): found.get("value", "") for found in case.iter("property")}
        name = case.get("name", "")
        before = cases.get(name, Case("passed", "", {}))  # an error after a failed test is a case of its own
        cases[name] = Case(ends[0].tag if ends else before.outcome, f"{before.text}{text}", properties)
    return cases
