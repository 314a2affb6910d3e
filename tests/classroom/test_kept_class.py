"""What a class answered and chose is kept beside its night, and its recording has it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from testbed.classroom import hold, kept_class, recording
from testbed.classroom.board import Board
from testbed.classroom.inquiry import prevention
from testbed.classroom.live import keeper
from testbed.classroom.live.keeper import Keeper
from testbed.classroom.live.reckoning import Reckoning
from testbed.classroom.scene import Scene
from testbed.classroom.web import server
from testbed.errors import UsageError
from testbed.journal import reader
from testbed.journal.reader import Journal
from tests.classroom.conftest import held, quick
from tests.classroom.player import WITHIN_S, player
from tests.classroom.test_class import begin
from tests.journals import header

if TYPE_CHECKING:
    import socket

    from starlette.applications import Starlette

NOT_TOLD: tuple[Any, ...] = (
    None,
    7,
    ["held"],
    {},
    {"code": "became_unknown"},
    {"code": "solved", "why": "it was"},
    {"code": ["bug"], "why": "it was"},
    {"code": "bug", "why": {"code": "bug", "why": "it was"}},
    {"code": "bug", "why": "it was", "who": "me"},
)
HELD = """
import sys
from testbed.classroom import hold
from testbed.concurrency import run_interruptible
from testbed.errors import InterruptionError
from testbed.fakes.backend import FakeBackend
from tests.classroom.conftest import quick

place = hold.Place("127.0.0.1", None, sys.argv[1])
try:
    run_interruptible(hold.hold(quick(), FakeBackend(), place, lambda found, journal: print(found.trainer, journal)))
except InterruptionError as error:
    sys.exit(128 + error.signal_number)
"""
SLOW_S = 5.0  # at most: what would wait for the disk in the event loop goes on then, and the test fails
GOOD: dict[str, Any] = {
    "started_at": header().started_at,
    "title": "The night",
    "introduction": "It is 22:50.",
    "explanation": "A finally closed too little.",
    "preventions": {"fixed": "Close each by itself.", "checkout_timeout": "Wait for so long.", "call_timeout": "Call for so long."},
    "measured": {"fixed": True},
    "answers": {"cause": {"value": "lost", "by": "Ann", "night_s": 105_000.0}},
    "replays": {"fixed": {"outcome": "contained", "crack": 1, "verdict": "held", "text": "all were served.", "held": True}},
}


def answered(**changes: object) -> dict[str, object]:
    """Return an answer with some fields changed."""
    return {**GOOD["answers"]["cause"], **changes}


def replayed(**changes: object) -> dict[str, object]:
    """Return a replay with some fields changed."""
    return {**GOOD["replays"]["fixed"], **changes}


def written(folder: Path, **changes: Any) -> Journal:
    """Write a class with some fields changed; return its journal."""
    (folder / kept_class.FILE).write_text(json.dumps({**GOOD, **changes}), encoding="utf-8")
    return night(folder)


def keeper_of(folder: Path) -> Keeper:
    """Return what keeps a class in this folder, which nobody has answered in."""

    async def never(_: str) -> prevention.Replayed:
        raise AssertionError

    board = Board()
    return Keeper(Reckoning(quick(), board, Scene(board, header()), never), folder / kept_class.FILE)


def answer(reckoning: Reckoning, question: str, value: str) -> None:
    """Answer as the session does."""
    reckoning.answer(question, value)
    reckoning.board.set(f"answers.{question}", {"value": value, "by": "Ann", "night_s": 1.0})


class SlowDisk:
    """A disk on which a class is written as soon as it may be, or when a test has waited for long enough.

    `written`: the answers of each class that was written; `most_at_once`: how many were being written at a time.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.let_go, self.writing = threading.Event(), 0
        self.written: list[dict[str, Any]] = []
        self.most_at_once = 0
        monkeypatch.setattr(kept_class, "write", self.write)
        monkeypatch.setattr(keeper, "EVERY_S", 0.01)

    def write(self, kept: kept_class.KeptClass, _path: Path) -> None:
        """Write, as slowly as it has to be."""
        self.writing += 1
        self.most_at_once = max(self.most_at_once, self.writing)
        self.let_go.wait(SLOW_S)
        self.written.append(kept.values)
        self.writing -= 1

    async def wait_writing(self) -> None:
        """Wait until something is being written, or has been."""
        async with asyncio.timeout(WITHIN_S):
            while not self.writing and not self.written:
                await asyncio.sleep(0.01)


