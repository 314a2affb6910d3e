from __future__ import annotations

import errno
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import click
import pytest

from testbed import scenario_file
from testbed.cli import main, matrix, replay
from testbed.cli.main import COMMANDS
from testbed.errors import FacilityError
from testbed.experiments import run_folders
from testbed.experiments.matrix import table
from testbed.experiments.planned import planned
from testbed.fakes.backend import FakeBackend
from testbed.fakes.virtual_time import run as in_virtual_time
from testbed.interactive import client, control_socket, protocol
from testbed.journal import reader
from testbed.journal.writer import JournalWriter
from testbed.plan import passengers
from testbed.runtime import backends
from testbed.verdict.checks import open_loop
from tests.experiments.matrix.cells import cell
from tests.journals import contained_night, hung_night
from tests.nights import scenario

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from testbed.experiments.matrix.plan import MatrixPlan, PlannedCell
    from testbed.experiments.matrix.replays import Checkpoint
    from testbed.journal.reader import Journal

ROOT = Path(__file__).parents[2]


def run(*arguments: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, str]:
    """Run the command line in this process; return exit code, standard output and standard error."""
    monkeypatch.setattr(sys, "argv", ["testbed", *arguments])
    monkeypatch.setattr(sys.modules["__main__"], "__package__", None)  # or `python -m pytest` would be named as what was run
    monkeypatch.setenv("COLUMNS", "200")
    code: object = 0
    try:
        main.main()
    except SystemExit as end:
        code = end.code or 0
    assert isinstance(code, int)
    return (code, *capsys.readouterr())


@pytest.fixture
def testbed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]  # noqa: ANN201 - a function of words
    """Return the command line as a function."""
    return lambda *arguments: run(*map(str, arguments), capsys=capsys, monkeypatch=monkeypatch)


def write_journal(path: Path, made: Journal) -> Path:
    """Write a hand-written journal to a file; return its path."""
    with JournalWriter(path, made.header) as writer:
        for event in made.events:
            writer.append(event)
    assert reader.read(path).events == made.events
    return path


