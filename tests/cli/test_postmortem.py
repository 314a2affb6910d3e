"""`testbed postmortem` where something of a journal cannot be told."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from testbed.cli import main
from testbed.journal.writer import JournalWriter
from testbed.postmortem import questions
from tests.hangs import locked, lost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from testbed.journal.reader import Journal

    Postmortem = Callable[[Path], tuple[int, str, str]]

FIVE = "Five questions"


@pytest.fixture
def postmortem(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Postmortem:
    """Return `testbed postmortem` as a function of a directory."""

    def run(directory: Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["testbed", "postmortem", str(directory)])
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit) as end:
            sys.exit(main.main())
        assert isinstance(end.value.code, int | None)
        return (end.value.code or 0, *capsys.readouterr())

    return run


def write(journal: Journal) -> None:
    """Write a journal to its file."""
    with JournalWriter(journal.path, journal.header) as writer:
        for event in journal.events:
            writer.append(event)


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Return a directory with two journals and their evidence."""
    for name, made in (("a", lost), ("b", locked)):
        (tmp_path / "runs" / name).mkdir(parents=True)
        write(made(tmp_path / "runs" / name))
    return tmp_path / "runs"


@pytest.mark.parametrize("wrong", [{"flight_search_urls": None}, {"flight_search_urls": ["http://["]}, {"call_read_timeout_s": "6"}])
def test_evidence_that_cannot_be_is_said_and_the_rest_is_told(postmortem: Postmortem, two: Path, wrong: dict[str, object]) -> None:
    """Of its journal all that needs no evidence, and of the other journal everything."""
    file = two / "a" / "original" / "evidence" / "1.json"
    content = json.loads(file.read_text())
    content["services"][0]["settings"] |= wrong
    file.write_text(json.dumps(content))
    code, out, err = postmortem(two)
    assert (code, err) == (0, "")
    assert out.count(FIVE) == 2
    (sentence,) = (line for line in out.splitlines() if line.startswith("  the evidence "))
    assert f"the evidence {file} cannot be read: services.0.settings: " in sentence
    assert f"{next(iter(wrong))} is " in sentence


def test_a_journal_that_nobody_can_tell_of_does_not_hide_the_others(
    postmortem: Postmortem, two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are told; it is named, and the exit code is still that of a bug."""
    answers = questions.of

    def fail_for_one(journal: Journal, *others: object) -> object:
        if journal.path.parent.name == "a":
            raise TypeError("no such thing")
        return answers(journal, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(questions, "of", fail_for_one)
    code, out, err = postmortem(two)
    assert code == 4
    assert out.count(FIVE) == 1
    assert f"the post-mortem of {two / 'a' / 'original.jsonl'} ends here: TypeError: no such thing" in err
