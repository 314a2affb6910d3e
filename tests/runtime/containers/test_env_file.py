from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from testbed.runtime.containers import env_file

if TYPE_CHECKING:
    from pathlib import Path

VALUES = (
    "amqp://user:p$ss@host/?a=1 #b",
    "${HOME} $$HOME \\$HOME",
    'it\'s "said"',
    "ends with a backslash\\",
    '\\"',
    "two lines\nTESTBED_USER=0",
    "\\n is no newline",
    " space around\t",
    "größe\r",
    "",
)
PROJECT = "services: {a: {image: a, environment: {VALUE: '${VALUE}', OTHER: '${OTHER-none}'}}}"


def test_a_value_is_quoted_so_that_it_is_one_line() -> None:
    """Whatever is in it."""
    text = env_file.text({"A": "1", "B": 'two\n"lines"', "C": "p$ss\\"})
    assert text == 'A="1"\nB="two\\n\\"lines\\""\nC="p\\$ss\\\\"\n'


def has_compose() -> bool:
    """Whether there is a `docker compose`; it needs no engine to read a file."""
    docker = shutil.which("docker")
    return docker is not None and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not has_compose(), reason="no docker compose is installed")
@pytest.mark.parametrize("value", VALUES)
def test_compose_reads_each_value_as_it_was(tmp_path: Path, value: str) -> None:
    """And no other variable comes of it."""
    (tmp_path / "compose.yaml").write_text(PROJECT)
    (tmp_path / "a.env").write_text(env_file.text({"VALUE": value}))
    command = ["docker", "compose", "--env-file", "a.env", "config", "--format", "json"]
    read = json.loads(subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout)
    told = {name: text.replace("$$", "$") for name, text in read["services"]["a"]["environment"].items()}  # `config` doubles them
    assert told == {"VALUE": value, "OTHER": "none"}