def night(folder: Path) -> Journal:
    """Return a journal of this folder."""
    return Journal(folder / "night.jsonl", header(), ())


async def test_the_recording_of_a_class_has_its_answers_and_comes_to_the_same(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of the night and of after it, the prevention, and the score, word by word."""

    async def held_well(*_: object, **__: object) -> prevention.Replayed:
        return prevention.Replayed("contained", 1, "held", "all were served.", held=True)

    monkeypatch.setattr(prevention, "replay", held_well)
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await begin(trainer)
        await trainer.order("answer", question="cause", value="lost")
        await trainer.order("end")
        await trainer.until(lambda state: state["phase"] == "over")
        await trainer.order("answer", question="switchover", value="no")
        await trainer.order("prevent", variant="fixed")
        await trainer.until(lambda state: not state["replays.fixed"]["running"])
        await trainer.order("reveal")
        await trainer.until(lambda state: state.get("score"))
    journal = reader.read(a_class.journal)
    kept = kept_class.beside(journal)
    assert kept is not None
    assert kept.values == {"cause": "lost", "switchover": "no", "prevention": "fixed"}
    recorded = json.loads(json.dumps(recording.of(journal, kept)))
    last: dict[str, Any] = {}
    for _, changes in recorded["frames"]:
        last |= changes
    shared = [key for key in trainer.state if key.split(".")[0] in ("answers", "compared", "replays", "score")]
    assert len(shared) > 10
    assert {key: last[key] for key in shared} == {key: trainer.state[key] for key in shared}
    assert last["revealed"]["explanation"] == quick().explanation
    assert {key: recorded["welcome"][key] for key in ("questions", "preventions")} == {
        key: trainer.welcome[key] for key in ("questions", "preventions")
    }


def test_a_night_that_was_no_classs_has_none(tmp_path: Path) -> None:
    """Its recording asks nothing."""
    assert kept_class.beside(night(tmp_path)) is None


def test_a_class_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Whole, and written again byte for byte the same."""
    kept = kept_class.beside(written(tmp_path))
    assert kept is not None
    kept_class.write(kept, tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text(encoding="utf-8")) == GOOD
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"answers": {"weather": answered()}}, "question: found 'weather'; allowed: cause, line"),
        ({"answers": {"cause": answered(value="bad luck")}}, "value of cause: found 'bad luck'; allowed: lost"),
        ({"answers": {"cause": answered(value=7)}}, "answers.cause.value: found 7; value error, allowed: a text, or a list of texts"),
        ({"answers": {"cause": answered(value=["lost", 7])}}, 'answers.cause.value: found ["lost", 7]; value error, allowed: a text, or'),
        ({"answers": {"cause": answered(night_s="late")}}, 'answers.cause.night_s: found "late"; input should be a valid number'),
        ({"answers": {"cause": answered(night_s=float("inf"))}}, "answers.cause.night_s: found Infinity; input should be a finite number"),
        ({"answers": {"cause": answered(by="x" * 300)}}, 'answers.cause.by: found "xxx'),
        ({"answers": {"cause": answered(at=7)}}, "answers.cause.at: unknown key; allowed: value, by, night_s"),
        ({"answers": ["lost"]}, 'answers: found ["lost"]; input should be an object'),
        ({"replays": {"paint": replayed()}}, "replays: found 'paint'; allowed: fixed, checkout_timeout, call_timeout"),
        ({"replays": {"fixed": replayed(outcome="splendid")}}, 'replays.fixed.outcome: found "splendid"; string should match'),
        ({"replays": {"fixed": replayed(crack=7)}}, "replays.fixed.crack: found 7; input should be less than or equal to 6"),
        ({"replays": {"fixed": replayed(crack=True)}}, "replays.fixed.crack: found true; input should be a valid integer"),
        ({"replays": {"fixed": replayed(verdict="won")}}, 'replays.fixed.verdict: found "won"; string should match'),
        ({"replays": {"fixed": replayed(held=1)}}, "replays.fixed.held: found 1; input should be a valid boolean"),
        *(({"replays": {"fixed": replayed(text=text)}}, "replays.fixed.text: found ") for text in NOT_TOLD),
        ({"preventions": {}}, "preventions: found 0; allowed: 3 to 1,000 variants"),
        ({"preventions": {"fixed": "a", "call_timeout": "b"}}, "preventions: found 2; allowed: 3 to 1,000 variants, as a lesson has them"),
        ({"preventions": {f"v{number}": "a" for number in range(1_001)}}, "preventions: found 1001; allowed: 3 to 1,000 variants"),
        ({"preventions": {**GOOD["preventions"], "Not one": "a"}}, "preventions: found 'Not one'; allowed: names of variants, such as"),
        ({"preventions": {**GOOD["preventions"], "x" * 99: "a"}}, "preventions: found 'xxx"),
        (
            {"preventions": {**GOOD["preventions"], "fixed": " "}},
            'preventions.fixed: found " "; value error, allowed: a text that says some',
        ),
        ({"preventions": {**GOOD["preventions"], "fixed": ["a"]}}, 'preventions.fixed: found ["a"]; input should be a valid string'),
        ({"measured": {"\x1b[31m": True}}, "measured: found '\\x1b[31m'; allowed: names of variants"),
        ({"measured": {"fixed": "yes"}}, 'measured.fixed: found "yes"; input should be a valid boolean'),
        ({"score": 100}, "score: unknown key; allowed: started_at, title"),
        ({"title": 7}, "title: found 7; input should be a valid string"),
        ({"title": "x" * 4_001}, 'title: found "xxx'),
        ({"title": 7, "answers": 7}, "title: found 7; input should be a valid string; and 1 more; without"),
        ({"started_at": "2001-01-01"}, f"started_at: found '2001-01-01'; allowed: '{header().started_at}', of night.jsonl"),
    ],
)
def test_a_file_that_no_class_wrote_is_refused_with_its_mistake(changes: dict[str, Any], told: str, tmp_path: Path) -> None:
    """It names the file, the key, what was found and is allowed, and what to do."""
    with pytest.raises(UsageError) as raised:
        kept_class.beside(written(tmp_path, **changes))
    message = str(raised.value)
    assert message.startswith(f"{tmp_path / kept_class.FILE}: {told}")
    assert message.endswith("; without this file the journal is played alone")
    assert len(message) < 700 + len(str(tmp_path))


