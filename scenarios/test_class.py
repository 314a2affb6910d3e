"""Whole lessons, played by script on real parts, from the first look to the right score: one through the page in a real browser."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from testbed.classroom import hold, kept_class
from testbed.journal import reader
from testbed.journal.events import ClockFactor, EvidenceTaken, Note, OperationEvent
from tests.browser import WIDE, Browser, required_program
from tests.classroom.player import EVERYTHING, player, switch_over

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESS = re.compile(r"the trainer:\s+(\S+)")
WITHIN_S = 300.0  # a night in containers beside other work
LOOKS = 5
ATTEMPTS = 2  # what a busy machine leaves unknown is played once more
FAST = 50  # times as fast as the lesson has it
RIGHT = {
    "cause": "lost",
    "monitoring": "process_only",
    "switchover": "no",
    "cluster": "correct",
    "operators": "by_the_book",
    "detection": "leaked",
}
LINE = "lookup/original.py:24"
SEVERAL = ("cluster", "detection")  # of these questions there may be several answers
NEEDING = {"kiosk": "check_in", "ivr": "flight_status", "partner": "search"}  # by caller, what its passengers need the facility for
README = Path(hold.__file__).with_name("README.md")


class Page:
    """The page of somebody who plays all roles, and is the trainer."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    def wait(self, script: str, within_s: float = WITHIN_S) -> Any:
        """Wait until something is so in the page, and return it."""
        end_s = time.monotonic() + within_s
        while not (found := self.browser.run(script)):
            assert time.monotonic() < end_s, f"not seen within {within_s:g} s: {script}; {self.browser.run('document.body.innerText')}"
            time.sleep(0.05)
        return found

    def click(self, selector: str) -> None:
        """Click an element as soon as it is shown and allows it, and wait for the reply where it is an order."""
        found = (
            f"[...document.querySelectorAll({json.dumps(selector)})].find((each) => each.offsetParent && !each.ariaDisabled?.match('true'))"
        )
        self.wait(f"{found} !== undefined")
        self.browser.run(f"{found}.click()")

    def order(self, word: str, dialog: str = "") -> None:
        """Press the button of an order, answer the question before it if there is one, and wait for its reply."""
        self.click(f"button[data-order={word}]")
        if dialog:
            self.click(f"#question {dialog}")
        self.wait("!document.querySelector('[aria-busy=true]')")

    def state(self, key: str) -> Any:
        """Return a value of the state."""
        return self.browser.run(f"Classroom.get({json.dumps(key)}) ?? null")

    def set(self, selector: str, value: str) -> None:
        """Choose or type a value."""
        self.browser.run(f"document.querySelector({json.dumps(selector)}).value = {json.dumps(value)}")

    def answer(self, question: str, *values: str) -> None:
        """Answer a question, and wait until that is on the board."""
        for value in values:
            self.browser.run(f"""document.querySelector('input[name="question-{question}"][value="{value}"]').click()""")
        self._send(question)

    def write(self, question: str, text: str) -> None:
        """Answer a question with a line of text."""
        self.set(f"#question-{question}", text)
        self._send(question)

    def _send(self, question: str) -> None:
        self.browser.run(
            f"""document.querySelector('[name="question-{question}"], #question-{question}').closest('form').requestSubmit()"""
        )
        self.wait(f"Classroom.get('answers.{question}')")


@contextmanager
def held(home: Path, *options: str, lesson: str = "the_night", where: Path | None = None) -> Iterator[str]:
    """Hold a class from a directory, and yield the trainer's address; at the end everything is taken down."""
    command = [sys.executable, "-u", "-m", "testbed", "class", lesson, "--no-browser", "--runs", str(home / "runs"), *options]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # also from elsewhere
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, cwd=where) as process:
        try:
            assert process.stdout is not None
            said = "".join(process.stdout.readline() for _ in range(4))
            yield ADDRESS.findall(said)[0]
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.communicate(timeout=WITHIN_S)
            finally:
                process.kill()  # who does not end, as where SIGINT was ignored from the begin, must not be waited for for ever
        assert process.returncode == 128 + signal.SIGINT


