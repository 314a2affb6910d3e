from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from testbed.cli import main
from testbed.observe import py_spy
from testbed.observe.proc import process_state
from tests.observe.programs import CROSSED, FORTY, running

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Testbed = Callable[..., tuple[int, str, str]]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux' /proc says what threads wait for")


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Testbed:
    """Return `testbed threads` as a function of its words."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["testbed", "threads", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as end:
            sys.exit(main.main())
        assert isinstance(end.value.code, int | None)
        return (end.value.code or 0, *capsys.readouterr())

    return run


def test_deadlocks_come_first_and_forty_threads_are_one_line(threads: Testbed, tmp_path: Path) -> None:
    """Of two processes that with the deadlock is told first; the JSON has a line for each, and no variable's value."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    target = tmp_path / "threads.jsonl"
    crossed = CROSSED.replace("LOCK", "threading.Lock")
    secret = f"{FORTY}\ndef keep(password):\n    time.sleep(600)\nstart(keep, 'open sesame')\n"
    with running(tmp_path / "a", secret) as many, running(tmp_path / "b", crossed) as stuck:
        code, out, err = threads("--pid", many.pid, "--pid", stuck.pid, "--pid", many.pid, "--json", target)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"process {stuck.pid} (")
    assert lines[0].endswith("): 3 threads")
    assert lines[1] == "  deadlock (likely) of 2 threads:"
    assert "  40 threads (work): waiting for a lock 0x" in out
    assert "held by holder (" in out
    found = [json.loads(line) for line in target.read_text().splitlines()]
    assert [line["pid"] for line in found] == [stuck.pid, many.pid]
    assert [len(line["deadlocks"]) for line in found] == [1, 0]
    assert found[1]["groups"][0]["count"] == 40
    assert "open sesame" not in target.read_text() + out


def test_names_with_control_characters_are_shown_in_their_line(threads: Testbed, tmp_path: Path) -> None:
    """Of a program, which anybody may name, and of a thread: a newline in them begins no line."""
    text = r"""
ctypes.CDLL(None).prctl(15, b"a\nb\x1b[31m", 0, 0, 0)
start(time.sleep, 600, name="one\ntwo\x1b[31m")
"""
    with running(tmp_path, text) as started:
        code, out, err = threads("--pid", started.pid)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == rf"process {started.pid} (a\u000ab\u001b[31m): 2 threads"
    assert all(line.startswith("  ") for line in out.splitlines()[1:])


def test_json_on_standard_output_is_nothing_else(threads: Testbed, tmp_path: Path) -> None:
    """So a program can read it from there."""
    with running(tmp_path, "") as started:
        code, out, _ = threads("--pid", started.pid, "--json", "-")
    assert code == 0
    assert json.loads(out)["pid"] == started.pid


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "found neither SERVICE nor --pid"),
        (("cf-1", "--pid", "7"), "found both SERVICE and --pid"),
        (("--pid", "7", "--name", "x"), "--name is of a facility"),
        (("cf-1", "--json", "x"), "--json is allowed with --pid only"),
        (("--pid", "seven"), "'seven'; allowed: a whole number"),
        (("--pid", "0"), "not in the range"),
        (("--pid", "-7"), "not in the range"),
        (("--pid", "99999999999999999999"), "not in the range"),
        (("--pid", str(2**22)), "there is no such process"),
        (("--pid", str(os.getpid())), "that is this command itself"),
    ],
)
def test_wrong_words_are_one_clear_error(words: tuple[str, ...], told: str, threads: Testbed) -> None:
    """What was found, and what is allowed; exit code 2."""
    code, out, err = threads(*words)
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err


def test_a_process_that_cannot_be_looked_into_does_not_hide_the_others(threads: Testbed, tmp_path: Path) -> None:
    """They are shown; the exit code is that of the error, which names it."""
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            with running(tmp_path, "") as started:
                code, out, err = threads("--pid", other.pid, "--pid", started.pid)
        finally:
            other.kill()
    assert code == 2
    assert f"process {started.pid} " in out
    assert f"--pid {other.pid} (sleep): it runs no Python" in err


def test_what_may_not_be_looked_into_is_one_sentence_below_the_others(threads: Testbed, tmp_path: Path) -> None:
    """Whatever the reason, wherever it stands among the words: a stopped process is exit code 3, one that is not there 2."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with running(tmp_path / "a", "") as seen, running(tmp_path / "b", "") as stopped:
        os.kill(stopped.pid, signal.SIGSTOP)
        until_s = time.monotonic() + 10
        while process_state(stopped.pid) != "T" and time.monotonic() < until_s:
            time.sleep(0.01)
        code, out, err = threads("--pid", stopped.pid, "--pid", seen.pid, "--json", tmp_path / "of both")
        gone_code, gone_out, gone_err = threads("--pid", seen.pid, "--pid", 2**22, "--pid", stopped.pid, "--json", "-")
    assert (code, gone_code) == (3, 2)
    assert out.startswith(f"process {seen.pid} ")
    assert (len(err.splitlines()), "is stopped (state T)" in err) == (1, True)
    assert [json.loads(line)["pid"] for line in (tmp_path / "of both").read_text().splitlines()] == [seen.pid]
    assert json.loads(gone_out)["pid"] == seen.pid
    warning, error = gone_err.splitlines()
    assert warning.startswith(f"testbed: warning: --pid {stopped.pid} ")
    assert error == f"testbed: --pid {2**22}: there is no such process; allowed: the pid of a Python process that runs"


# A process of root's as another user sees it, who has read the program before he became one.
AS_NOBODY = """
import os, sys
from testbed.cli import interactive, main, process_threads
os.setuid(65534)
sys.argv = ["testbed", "threads", "--pid", sys.argv[1], "--pid", str(2**22)]
sys.exit(main.main())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_where_none_may_be_looked_into_each_has_its_sentence(tmp_path: Path) -> None:
    """Nothing is printed, and the exit code is that of the first: somebody else's process is 3."""
    with running(tmp_path, "") as theirs:
        done = subprocess.run([sys.executable, "-c", AS_NOBODY, str(theirs.pid)], capture_output=True, text=True, check=False)
    warning, error = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (3, "")
    assert "there is no such process" in warning
    assert error.startswith(f"testbed: --pid {theirs.pid} (")
    assert "may not be looked into; to permit it: " in error


def test_a_stopped_process_is_exit_code_3(threads: Testbed, tmp_path: Path) -> None:
    """At once: nothing waits for it."""
    with running(tmp_path, "") as started:
        os.kill(started.pid, signal.SIGSTOP)
        until_s = time.monotonic() + 10
        while process_state(started.pid) != "T" and time.monotonic() < until_s:
            time.sleep(0.01)
        code, _, err = threads("--pid", started.pid)
    assert code == 3
    assert "is stopped (state T)" in err


def test_a_process_that_is_not_dumped_in_time_is_an_error_that_names_it(
    threads: Testbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the bound, and exit code 3."""
    fake = tmp_path / "bin" / "py-spy"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    fake.chmod(0o755)
    with running(tmp_path, "") as started:
        monkeypatch.setattr(py_spy, "WITHIN_S", 1.0)
        monkeypatch.setattr(sys, "executable", str(fake.with_name("python")))
        code, _, err = threads("--pid", started.pid)
    assert code == 3
    assert f"(pid {started.pid}) cannot be dumped: py-spy did not end within 1 s" in err
