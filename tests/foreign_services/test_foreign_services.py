"""The tables `[service]` of services that the testbed does not know, and the programs that they start."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
GO = Path("/usr/share/gocode/src/github.com/lib/pq")
JARS = Path("/usr/share/java")
LINES = 75


def run(*command: str, directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(command, cwd=directory, env={**os.environ, **variables}, capture_output=True, text=True, timeout=300, check=False)


def test_the_go_program_compiles(tmp_path: Path) -> None:
    """By Debian's Go and its lib/pq, without a module or a network."""
    if shutil.which("go") is None or not GO.is_dir():
        pytest.skip("go or lib/pq missing; apt-get install golang-go golang-github-lib-pq-dev")
    shutil.copy(FOLDER / "flights.go", tmp_path)
    done = run(
        *("go", "build", "flights.go"),
        directory=tmp_path,
        GO111MODULE="off",
        GOPATH="/usr/share/gocode",
        GOCACHE=str(tmp_path / "cache"),
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "flights").is_file()


def test_the_java_program_compiles(tmp_path: Path) -> None:
    """By the jars that its tables name."""
    jars = [JARS / name for name in ("HikariCP.jar", "commons-dbcp2.jar", "commons-pool2.jar", "postgresql.jar")]
    if shutil.which("javac") is None or not all(jar.is_file() for jar in jars):
        pytest.skip("javac or a jar missing; apt-get install default-jdk-headless libhikaricp-java libcommons-dbcp2-java")
    done = run("javac", "-cp", ":".join(map(str, jars)), "-d", str(tmp_path), "Flights.java", directory=FOLDER)
    assert done.returncode == 0, done.stderr


def test_the_node_program_is_one() -> None:
    """Node reads it without a mistake; whether node-postgres is there is seen only when it runs."""
    if shutil.which("node") is None:
        pytest.skip("node missing; apt-get install nodejs")
    done = run("node", "--check", "flights.js", directory=FOLDER)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("program", ["Flights.java", "flights.go", "flights.js"])
def test_a_program_has_a_careful_way(program: str) -> None:
    """It is asked for by the same variable in each language, and each is short."""
    text = (FOLDER / program).read_text(encoding="utf-8")
    assert "CAREFUL" in text
    assert len(text.splitlines()) <= LINES
