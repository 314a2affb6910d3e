from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest

from testbed.classroom import export, recording
from testbed.classroom.saying import say
from testbed.classroom.web import page_files
from testbed.errors import UsageError
from testbed.journal.events import Threads
from testbed.journal.reader import Journal
from tests.nights import RESTART, SWITCHOVER, Flight, flown, scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    """A night on fakes that grounds the airline, with a restart at its end."""
    folder = tmp_path_factory.mktemp("night")
    return Flight(scenario(folder, timeline=SWITCHOVER + RESTART), "original", folder).fly()


def state_at(recorded: Any, t_s: float) -> dict[str, Any]:
    """Return the state that a page makes of the frames up to a time."""
    state: dict[str, Any] = {}
    for frame_s, changes in recorded["frames"]:
        if frame_s > t_s:
            break
        for key, value in changes.items():
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
    return state


def test_the_frames_show_what_the_journal_says(journal: Journal) -> None:
    """Of the map, the pools, the passengers and the log, at the end of the night and in its middle; frames are in order."""
    recorded = json.loads(json.dumps(recording.of(journal)))
    times = [t_s for t_s, _ in recorded["frames"]]
    assert times == sorted(times)
    last = state_at(recorded, times[-1])
    requests = len(journal.transactions)
    answered = sum(transaction.ended == "answered" for transaction in journal.transactions)
    assert (last["passengers"]["sent"], last["passengers"]["answered"]) == (requests, answered)
    assert last["phase"] == "over"
    assert (last["virtual_ip"], last["hosts.db-2"]["state"], last["hosts.db-1"]["state"]) == ("db-2", "active", "standby")
    hung = next(event for event in journal.events if isinstance(event, Threads))
    full = state_at(recorded, hung.t_s)
    size = journal.header.facility.pool_size
    assert [full[f"services.{name}"]["pool"]["leaked"] for name in journal.header.facility.application_servers] == [size] * 2
    assert all(full[f"services.{name}"]["stuck"] for name in journal.header.facility.callers)
    log = [value["text"] for key, value in last.items() if key.startswith("log.")]
    done = [say("operation_done", operation=word) for word in ("switchover", "restart")]
    restarted = say("restarted", services=list(journal.header.facility.application_servers))
    for what, detail in zip(done, (say("database_runs", host="db-2"), restarted), strict=True):
        assert say("with", what=what, detail=detail) in log
    moments = [moment["text"] for moment in recorded["moments"]]
    assert all(
        text in moments for text in (*(say("operation", operation=word) for word in ("switchover", "restart")), recording.FIRST_FAILURE)
    )
    seen = [say("condition", condition=condition) for condition in ("pool_empty", "hung", "recovered")]
    assert [moment for moment in moments if moment["code"] == "condition"] == seen
    assert {node["name"] for node in recorded["welcome"]["map"]["nodes"]} >= {"passengers", "kiosk", "cf-1", "virtual_ip", "db-2"}


def test_what_runs_is_in_the_last_frame_and_in_no_other(journal: Journal) -> None:
    """The page holds the last frame's back until it is revealed."""
    recorded = recording.of(journal)
    *before, (_, last) = recorded["frames"]
    assert last["revealed"]["variant"] == "original"
    assert "original" not in json.dumps([changes for _, changes in before])


def prose(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text of several words with its path, in which numbers and names of services are left out."""
    if isinstance(value, str) and " " in value:
        yield path, value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from prose(each, f"{path} {name}")
    elif isinstance(value, list):
        for each in value:
            yield from prose(each, path)


def test_what_is_recorded_has_no_sentences_but_those_that_it_quotes(journal: Journal) -> None:
    """From evidence and errors; all that is fixed is a code, for which the page has the text."""
    recorded = json.loads(json.dumps(recording.of(journal)))
    quotes = r"log\.\d+ text .*(detail|why)|dumps\.\d+ (error|groups .*)|waits (graph|missing) ?.*|revealed (title|root)"
    last: dict[str, Any] = {}
    for _, changes in recorded["frames"]:
        last |= changes
        found = {path.strip(): text for path, text in prose(changes)}
        assert {path: text for path, text in found.items() if not re.fullmatch(quotes, path)} == {}
    assert {path for path, _ in prose({name: recorded[name] for name in ("welcome", "moments")})} == {" welcome lesson title"}
    assert len([key for key in last if key.startswith("log.")]) > 10


def test_a_long_night_has_no_more_frames_than_a_page_can_hold(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each then stands for longer, and the last is the same."""
    whole = recording.of(journal)
    monkeypatch.setattr(recording, "MOST_FRAMES", 5)
    coarse = recording.of(journal)
    assert len(whole["frames"]) > 20
    assert 2 <= len(coarse["frames"]) <= 7
    end_s = whole["frames"][-1][0]
    one, other = state_at(whole, end_s), state_at(coarse, end_s)
    assert one.pop("clock")["night_s"] == other.pop("clock")["night_s"]
    assert one == other


def test_an_exported_folder_has_the_page_and_the_night_and_nothing_strange(journal: Journal, tmp_path: Path) -> None:
    """It can be written again; a folder with anything else in it is left as it is."""
    folder = tmp_path / "a" / "night"
    files = export.export(journal, folder)
    assert {path.relative_to(folder).as_posix() for path in files} == {*page_files.names(), page_files.DATA}
    data = (folder / page_files.DATA).read_text(encoding="utf-8")
    assert json.loads(data.removeprefix(recording.ASSIGNMENT).rstrip(";\n"))["welcome"]["mode"] == "recorded"
    assert export.export(journal, folder) == files
    (folder / "diary.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"--export: .*night has another file, 'diary.txt'; allowed: a new folder"):
        export.export(journal, folder)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match=r"--export: .*file cannot be written: "):
        export.export(journal, tmp_path / "file")


def test_a_night_over_the_fix_shows_no_hang(tmp_path: Path) -> None:
    """A control: nothing is stuck, nothing is blamed."""
    recorded = recording.of(flown("fixed"))
    states = [state_at(recorded, t_s) for t_s, _ in recorded["frames"]]
    assert not any(value.get("stuck") for state in states for key, value in state.items() if key.startswith("services."))
    assert states[-1]["revealed"]["root"] is None
    assert not any(moment["text"]["code"] == "condition" for moment in recorded["moments"])


def test_a_folder_of_somebody_elses_is_refused_at_its_first_file(journal: Journal, tmp_path: Path) -> None:
    """However many there are; and so is a link in the place of a file, which would lead the page into something else."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    folder = tmp_path / "night"
    folder.mkdir()
    (folder / "index.html").symlink_to(other / "mine.txt")
    with pytest.raises(UsageError, match=r"has another file, 'index\.html'"):
        export.export(journal, folder)
    assert (other / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize("name", ["index.html", page_files.DATA])
def test_what_is_no_file_in_the_place_of_one_is_refused(make: Callable[[Path], None], name: str, journal: Journal, tmp_path: Path) -> None:
    """A named pipe would be waited for without end, after the other files had been written."""
    make(tmp_path / name)
    with pytest.raises(UsageError, match=f"has another file, '{name}'"):
        export.export(journal, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_journal_that_has_its_header_and_nothing_else_is_a_night_of_one_moment(journal: Journal) -> None:
    """As that of a class that is being built: the page has a frame to show."""
    recorded = recording.of(Journal(journal.path, journal.header, ()))
    assert len(recorded["frames"]) == 1
    state = state_at(recorded, 0.0)
    assert state["clock"]["night_s"] == journal.header.night.from_s
    assert state["phase"] == "over"
