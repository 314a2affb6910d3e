from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from testbed.cli import main
from testbed.cli import scan as scan_module
from testbed.errors import ServiceError
from testbed.experiments.attempts import ATTEMPTS
from testbed.fakes.backend import FakeBackend
from testbed.fakes.virtual_time import run as in_virtual_time
from testbed.runtime import backends
from tests.nights import scenario

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def backend() -> FakeBackend:
    """Return the backend that the command gets, whatever the runtime."""
    return FakeBackend(capabilities=frozenset({"links", "processes"}))


@pytest.fixture
def scan(backend: FakeBackend, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]  # noqa: ANN201 - a function of words
    """Return `testbed scan` as a function of its arguments, over fakes; it returns exit code, standard output and standard error."""

    async def entered(work):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - any coroutine
        return await work

    monkeypatch.setattr(backends, "of", lambda *_, **__: backend)
    monkeypatch.setattr(scan_module, "interruptible", lambda work: in_virtual_time(entered(work)))

    def command(*arguments: object) -> tuple[int, str, str]:
        words = ["testbed", "scan", *map(str, arguments), "--runs", str(tmp_path / "runs")]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as end:
            main.main()
        return (int(str(end.value.code)), *capsys.readouterr())

    return command


def test_map_table_and_list_are_printed_and_written(scan, backend: FakeBackend, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Exit code 0 when every effect is known, also where something stops: that was the question."""
    night, page, object_ = scenario(tmp_path).path, tmp_path / "scan.md", tmp_path / "scan.json"
    code, out, _ = scan(night, "--fault", "latency", "--link", "database", "--link", "kiosk", "--out", page, "--json", object_)
    assert code == 0
    assert backend.calls == ["enter", "exit"]
    assert "3 replays in" in out
    assert "passengers ─> kiosk, ivr, partner\n" in out
    assert "Single points of failure of check_in, over original:\n  database: latency\n" in out
    assert "- database: latency\n" in page.read_text(encoding="utf-8")
    made = json.loads(object_.read_text(encoding="utf-8"))
    assert (made["scenario"], made["transaction"], made["variants"][0]["single_points"]) == (
        "a_night",
        "check_in",
        {"database": ["latency"]},
    )
    assert made["made_by"].startswith("testbed scan ")


def test_with_json_to_standard_output_nothing_else_goes_there(scan, backend: FakeBackend, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """One object; an unknown effect is exit code 3, with the reason."""
    backend.failures = [None, *[ServiceError("cf-1 was not ready")] * ATTEMPTS]  # the first is the control run's
    code, out, err = scan(scenario(tmp_path).path, "--fault", "refuse", "--link", "cf-1", "--json", "-")
    assert code == 3
    (effect,) = json.loads(out)["variants"][0]["effects"]
    assert (effect["effect"], effect["unknown"]) == ("unknown", "cf-1 was not ready")
    assert "unknown: cf-1 refuse: cf-1 was not ready\n" in err
    again = "to be replayed again, alone: cf-1 refuse, over original is unknown: cf-1 was not ready\n"
    assert (err.count(again), err.count("2 of 2 cf-1 refuse, over original: unknown")) == (ATTEMPTS - 1, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["morningg"], "no scenario 'morningg', did you mean morning?"),
        (["--fault", "switchover"], "--fault: found 'switchover'; allowed: backlog_full"),
        (["--link", "cf-3"], "--link: found 'cf-3', did you mean cf-2?; allowed: database, cf-1"),
        (["--variant", "fixd"], "--variant: found 'fixd', did you mean fixed?; allowed: original"),
        (["--transaction", "fly"], "--transaction: found 'fly'; allowed: check_in"),
        (["--out", "no/such/file.md"], "--out: no/such/file.md cannot be written; give a file in an existing directory"),
        (["--json", "no/such/file"], "--json: no/such/file cannot be written"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_clear_error_and_exit_code_2(scan, tmp_path: Path, arguments: list[str], message: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """What was wrong, what is allowed; nothing was started, and no directory of journals is made."""
    code, _, err = scan(*arguments)
    assert code == 2
    assert message in err
    assert not (tmp_path / "runs").exists()