def join(page: Page, address: str) -> None:
    """Open the page, and play all roles."""
    page.browser.size(WIDE)
    page.browser.open_address(address)
    page.wait("Classroom.get('phase') === 'ready'")
    page.click("#joined-change")  # of the trainer's page the form is folded
    page.set("#join-name", "Grace")
    page.browser.run("document.querySelectorAll('#join-roles input').forEach((each) => { if (!each.checked) each.click(); })")
    page.order("join")


def play_until_all_hangs(page: Page) -> None:
    """Begin, move the database step by step when it is asked for, and stop the clock when every caller stands still."""
    page.order("begin")
    page.set("#trainer-speed", str(FAST))
    page.order("speed")
    page.wait("Classroom.get('task')")
    page.click("button[data-order=switchover]")
    for step in range(1, 6):
        page.wait(f"Classroom.get('switchover')?.step === {step} && !Classroom.get('switchover').running")
        page.click("button[data-order=next_step]")
    page.wait("!Classroom.get('task')")
    page.wait("['kiosk', 'ivr', 'partner'].every((each) => Classroom.get(`services.${each}`)?.stuck)")
    page.order("pause")


def look_and_restore(page: Page) -> None:
    """Decide to look first, take the evidence, and restart both servers, which brings service back."""
    page.click("#commander-decide [data-order=decide]:nth-of-type(2)")
    for _ in range(LOOKS):  # a part that does not answer in time, on a busy machine, is asked again: nothing moves meanwhile
        before = page.state("waits")
        page.order("collect")
        page.wait(f"Classroom.get('waits') && Classroom.get('waits').t_s !== {json.dumps(before and before['t_s'])}")
        if not any(missing.startswith(("pool of", "what ", "database")) for missing in page.state("waits")["missing"]):
            break
    page.wait("!Classroom.get('at_risk')")
    for service in ("cf-1", "cf-2"):
        page.set("#operator-service", service)
        page.order("restart", "button:first-of-type")
    answered = page.state("passengers")["answered"]
    page.order("go_on")
    page.wait(f"Classroom.get('passengers').answered > {answered + 10}")


def answer_and_end(page: Page) -> None:
    """Answer every question right, choose the fix, end the night, and reveal what it was."""
    for question, value in RIGHT.items():
        page.answer(question, value)
    page.write("line", LINE)
    page.browser.run("document.querySelector('input[name=prevention][value=fixed]').click()")
    page.order("prevent")
    page.order("end", ".grave")
    page.wait("Classroom.get('phase') === 'over'")
    page.order("reveal", ".grave")
    page.wait("Classroom.get('replays.fixed')?.running === false")


def play(runtime: str, folder: Path, *, unknown_is_told: bool) -> bool:
    """Play the lesson and check its score; return False if a busy machine left unknown what became of it, and that `unknown_is_told`."""
    with Browser(required_program(), folder / "profile") as browser, held(folder, "--runtime", runtime) as address:
        page = Page(browser)
        join(page, address)
        play_until_all_hangs(page)
        assert browser.run("document.querySelectorAll('#map .cell.stuck').length") >= 3 * 40
        look_and_restore(page)
        answer_and_end(page)
        became = page.state("replays.original")
        if unknown_is_told and became["outcome"] == "unknown":
            sys.stderr.write(f"PLAYED AGAIN: {became['text']}\n")
            return False
        score = page.state("score")
        lost = [part for part in score["parts"] if part["points"] < part["of"]]
        assert lost == []
        assert became["outcome"] == "grounded"
        assert page.state("replays.fixed")["outcome"] == "contained"
        assert LINE in page.state("revealed")["root"]
        assert f"{score['points']} of {score['of']}" in browser.run("document.getElementById('score').innerText")
        assert browser.complaints == []
        assert all(asked.startswith(address) for asked in browser.requests)
    return True


