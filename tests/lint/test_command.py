from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from testbed.cli.lint import lint as command
from testbed.lint.finding import RULES
from testbed.plan.given_file import MOST_TEXT_BYTES
from tests.lint.found import in_finally

ROOT = Path(__file__).parents[2]
MISTAKE = in_finally("cursor.close()", "connection.close()")
LINE = "a.py:5:9: CW001 `cursor.close()` may raise, and then `connection.close()` (line 6) is skipped"


def lint(*words: str | Path, cwd: Path, given: str | bytes = b"") -> Result:
    """Run `testbed lint` in a folder."""
    with chdir(cwd):
        return CliRunner().invoke(command, [str(word) for word in words], input=given)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a file that has the mistake, and one that has not."""
    (tmp_path / "a.py").write_text(MISTAKE, encoding="utf-8")
    (tmp_path / "b.py").write_text("import sys\n", encoding="utf-8")
    return tmp_path


def test_a_finding_stands_in_a_line_as_those_of_compilers(folder: Path) -> None:
    """And below it what to write; the count is on standard error."""
    ended = lint(".", cwd=folder)
    assert ended.exit_code == 1
    first, *others = ended.stdout.splitlines()
    assert first == LINE
    assert [line.strip() for line in others] == ["write instead:", "try:", "cursor.close()", "finally:", "connection.close()"]
    assert ended.stderr == "1 finding in 2 files\n"


def test_without_a_finding_nothing_is_printed(folder: Path) -> None:
    """But for the count."""
    ended = lint("b.py", cwd=folder)
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, "", "0 findings in 1 file\n")


def test_a_program_gets_an_object_for_each_finding(folder: Path) -> None:
    """On standard output in place of the text, or in a file beside it."""
    ended = lint("--json", "-", "a.py", cwd=folder)
    found = json.loads(ended.stdout)
    assert (ended.exit_code, found["path"], found["line"], found["column"], found["code"]) == (1, "a.py", 5, 9, "CW001")
    assert found["name"] == "clean-up-skipped"
    assert found["instead"][0] == "try:"
    assert lint("--json", "found.jsonl", "a.py", cwd=folder).stdout.startswith(LINE)
    assert json.loads((folder / "found.jsonl").read_text(encoding="utf-8")) == found


def test_standard_input_is_read_as_a_file(tmp_path: Path) -> None:
    """Its name is `-`."""
    ended = lint("-", cwd=tmp_path, given=MISTAKE)
    assert (ended.exit_code, ended.stdout.splitlines()[0]) == (1, LINE.replace("a.py", "<stdin>"))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("gone.py", None, "No such file or directory"),
        ("old.py", b"print 1\n", "old.py:1: not read: Missing parentheses"),
        ("large.py", b"#" * (MOST_TEXT_BYTES + 1), "allowed: at most 4,194,304"),
        ("deep.py", b"a" + b".a" * 100_000, "nested too deep"),
    ],
)
def test_what_cannot_be_read_is_told_and_the_others_are_looked_at(folder: Path, name: str, content: bytes | None, reason: str) -> None:
    """The exit code is that of wrong input, as nobody knows what is in it."""
    if content is not None:
        (folder / name).write_bytes(content)
    ended = lint(name, "a.py", cwd=folder)
    assert ended.exit_code == 2
    assert reason in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.endswith(", 1 not read\n")
    assert ended.stdout.splitlines()[0] == LINE


def test_too_large_a_standard_input_is_told(tmp_path: Path) -> None:
    """It is not looked at in part."""
    ended = lint("-", cwd=tmp_path, given=b"#" * (MOST_TEXT_BYTES + 1))
    assert ended.exit_code == 2
    assert "<stdin>: not read" in ended.stderr


def test_a_named_pipe_is_not_waited_for(folder: Path) -> None:
    """It is no file."""
    os.mkfifo(folder / "pipe.py")
    ended = lint(".", cwd=folder)
    assert ended.exit_code == 2
    assert "pipe.py: not read: it is a named pipe" in ended.stderr


def test_a_notebook_is_passed_over(folder: Path) -> None:
    """With a word, when it was named."""
    (folder / "c.ipynb").write_text("{}", encoding="utf-8")
    ended = lint("c.ipynb", "b.py", cwd=folder)
    assert ended.exit_code == 0
    assert "passed over c.ipynb: a notebook" in ended.stderr


def test_a_file_that_is_named_twice_is_looked_at_once(folder: Path) -> None:
    """As a folder, and by itself."""
    assert lint(".", "a.py", "./a.py", cwd=folder).stderr == "1 finding in 2 files\n"


def test_a_name_that_a_terminal_would_obey_is_escaped(folder: Path) -> None:
    """Also in a finding."""
    (folder / "a.py").rename(folder / "\x1b[31m.py")
    assert "\x1b" not in lint(".", cwd=folder).stdout


def test_a_reader_that_leaves_is_no_error(folder: Path) -> None:
    """It ends as other commands do."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing) as closed:
        words = [sys.executable, "-m", "testbed", "lint", "."]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        ended = subprocess.run(
            words, cwd=folder, stdout=closed, stderr=subprocess.PIPE, text=True, check=False, timeout=60, env=environment
        )
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGPIPE, "")


def test_nothing_that_is_looked_at_is_run(tmp_path: Path) -> None:
    """Not even imported."""
    (tmp_path / "a.py").write_text("open('ran', 'w')\n", encoding="utf-8")
    assert lint(".", cwd=tmp_path).exit_code == 0
    assert not (tmp_path / "ran").exists()


def test_it_starts_without_the_imports_that_build_a_facility() -> None:
    """So that an editor may run it at each save."""
    code = (
        "import sys, testbed.cli.lint; print(sorted({'aiohttp', 'psycopg', 'requests', 'sqlalchemy', 'rich.table'} & sys.modules.keys()))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout == "[]\n"


def test_pre_commit_finds_a_hook_that_runs_the_command() -> None:
    """One entry of the keys that pre-commit wants, in plain `key: value` lines."""
    text = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    assert text.count("- id:") == 1
    hook = dict(line.lstrip("- ").split(": ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert hook["id"] == "testbed-lint"
    assert hook["language"] == "python"
    assert hook["types"] == "[python]"
    program, word = shlex.split(hook["entry"])
    assert f'{program} = "testbed.__main__:main"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert word == "lint"


def test_the_page_has_every_rule() -> None:
    """With its code and its name, in order."""
    text = (ROOT / "testbed" / "lint" / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(CW\d+)` `([\w-]+)` \|", text, re.MULTILINE) == [(rule.code, rule.name) for rule in RULES]


def test_the_counts_of_the_page_are_those_of_its_lists() -> None:
    """A package's findings and how many are true, against the verdicts below."""
    text = (ROOT / "testbed" / "lint" / "README.md").read_text(encoding="utf-8")
    listed: dict[str, list[str]] = {}
    for package, verdict in re.findall(r"^\| (\S+) \| `[^`|]+:\d+` \| CW\d+ \| (true|false)\b", text, re.MULTILINE):
        listed.setdefault(package, []).append(verdict)
    counted = re.findall(r"^\| (\S+) [^|]*\| [\d,]+ \| (\d+) \| (\d+) \|", text, re.MULTILINE)
    assert len(counted) >= 20
    assert {package: (int(found), int(true)) for package, found, true in counted if found != "0"} == {
        package: (len(verdicts), verdicts.count("true")) for package, verdicts in listed.items()
    }