def test_a_judged_journal_gives_the_verdict_as_exit_code(testbed, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Held is 0, broken is 1, unknown is 3; of several, the worst."""
    held = write_journal(tmp_path / "held.jsonl", hung_night().journal())
    broken = write_journal(tmp_path / "broken.jsonl", contained_night().journal())
    unknown = write_journal(
        tmp_path / "unknown.jsonl", hung_night(dumps=False).journal(expect={"outcome": ["grounded"], "servers_blocked_at": "checkout"})
    )
    codes = [testbed("judge", *files)[0] for files in ([held], [broken], [unknown], [held, unknown], [unknown, broken])]
    assert codes == [0, 1, 3, 3, 1]


def test_a_replay_says_where_its_journals_go_and_how_to_judge_them_again(  # type: ignore[no-untyped-def]
    testbed,  # noqa: ANN001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before anything is started, and in the last line, as a command that can be pasted."""
    monkeypatch.setattr(backends, "of", lambda *_, **__: FakeBackend())
    monkeypatch.setattr(replay, "interruptible", in_virtual_time)
    scenario(tmp_path)
    code, out, _ = testbed("replay", tmp_path / "a_night.toml", "--variant", "fixed", "--runs", tmp_path / "my runs")
    (directory,) = (path for path in (tmp_path / "my runs").iterdir() if not path.is_symlink())
    first, *_, last = out.splitlines()
    assert (code, first) == (0, f"journals go to {directory}")
    assert f" s from command to verdict; journals in {directory}; to judge them again: testbed judge '" in last
    words = shlex.split(last.partition("again: ")[2])
    again = testbed(*words[1:])
    assert (words[0], again[0], "contained" in again[1]) == ("testbed", 0, True)


def test_journals_of_several_scenarios_have_a_table_each(testbed, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """None stands under the title of another, on the terminal and in the picture; the names of both are in its title."""
    write_journal(tmp_path / "a.jsonl", hung_night().journal())
    write_journal(tmp_path / "b.jsonl", hung_night().journal(scenario="another", title="Another night"))
    code, out, _ = testbed("judge", tmp_path, "--svg", tmp_path / "both.svg")
    svg = (tmp_path / "both.svg").read_text(encoding="utf-8").replace("&#160;", " ")
    assert code == 0
    for text in (out, svg):
        assert text.index("A night") < text.index("a_night on processes") < text.index("Another night") < text.index("another on processes")
    assert "testbed replay a_night, another" in svg


def test_without_a_run_there_is_nothing_to_judge_and_that_is_said(testbed, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """In words, with what makes one."""
    code, _, err = testbed("judge", "--runs", tmp_path)
    assert code == 2
    assert f"there is no run at {tmp_path / 'latest'} yet; `testbed replay` makes one" in err


def test_a_directory_is_judged_by_the_journals_in_it_and_no_argument_means_the_last_run(testbed, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """In the order of their replays, also those below it; without one, the error says so."""
    run_directory = run_folders.runs_directory(str(tmp_path / "runs"), "a_night")
    code, _, err = testbed("judge", tmp_path / "runs" / "latest")
    assert (code, "there are no journals" in err) == (2, True)
    (run_directory / "again").mkdir()
    later = hung_night().journal(started_at="2026-01-02T00:00:00.000+00:00")
    write_journal(run_directory / "a.jsonl", later)
    write_journal(run_directory / "again" / "z.jsonl", hung_night().journal())
    code, out, _ = testbed("judge", tmp_path / "runs" / "latest", "--json", "-")
    assert code == 0
    assert [Path(json.loads(line)["journal"]).name for line in out.splitlines()] == ["z.jsonl", "a.jsonl"]
    assert testbed("judge", "--runs", tmp_path / "runs", "--json", "-")[1] == out


def test_a_post_mortem_tells_what_could_have_warned_and_what_the_dumps_tell(testbed, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Of each journal of the last run; a dump that is not there is told, and a broken expectation is no error."""
    run_directory = run_folders.runs_directory(str(tmp_path / "runs"), "a_night")
    write_journal(run_directory / "a.jsonl", hung_night().journal())
    write_journal(run_directory / "b.jsonl", contained_night().journal(started_at="2026-01-02T00:00:00.000+00:00"))
    code, out, _ = testbed("postmortem", "--runs", tmp_path / "runs")
    assert code == 0
    hung, contained = out.split("a_night over original: ")[1:]
    for told in (
        "what is behind pool of cf-1 is not known: nobody asked",
        "service stopped at 22:08:20 (every caller hung)",
        "the health check",
        "What the thread dumps tell",
        "cannot be read: No",
    ):
        assert told in " ".join(hung.split())
    assert "service did not stop for good" in " ".join(contained.split())
    assert "There is no thread dump of this replay" in contained


def test_a_check_that_itself_fails_leaves_its_traceback(testbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """In the line for programs and in a file beside the journal; other findings have none."""
    path = write_journal(tmp_path / "held.jsonl", hung_night().journal())
    testbed("judge", path)
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.setattr(open_loop, "check", Mock(side_effect=ZeroDivisionError("by a check")))
    code, out, _ = testbed("judge", path, "--json", "-")
    assert code == 3
    (failed,) = [finding for finding in json.loads(out)["findings"] if "traceback" in finding]
    assert failed["text"] == "the check itself failed: ZeroDivisionError: by a check"
    assert failed["traceback"].endswith("ZeroDivisionError: by a check\n")
    assert failed["traceback"] in (tmp_path / "held.tracebacks.txt").read_text(encoding="utf-8")


def test_with_json_to_standard_output_nothing_else_goes_there(testbed, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Every line is an object of the contract; the report goes to standard error."""
    path = write_journal(tmp_path / "held.jsonl", hung_night().journal())
    code, out, err = testbed("judge", path, path, "--json", "-")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(line["outcome"], line["crack"], line["verdict"], line["journal"]) for line in lines] == [
        ("grounded", 6, "held", str(path))
    ] * 2
    assert lines[0]["transactions"]["kiosk"]["check_in"]["after"] == {"answered": 0, "failed": 3, "unanswered": 4}
    assert lines[0]["blocked_request_threads"] == dict.fromkeys(("cf-1", "cf-2", "kiosk", "ivr", "partner"), 4)
    assert "grounded" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["replay", "the_nigth"],
            "no scenario 'the_nigth', did you mean the_night?; there are abandoned_transaction, backlog_full, balancer_loss, ",
        ),
        (["replay", "no/such.toml"], "cannot be read: No such file"),
        (
            ["replay", "the_night", "--variant", "fixd"],
            "has no variant 'fixd', did you mean fixed?; it has original, fixed; variants.toml has ",
        ),
        (["replay", "the_night", "--repeat", "0"], "0 is not in the range 1<=x<=1000"),
        (["replay", "the_night", "--toxiproxy", "nowhere"], "'nowhere' is not an address; allowed: HOST:PORT"),
        (["replay", "the_night", "--json", "no/such/file"], "--json: no/such/file cannot be written: No such file"),
        (["plan", "the_night", "--rate", "-1"], "--rate"),
        (["judge", "no.jsonl"], "no.jsonl cannot be read: No such file"),
        (["postmortem", "no.jsonl"], "no.jsonl cannot be read: No such file"),
        (["fly"], "No such command 'fly'."),
        (["reply", "the_night"], "No such command 'reply', did you mean replay?"),
        ([], "Usage: testbed"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_clear_error_and_exit_code_2(testbed, arguments: list[str], message: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """What was wrong, what is allowed; nothing was started, and there is no traceback."""
    code, out, err = testbed(*arguments)
    assert code == 2
    assert message in out + err
    assert "Traceback" not in err


def test_a_plan_is_shown_without_starting_anything(testbed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Steps with both times, passengers by kind, and what is expected."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    code, out, _ = testbed("plan", "the_night", "--seed", "1", "--rate", "2")
    assert code == 0
    assert "23:00:00" in out
    assert "Passengers: 870 requests, seed 1" in out
    assert list(tmp_path.iterdir()) == []


def test_the_lists_name_every_scenario_and_every_fact(testbed) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Nothing is left out, shown or not."""
    names = {path.stem for path in (ROOT / "scenarios").glob("*.toml")} - {"variants"}
    _, listed, _ = testbed("list")
    assert all(name in listed for name in names)
    _, listed, _ = testbed("facts")
    assert all(f" {fact} " in listed for fact in ("C1", "O10", "P4", "S10", "W7", "A8"))
    _, listed, _ = testbed("facts", "--tests")
    assert "    tests/cli/test_cli.py::test_" not in listed  # no test of this file is marked
    assert "    scenarios/test_balancers.py::test_" in listed


def test_a_trace_that_is_written_can_be_named_in_a_scenario(testbed, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """The kept passengers are those of the plan, and another seed is refused for them."""
    code, out, _ = testbed("trace", "calm", tmp_path / "kept.jsonl")
    assert (code, out) == (0, f"131 requests in {tmp_path / 'kept.jsonl'}\n")
    scenario = (ROOT / "scenarios" / "calm.toml").read_text(encoding="utf-8")
    (tmp_path / "again.toml").write_text(scenario.replace("seed = 2013", 'seed = 2013\ntrace = "kept.jsonl"'), encoding="utf-8")
    assert "Passengers: 131 requests" in testbed("plan", tmp_path / "again.toml")[1]
    code, _, err = testbed("plan", tmp_path / "again.toml", "--seed", "5")
    assert code == 2
    assert "sends a kept trace, kept.jsonl; another seed or rate would change nothing" in err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a.svg"), "cannot write a.svg: No space left on device; free space there"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "cannot write a file: Disk quota exceeded; free space there"),
        (OSError(errno.EACCES, "Permission denied", "b.jsonl"), "no access to b.jsonl: Permission denied; change its permissions"),
        (OSError(errno.ECONNREFUSED, "Connection refused"), "a connection failed: Connection refused; see whether"),
        (OSError(errno.EMFILE, "Too many open files"), "cannot open a file: Too many open files; raise the limit"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "cannot start a process or a thread: Resource temporarily"),
        (RuntimeError("can't start new thread"), "cannot start a process or a thread: can't start new thread; raise the limit (ulimit -u)"),
        (MemoryError(), "no memory for the testbed: MemoryError; end other programs"),
        (ImportError("a.so: failed to map segment from shared object"), "no memory for the testbed: a.so: failed to map segment from"),
    ],
    ids=lambda case: case.strerror if isinstance(case, OSError) else "",
)
def test_what_the_system_refuses_is_one_line_with_its_next_step(  # type: ignore[no-untyped-def]
    testbed,  # noqa: ANN001
    monkeypatch: pytest.MonkeyPatch,
    error: OSError,
    message: str,
) -> None:
    """A refused connection is no full disk."""
    monkeypatch.setattr(scenario_file, "known", Mock(side_effect=error))
    monkeypatch.setattr(main, "forget_output", lambda: None)
    code, _, err = testbed("list")
    assert code == 3
    assert err.startswith(f"testbed: {message}")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("error", [ZeroDivisionError("by us"), FileNotFoundError(errno.ENOENT, "by us"), AssertionError("by us")], ids=repr)
def test_an_error_of_ours_is_exit_code_4_and_its_traceback_is_in_a_file(  # type: ignore[no-untyped-def]
    testbed,  # noqa: ANN001
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    error: Exception,
) -> None:
    """Never 1, which says that an expectation was broken."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scenario_file, "known", Mock(side_effect=error))
    code, _, err = testbed("list")
    assert code == 4
    assert len(err.splitlines()) == 1
    (file,) = (tmp_path / ".testbed" / "errors").iterdir()
    assert file.name in err
    assert f"{type(error).__name__}: " in err
    assert "scenarios.py" in file.read_text()
    assert "by us" in file.read_text()


def test_where_no_traceback_can_be_kept_it_is_printed(testbed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Beside temporary files if it can, on standard error if it cannot."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".testbed").write_text("in the way")
    monkeypatch.setattr(scenario_file, "known", Mock(side_effect=ZeroDivisionError("by us")))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    code, _, err = testbed("list")
    assert code == 4
    assert str(tmp_path / "temporary" / "testbed-errors") in err
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ".testbed"))
    code, _, err = testbed("list")
    assert code == 4
    assert "Traceback (most recent call last)" in err


def test_an_installation_that_cannot_be_imported_is_exit_code_4(tmp_path: Path) -> None:
    """Also before there is a command line."""
    code = "import sys; sys.modules['click'] = None; from testbed.__main__ import main; main()"
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 4
    assert "a bug of the testbed: ModuleNotFoundError" in ended.stderr


def test_it_runs_as_a_module_and_outside_the_project(tmp_path: Path) -> None:
    """`python -m testbed` from anywhere finds the project's scenarios, and an output that is cut short is no error."""
    listed = subprocess.run([sys.executable, "-m", "testbed", "list"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert listed.returncode == 0
    assert "the_night" in listed.stdout


@pytest.mark.parametrize("command", ["replay", "judge", "up", "scan"])
def test_the_help_has_the_default_of_the_directory_as_it_is(testbed, command: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Without the brackets that click puts around a description of one."""
    text = " ".join(testbed(command, "--help")[1].split())
    assert "[env var: TESTBED_RUNS; default: .testbed/runs]" in text


@pytest.mark.parametrize("words", [["facts", "--tests"], ["list"], ["judge", "--json", "-", "held.jsonl"], ["--help"], ["plan", "--help"]])
def test_a_reader_that_leaves_ends_a_command_as_a_closed_pipe_does(words: list[str], tmp_path: Path) -> None:
    """Never 1, which says that an expectation was broken."""
    write_journal(tmp_path / "held.jsonl", hung_night().journal())
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing) as closed:
        command = [sys.executable, "-m", "testbed", *words]
        ended = subprocess.run(command, cwd=tmp_path, stdout=closed, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGPIPE, "")


def test_what_the_terminal_cannot_show_is_escaped(tmp_path: Path) -> None:
    """A path may have any character."""
    path = write_journal(tmp_path / "ü.jsonl", hung_night().journal())
    command = [sys.executable, "-m", "testbed", "judge", path.name]
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "COLUMNS": "200"}
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "\\xfc.jsonl" in ended.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trace", "calm", "."], "FILE: . cannot be written; give a file"),
        (["trace", "calm", "no/such/x"], "FILE: no/such/x cannot be written; give a file"),
        (["trace", "calm", "held.jsonl/x"], "FILE: held.jsonl/x cannot be written: Not a directory"),
        (["trace", "calm", "x" * 300], "cannot be written: File name too long"),
        (["judge", "held.jsonl", "--svg", "."], "--svg: . cannot be written; give a file"),
        (["judge", "held.jsonl", "--json", "no/such/x"], "--json: no/such/x cannot be written; give a file"),
    ],
    ids=lambda case: " ".join(case)[:40] if isinstance(case, list) else "",
)
def test_a_file_that_cannot_be_written_is_wrong_usage_and_is_said_before_the_work(  # type: ignore[no-untyped-def]
    testbed,  # noqa: ANN001
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is read, derived or judged for it."""
    write_journal(tmp_path / "held.jsonl", hung_night().journal())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reader, "read", Mock(side_effect=ZeroDivisionError("work")))
    monkeypatch.setattr(passengers, "of", Mock(side_effect=ZeroDivisionError("work")))
    code, out, err = testbed(*words)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize("target", ["20200101-000000-gone-1", "latest", None], ids=["dangling", "looping", "missing"])
def test_where_latest_leads_nowhere_the_newest_run_is_judged_and_the_link_named(  # type: ignore[no-untyped-def]
    testbed,  # noqa: ANN001
    target: str | None,
    tmp_path: Path,
) -> None:
    """Without any run, the error names the link."""
    if target is not None:
        (tmp_path / "latest").symlink_to(target)
        code, _, err = testbed("judge", "--runs", tmp_path)
        assert (code, f"there is no run in {tmp_path}, and {tmp_path}/latest is a link that leads nowhere" in err) == (2, True)
    for name, night in (("20240101-000000-a-1", contained_night()), ("20240202-000000-a-1", hung_night())):
        (tmp_path / name).mkdir()
        write_journal(tmp_path / name / "night.jsonl", night.journal())
    (tmp_path / "20250101-000000-a-1").mkdir()  # without a journal
    code, out, err = testbed("judge", "--runs", tmp_path)
    assert code == 0
    assert "grounded" in out
    assert err.startswith(f"testbed: warning: {tmp_path}/latest is ")
    assert err.endswith(f"judged is the newest run, {tmp_path}/20240202-000000-a-1\n")


def test_a_kept_variant_can_be_replayed_of_which_the_scenario_expects_nothing() -> None:
    """In the order in which they were asked for; the scenario's own keep their expectations."""
    chosen = planned("the_night", ("retry", "fixed", "retry")).variants
    assert [(variant.name, variant.expect.outcome) for variant in chosen] == [
        ("retry", ("unharmed", "contained", "grounded")),
        ("fixed", ("contained",)),
    ]
    assert chosen[0].settings.caller.retries > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shard", "3/2"], "--shard: found '3/2'; allowed: I/N"),
        (["--variant", "fixd"], "no variant 'fixd', did you mean fixed?; there are original, fixed"),
        (["--scenario", "the_nite"], "the_nite"),
        (["--against", "none.json"], "the matrix none.json cannot be read"),
        (["--against", "pyproject.toml"], "pyproject.toml is a file; a matrix is a folder since format 2"),
        (["--against", "tests"], "tests is no matrix: there is no processes/SCENARIO.jsonl in it"),
        (["--against", "--seed", "1", "--scenario", "the_night"], "the baseline has another trace of the_night"),
        (["--out", "scenarios/containment", "--scenario", "calm", "--variant", "fixed"], "calm.jsonl has 24 cells that would be lost"),
        (["show", "the_nite"], "no scenario 'the_nite' on processes; there are backlog_full, burst"),
        (["show", "the_night", "--kept", "none"], "the matrix none cannot be read"),
        (["--runtime", "containers", "show", "the_night"], "--runtime stands before show; give it after that word"),
        (["--minimal", "unharmed", "--out", "x"], "--minimal goes with"),
        (["--out", "no/such/place"], "--out: nothing can be written to no/such"),
        (["--scenario", "two_arrays"], "needs 'balancers' and 'recovery' and 'backups'"),
        (["merge", "none.json", "--out", "x"], "the matrix none.json cannot be read"),
    ],
)
def test_what_a_matrix_cannot_do_is_refused_before_anything_is_started(testbed, arguments: list[str], message: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """In a line, with exit code 2, or 3 for what the runtime does not provide."""
    code, _, err = testbed("matrix", *arguments)
    assert code in (2, 3)
    assert message in err
    assert "Traceback" not in err


def test_a_page_of_somebody_else_is_refused_before_anything_is_replayed(testbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """With exit code 2 and its name, and it stays as it was."""
    monkeypatch.setattr(matrix, "interruptible", Mock(side_effect=AssertionError("something was replayed")))
    (tmp_path / "README.md").write_text("# My thesis\n")
    code, _, err = testbed("matrix", "--scenario", "calm", "--variant", "fixed", "--out", tmp_path, "--runs", tmp_path / "runs")
    assert (code, (tmp_path / "README.md").read_text()) == (2, "# My thesis\n")
    assert f"--out: {tmp_path / 'README.md'} was not written by `testbed matrix`" in err


def test_a_matrix_that_could_not_be_written_is_not_replayed_again(testbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Its cells stay in the checkpoint until it was written, and go then."""
    replays: list[str] = []

    async def make(bench: matrix.MatrixRun, planned: MatrixPlan, cells: Sequence[PlannedCell], _: object, checkpoint: Checkpoint) -> Any:
        found = [checkpoint.find(planned_cell) for planned_cell in cells]
        made = [known or cell("fixed", scenario="calm") for known in found]
        if found == [None]:
            replays.append(bench.backend.name)
            checkpoint.add(cells[0], made[0])
        return table.with_cells(planned.empty(), made), None

    monkeypatch.setattr(matrix, "_make", make)
    arguments = ("matrix", "--scenario", "calm", "--variant", "fixed", "--out", tmp_path / "out", "--runs", tmp_path / "runs")
    with monkeypatch.context() as full:
        full.setattr(matrix.folder, "write", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
        code, _, err = testbed(*arguments)
    assert (code, "No space left on device" in err) == (2, True)
    assert testbed(*arguments)[0] == 0
    assert replays == ["processes"]
    assert (tmp_path / "runs" / "cells.jsonl").read_text() == ""


def test_figures_of_a_variant_that_has_other_settings_now_are_said_to_be_so(
    testbed,  # type: ignore[no-untyped-def]  # noqa: ANN001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A variant of one's own in place of a packaged one is named, and what replays it; one in addition is not."""
    monkeypatch.chdir(tmp_path)
    assert "the figures of" not in testbed("matrix", "show", "calm")[1]
    own = tmp_path / "scenarios" / "variants.toml"
    own.parent.mkdir()
    fields = 'level = "code"\nsays = "mine"\nmade_of = "mine"\napplication_server = { lookup = "original" }\n'
    own.write_text(f"[fixed]\n{fields}\n[mine]\n{fields}")
    code, out, _ = testbed("matrix", "show", "calm")
    assert code == 0
    assert (
        "the figures of fixed are of the packaged settings; variants.toml has others now, which "
        "`testbed matrix --scenario calm --runtime processes --variant=fixed` replays"
    ) in out
    kept = testbed("matrix", "show", "calm", "--kept", matrix.kept_matrix())[1]
    assert "the figures of fixed are of the settings that it was made with; variants.toml has others now" in kept


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_found_by_its_name(name: str) -> None:
    """What is imported for a name is a command of that name; its first sentence is what the list says, and fits a line of it."""
    command = main.main_group.get_command(click.Context(main.main_group), name)
    assert command is not None
    assert command.name == name
    assert command.help
    *_, text = COMMANDS[name]
    assert text == command.get_short_help_str(64)
    assert not text.endswith("...")


@pytest.mark.parametrize(
    ("words", "not_needed"),
    [
        ("--help", "rich.console pydantic testbed.scenario_file"),
        ("list", "aiohttp psycopg testbed.replay.replay testbed.verdict.judge"),
        ("plan the_night", "aiohttp psycopg testbed.replay.replay testbed.verdict.judge"),
        ("replay --help", "aiohttp psycopg testbed.report.html.page"),
    ],
)
def test_who_only_looks_does_not_wait_for_imports(words: str, not_needed: str) -> None:
    """What a command does not use is not imported for it."""
    code = f"""
import sys
from testbed.cli.main import main
sys.argv[1:] = {words.split()}
try:
    main()
except SystemExit as ended:
    assert not ended.code
sys.stderr.write(" ".join(sorted(set({not_needed.split()}) & sys.modules.keys())))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stderr == ""


def test_the_status_does_not_wait_for_the_imports_that_build_a_facility() -> None:
    """The interactive commands are typed one after the other: none of them imports what only `up` needs."""
    code = "import sys, testbed.cli.interactive; print(sorted({'aiohttp', 'psycopg', 'requests', 'toxiproxy'} & sys.modules.keys()))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout == "[]\n"


@pytest.mark.parametrize(("given", "mode"), [(0o000, 0o755), (0o002, 0o755), (0o077, 0o700)])
def test_what_a_command_writes_is_for_nobody_else_to_change(given: int, mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may read it is up to the umask."""
    monkeypatch.setattr(main, "main_group", lambda **_: (tmp_path / "runs").mkdir())
    before = os.umask(given)
    try:
        main.main()
    finally:
        os.umask(before)
    assert (tmp_path / "runs").stat().st_mode & 0o777 == mode


def test_a_facility_that_does_not_answer_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is an error all the same, once the others are shown."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # with nothing of killed runs to sweep
    monkeypatch.setattr("tempfile.tempdir", None)

    def send_command(_: protocol.Command, name: str) -> Iterator[protocol.Reply]:
        if name == "evening":
            raise FacilityError("evening does not answer")
        yield protocol.DoneReply(f"shown: {name}")

    monkeypatch.setattr(control_socket, "running", lambda: ("evening", "night"))
    monkeypatch.setattr(client, "send_command", send_command)
    with pytest.raises(FacilityError, match="evening does not answer"):
        main.main_group(["status"], standalone_mode=False)
    assert capsys.readouterr().out == "shown: night\n"