def test_a_lesson_played_through_the_page_ends_in_the_right_score(runtime: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Everybody is one person, who keeps the evidence, restores service, finds the line, and prevents it: all points."""
    if runtime == "containers":
        request.getfixturevalue("engine")
    for attempt in range(ATTEMPTS):
        folder = tmp_path / f"{attempt}"
        folder.mkdir(mode=0o755)
        if play(runtime, folder, unknown_is_told=attempt + 1 < ATTEMPTS):
            break
    (path,) = (folder / "runs").glob("*-class-*/*.jsonl")
    journal = reader.read(path)
    assert journal.is_complete
    assert [event.operation for event in journal.of(OperationEvent) if event.state == "end"] == ["switchover", "restart", "restart"]
    assert {note.kind for note in journal.of(Note)} == {"decision", "answer"}
    assert next(event.why for event in journal.of(EvidenceTaken)) == "asked"
    assert journal.of(ClockFactor)[-1].factor == 0.0


def own_lesson(folder: Path) -> Path:
    """Save the lesson of the room's README as its reader does, in a folder of their own."""
    block = re.search(r"^```toml\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert block is not None
    folder.mkdir(mode=0o755)
    path = folder / "mine.toml"
    path.write_text(block[1], encoding="utf-8")
    return path


def served(state: dict[str, Any]) -> dict[str, int]:
    """Return how many passengers of each caller were answered what needs the facility."""
    return {caller: state[f"passengers.{caller}"]["kinds"][kind]["answered"] for caller, kind in NEEDING.items()}


async def play_own(address: str) -> dict[str, Any]:
    """Play a lesson in all roles from the switchover to the score, without a page; return the last state."""
    async with player(address) as grace:

        async def order(word: str, **fields: object) -> None:
            reply = await grace.reply(await grace.send(word, **fields), WITHIN_S)
            assert reply["ok"], f"{word}: {reply['text']}"

        await grace.until(lambda state: state["phase"] == "ready", WITHIN_S)
        await order("join", name="Grace", roles=list(EVERYTHING))
        await order("speed", factor=FAST)
        await order("begin")
        await grace.until(lambda state: state.get("task"), WITHIN_S)
        await switch_over(grace)
        await grace.until(lambda state: all(state[f"services.{caller}"]["stuck"] for caller in NEEDING), WITHIN_S)
        await order("pause")
        await order("decide", choice="look")
        await order("collect")
        await grace.until(lambda state: state.get("waits") and "at_risk" not in state, WITHIN_S)
        for service in ("cf-1", "cf-2"):
            await order("restart", service=service, evidence=True)
        before = served(grace.state)
        await order("go_on")
        await grace.until(lambda state: all(served(state)[caller] > before[caller] for caller in NEEDING), WITHIN_S)
        for question, value in RIGHT.items():
            await order("answer", question=question, value=[value] if question in SEVERAL else value)
        await order("answer", question="line", value=LINE)
        await order("prevent", variant="fixed")
        await order("end")
        await grace.until(lambda state: state["phase"] == "over", WITHIN_S)
        await order("reveal")
        await grace.until(lambda state: state.get("score") and not state["replays.fixed"]["running"], WITHIN_S)
        await grace.until(
            lambda state: next(part for part in state["score"]["parts"] if part["id"] == "held")["text"]["code"] != "not_replayed"
        )
        return grace.state


async def test_a_lesson_of_ones_own_is_played_to_its_score_from_another_folder(tmp_path: Path) -> None:
    """It is none of the package's, and written by the room's README alone; what is right is found in its night, and so are all points."""
    path = own_lesson(tmp_path / "mine")
    for attempt in range(ATTEMPTS):
        with held(tmp_path / f"{attempt}", lesson=path.name, where=path.parent) as address:
            state = await play_own(address)
        if state["replays.original"]["outcome"] != "unknown":
            break
        sys.stderr.write(f"PLAYED AGAIN: {state['replays.original']['text']}\n")
    assert state["revealed"]["explanation"] in path.read_text(encoding="utf-8")
    assert [part for part in state["score"]["parts"] if part["points"] < part["of"]] == []
    assert (state["replays.original"]["outcome"], state["replays.fixed"]["outcome"]) == ("grounded", "contained")
    assert LINE in state["revealed"]["root"]
    (journal,) = tmp_path.glob(f"{attempt}/runs/*-class-mine-*/night.jsonl")
    kept = kept_class.beside(reader.read(journal))
    assert kept is not None
    assert kept.title == "Move it again"
    assert kept.values["line"] == LINE
    assert kept.replayed["fixed"].held is True
