from __future__ import annotations

import io
import json
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from testbed.errors import EngineError
from testbed.plan import package_data
from testbed.runtime.containers import docker_cli, doctor, image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


BUILT = json.dumps({"Size": 330_000_000, "Id": "sha256:base", "Config": {"Labels": {image.BASE_LABEL: "sha256:base"}}})


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that replaces the command `docker` with a script."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def write(script: str) -> None:
        (tmp_path / docker_cli.COMMAND).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / docker_cli.COMMAND).chmod(0o755)

    return write


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?", "systemctl start docker"),
        ("permission denied while trying to connect to the Docker daemon socket", "add your user to the group docker"),
    ],
)
def test_the_refusal_of_an_engine_comes_with_what_to_do(pretend: Callable[[str], None], words: str, advice: str) -> None:
    """The engine's own words come with what to do about them, and mean exit code 3."""
    pretend(f"echo '{words}' >&2; exit 1")
    with pytest.raises(EngineError, match=advice) as raised:
        docker_cli.find()
    assert words in str(raised.value)
    assert str(raised.value).startswith("no ")  # and not with the command that was refused
    assert raised.value.exit_code == 3


def test_a_missing_engine_comes_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the command is missing, the message says how to get it, and the doctor checks the rest."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="docker is not installed"):
        docker_cli.find()
    with pytest.raises(EngineError, match="docker is not installed"):
        image.build(lambda _: None)
    assert [need.met for need in doctor.examine()] == [False, False, None, None, None]


def test_an_engine_that_does_not_answer_is_not_waited_for(pretend: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A hung engine costs the bound and no more."""
    monkeypatch.setattr(docker_cli, "ANSWERS_WITHIN_S", 0.2)
    sleep = shutil.which("sleep", path="/usr/bin:/bin")
    pretend(f"exec {sleep} 60")
    with pytest.raises(EngineError, match="did not answer within"):
        docker_cli.find()


def test_the_doctor_names_what_is_missing(pretend: Callable[[str], None]) -> None:
    """With an engine and a plug-in but no image, the image is what is missing, and rights cannot be tried yet."""
    pretend(
        'case "$1 $2" in\n'
        "'version --format') echo '27.5.1 arm64' ;;\n"
        "'compose version') echo v2.40.3 ;;\n"
        "*) echo 'Error: No such image: grounded-testbed' >&2; exit 1 ;;\n"
        "esac"
    )
    needs = doctor.examine()
    assert [(need.name, need.met) for need in needs] == [
        ("engine", True),
        ("compose plug-in", True),
        ("image", False),
        ("rights", None),
        ("clock", None),
    ]
    assert "aarch64" in needs[0].found
    console = Console(width=60, record=True, file=io.StringIO())
    console.print(doctor.table(needs))
    assert "testbed image build" in " ".join(console.export_text().split())


@pytest.mark.parametrize(
    ("ahead_s", "found"),
    [
        (0.0, "containers have this machine's monotonic clock"),
        (-5_000.0, "containers have another machine's monotonic clock, 5,000 s behind; the load generator compares the two"),
        (5_000.0, "5,000 s ahead"),
    ],
)
def test_the_doctor_says_whose_clock_containers_have(pretend: Callable[[str], None], ahead_s: float, found: str) -> None:
    """An engine in a virtual machine has another, which is no obstacle."""
    pretend(
        'case "$1 $2" in\n'
        "'version --format') echo '27.5.1 amd64' ;;\n"
        "'compose version') echo v2.40.3 ;;\n"
        f"'image inspect') echo '{BUILT}' ;;\n"
        f"""*) {sys.executable} -c 'import time; print(time.monotonic() + {ahead_s})' ;;\n"""
        "esac"
    )
    clock = doctor.examine()[-1]
    assert (clock.name, clock.met, clock.to_do) == ("clock", True, "")
    assert found in clock.found


def test_an_image_is_named_for_the_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another line of code is another image; a compiled file or a page of documentation is not."""
    for part in ("testbed", "flight_search", "compose"):
        shutil.copytree(package_data.packages() / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    original = image.name_for_code("x86_64")
    monkeypatch.setattr(package_data, "packages", lambda: tmp_path)
    assert image.name_for_code("x86_64") == original
    (tmp_path / "README.md").write_text("other words\n")
    (tmp_path / "testbed" / "__pycache__").mkdir()
    (tmp_path / "testbed" / "__pycache__" / "cli.pyc").touch()
    assert image.name_for_code("x86_64") == original
    (tmp_path / "testbed" / "cli.py").write_text("# other code\n")
    assert image.name_for_code("x86_64") != original
    shutil.rmtree(tmp_path / "compose")
    with pytest.raises(EngineError, match="compose/Dockerfile"):
        image.name_for_code("x86_64")