@pytest.mark.parametrize("missing", list(GOOD))
def test_a_file_that_lacks_a_key_is_refused(missing: str, tmp_path: Path) -> None:
    """A class has written all of them."""
    journal = written(tmp_path)
    (tmp_path / kept_class.FILE).write_text(json.dumps({key: value for key, value in GOOD.items() if key != missing}))
    with pytest.raises(UsageError, match=rf"class\.json: {missing}: missing; it is required; without this file"):
        kept_class.beside(journal)


@pytest.mark.parametrize("code", kept_class.CODES)
def test_a_replay_that_was_not_known_says_why(code: str, tmp_path: Path) -> None:
    """As a code, for which the page has the words."""
    unknown = {"outcome": "unknown", "crack": None, "verdict": "unknown", "text": {"code": code, "why": "no disk"}, "held": None}
    kept = kept_class.beside(written(tmp_path, replays={"fixed": unknown}))
    assert kept is not None
    assert kept.replayed["fixed"].text == {"code": code, "why": "no disk"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "not JSON: Expecting value"),
        (b"[]", r"found \[\]; allowed: an object"),
        (b'"' + b"x" * 1_000 + b'"', 'found "xxx'),
        (b'{"title": ', "not JSON: Expecting value"),
        ("\ufeff{}".encode(), "not JSON: Unexpected UTF-8 BOM"),
        (b"\xff", "not JSON: 'utf-8' codec can't decode byte 0xff"),
        (b"[" * 100_000, "not JSON: "),
        (b"9" * 10_000, "not JSON: Exceeds the limit"),
        (b"{}", "started_at: missing; it is required; and 7 more"),
    ],
)
def test_what_is_no_class_at_all_is_refused(text: bytes, told: str, tmp_path: Path) -> None:
    """Empty, another kind of JSON, half of it, none."""
    (tmp_path / kept_class.FILE).write_bytes(text)
    with pytest.raises(UsageError, match=rf"class\.json: {told}.*; without this file the journal is played alone$") as raised:
        kept_class.beside(night(tmp_path))
    assert len(str(raised.value)) < 700 + len(str(tmp_path))


def test_a_directory_in_its_place_cannot_be_read(tmp_path: Path) -> None:
    """Nor can what is no regular file."""
    (tmp_path / kept_class.FILE).mkdir()
    with pytest.raises(UsageError, match=r"class\.json cannot be read: Is a directory"):
        kept_class.beside(night(tmp_path))


async def test_a_bug_in_the_keeping_does_not_end_the_class(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told once, in the terminal; the page answers on."""

    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(kept_class, "write", fails)
    monkeypatch.setattr(keeper, "EVERY_S", 0.01)
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await begin(trainer)
        await trainer.order("answer", question="cause", value="lost")
        told = ""
        async with asyncio.timeout(WITHIN_S):
            while "ZeroDivisionError" not in told:
                await asyncio.sleep(0.01)
                told += capsys.readouterr().err
        await trainer.order("answer", question="switchover", value="no")
        assert not a_class.task.done()
    assert (told + capsys.readouterr().err).count("Traceback") == 1


async def test_what_cannot_be_written_is_told_once_and_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A disk that is full does not end a class; with space again, nothing is lost."""
    keeping = keeper_of(tmp_path / "gone")
    await keeping.look()
    assert capsys.readouterr().err == ""  # nothing to keep yet
    answer(keeping.reckoning, "cause", "lost")
    await keeping.look()
    await keeping.look()
    assert capsys.readouterr().err.count("cannot be written: No such file or directory") == 1
    keeping.path.parent.mkdir()
    await keeping.look()
    kept = kept_class.beside(night(keeping.path.parent))
    assert kept is not None
    assert kept.values == {"cause": "lost"}
    assert kept.answers["cause"].by == "Ann"


async def test_a_disk_that_is_slow_holds_up_nobody(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the file is written, and its fsync waits, orders are answered."""
    disk = SlowDisk(monkeypatch)
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await begin(trainer)
        await trainer.order("answer", question="cause", value="lost")
        await disk.wait_writing()
        await trainer.order("answer", question="switchover", value="no")
        assert disk.written == []
        disk.let_go.set()


async def test_what_is_answered_while_the_file_is_written_is_written_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never two at once, and the last state last, however often the class is interrupted meanwhile."""
    disk = SlowDisk(monkeypatch)
    keeping = keeper_of(tmp_path)
    answer(keeping.reckoning, "cause", "lost")
    async with aclosing(keeping):
        running = asyncio.create_task(keeping.run())
        await disk.wait_writing()
        answer(keeping.reckoning, "cause", "lock")
        for _ in range(3):
            running.cancel()
            await asyncio.sleep(0)
        assert not running.done()  # or the thread that writes would be on its own
        disk.let_go.set()
        await asyncio.wait([running])
        assert running.cancelled()
        answer(keeping.reckoning, "switchover", "no")
    assert disk.written == [{"cause": "lost"}, {"cause": "lock", "switchover": "no"}]
    assert disk.most_at_once == 1


async def test_what_is_answered_while_a_class_ends_is_kept(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection takes its time to be closed, and its browser has been told that its answer counts."""
    kept: list[Keeper] = []
    serve = server.serve

    def keeper_there(reckoning: Reckoning, path: Path) -> Keeper:
        kept.append(Keeper(reckoning, path))
        return kept[0]

    async def serve_and_answer(app: Starlette, listening: socket.socket) -> None:
        try:
            await serve(app, listening)
        finally:
            answer(kept[0].reckoning, "cause", "lost")

    monkeypatch.setattr(hold, "Keeper", keeper_there)
    monkeypatch.setattr(server, "serve", serve_and_answer)
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await begin(trainer)
    assert json.loads((a_class.journal.parent / kept_class.FILE).read_text())["answers"]["cause"]["value"] == "lost"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_what_was_answered_the_moment_before_a_class_is_ended_is_kept(number: signal.Signals, tmp_path: Path) -> None:
    """By Ctrl-C, or by whoever stops processes; the process waits for its disk."""
    command = [sys.executable, "-u", "-c", HELD, str(tmp_path / "runs")]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        address, journal = (await process.stdout.readline()).decode().split()
        async with player(address) as trainer:
            await trainer.until(lambda state: state["phase"] == "ready")
            await trainer.order("answer", question="cause", value="lost")
            process.send_signal(number)
            async with asyncio.timeout(WITHIN_S):
                assert await process.wait() == 128 + number
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert json.loads(Path(journal).with_name(kept_class.FILE).read_text())["answers"]["cause"]["value"] == "lost"
