"""A live class in a real browser: orders are those of the contract, replies are shown, and a lost connection comes back."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from testbed.classroom.saying import say
from tests.browser import CUT_OFF, NARROW, WIDE, wait_for
from tests.classroom.page import played_night as night
from tests.classroom.page.class_server import ClassServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.browser import Browser

TIMES = "\u00d7"
ROLES = ("commander", "operator", "owner", "database")
STATE = night.state(51.0)
GRACE = {"name": "Grace", "roles": list(ROLES), "here": True}
FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the files of the page, with an empty recording."""
    return night.write(tmp_path_factory.mktemp("night"), None).parent


@pytest.fixture
def server(folder: Path) -> Iterator[ClassServer]:
    """Return the server of a class, in the middle of its outage."""
    with ClassServer(folder, night.welcome("live"), dict(STATE)) as running_server:
        yield running_server


def enter(page: Browser, server: ClassServer, width: int = WIDE, *, trainer: bool = False, roles: tuple[str, ...] = ROLES) -> None:
    """Open the page as somebody who has joined already, or looks on where there are no roles."""
    server.welcome = night.welcome("live", trainer=trainer)
    if roles:
        server.state["people.7"] = {**GRACE, "roles": list(roles)}
    page.size(width)
    page.media(prefers_color_scheme="light")
    page.open_address(server.address)
    page.run("localStorage.clear(); sessionStorage.clear()")
    page.open_address(server.address)
    wait_for(page, "!['', '--:--'].includes(document.getElementById('clock').innerText)")
    server.orders.clear()


def click(page: Browser, selector: str) -> None:
    """Click the first element that is shown."""
    page.run(f"[...document.querySelectorAll({json.dumps(selector)})].find((each) => each.offsetParent).click()")
    page.run(FRAMES)


def sent(page: Browser, server: ClassServer, count: int = 1) -> list[dict[str, Any]]:
    """Return the next orders without their numbers, as soon as so many have come and their replies are shown."""
    until_s = time.monotonic() + 20
    while len(server.orders) < count and time.monotonic() < until_s:
        page.run(FRAMES)
    wait_for(page, "!document.querySelector('[aria-busy=true]')")
    orders = [{name: value for name, value in order.items() if name != "n"} for order in server.orders]
    assert len(orders) == count
    server.orders.clear()
    return orders


def shown(page: Browser, name: str) -> str:
    """Return the text of an element by its id."""
    text: str = page.run(f"document.getElementById({json.dumps(name)}).innerText")
    return text


def test_it_connects_without_a_complaint(running: Browser, server: ClassServer) -> None:
    """Under a policy that allows nothing but its own files, the page asks for nothing else."""
    enter(running, server)
    assert running.complaints == []
    assert all(request.startswith(server.address) for request in running.requests)
    assert running.run("document.querySelectorAll('#map .cell.stuck').length") == 5 * night.THREADS


def test_changes_are_shown(running: Browser, server: ClassServer) -> None:
    """A set merges: what it has replaces, null removes, and the rest stays."""
    enter(running, server)
    server.set(clock={"night_s": 86_400 + 5 * 3600, "t_s": 1, "speed": 0, "held": say("clock_stopped")}, choice=None)
    wait_for(running, "document.getElementById('clock').innerText === '05:00'")
    assert shown(running, "pace") == "stands still: the trainer has stopped the clock"
    assert shown(running, "board-failed") == str(STATE["passengers"]["failed"])
    assert running.run("document.getElementById('choice-told').hidden") is True


def test_what_was_not_seen_is_not_zero(running: Browser, server: ClassServer) -> None:
    """A service that nobody has seen has no numbers, and its cells are neither full nor free."""
    enter(running, server)
    nobody = {"threads": None, "busy": None, "waiting": None, "health": None, "runs": True, "stuck": False, "seen": False, "pool": None}
    server.set(**{"services__cf-1": {**nobody, "results": {}}})
    wait_for(running, "document.querySelector('.node[data-name=cf-1]').dataset.condition === 'unseen'")
    words = running.run("document.querySelector('.node[data-name=cf-1]').textContent")
    assert "? of ?" in words
    assert "not seen" in words
    assert running.run("document.querySelectorAll('.node[data-name=cf-1] .cell:not(.unseen)').length") == 0


@pytest.mark.parametrize("stuck", [False, True])
def test_what_was_not_seen_fits_into_a_narrow_map(running: Browser, server: ClassServer, *, stuck: bool) -> None:
    """Health and condition of a service stand in one line, and neither covers the other."""
    nobody = {"threads": None, "busy": None, "waiting": None, "health": None, "runs": True, "stuck": stuck, "seen": False, "pool": None}
    names = (*night.CALLERS, *night.SERVERS)
    server.state |= {f"services.{name}": {**nobody, "results": {}} for name in names}
    enter(running, server, NARROW)
    covered = running.run("""
    [...document.querySelectorAll("#map .node")].flatMap((node) => {
      const texts = [...node.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
      const over = (a, b) => a.left < b.right && b.left < a.right && a.top + 4 < b.bottom && b.top + 4 < a.bottom;
      const boxes = texts.filter(([, box]) => box.width);
      return boxes.flatMap(([one, a], n) => boxes.slice(0, n).filter(([, b]) => over(a, b)).map(([other]) => `${one} over ${other}`));
    })
    """)
    assert covered == []
    assert running.run("document.querySelectorAll('#map .lamp.unknown').length") == len(names)


def test_a_connection_that_is_lost_comes_back(running: Browser, server: ClassServer) -> None:
    """With the identity that the server gave; keys that are gone meanwhile disappear, and what was being typed stays."""
    enter(running, server)
    running.run("document.getElementById('commander-note').value = 'half a note'")
    gone = {key: value for key, value in server.state.items() if not key.startswith(("dumps.", "log.", "waits"))}
    server.state = gone
    server.go()
    wait_for(running, "document.getElementById('banner').offsetParent !== null")
    assert "tried again" in shown(running, "banner")
    server.come_back()
    wait_for(running, "document.getElementById('banner').offsetParent === null")
    wait_for(running, "document.querySelectorAll('.dump, .entry').length === 0")
    assert server.asked[-1] == {"id": "secret-7"}
    assert running.run("document.getElementById('commander-note').value") == "half a note"


def test_a_server_that_falls_silent_is_tried_again(running: Browser, server: ClassServer) -> None:
    """A network that is gone ends no connection: after twenty seconds without a word while the facility is up, the page makes a new one."""
    enter(running, server)
    before = len(server.asked)
    running.run("window.now = performance.now.bind(performance); performance.now = () => window.now() + 30000")
    wait_for(running, "document.getElementById('banner').offsetParent !== null")
    wait_for(running, "document.getElementById('banner').offsetParent === null")
    assert len(server.asked) == before + 1


def test_joining_is_said_again_after_the_connection_was_lost(running: Browser, server: ClassServer) -> None:
    """Name and roles are kept by the browser, also for a server that has forgotten them, and over a reload."""
    enter(running, server, roles=())
    running.run("document.getElementById('join-name').value = ' Grace '")
    click(running, "#join-roles input[value=operator]")
    click(running, "#join-form button")
    joined = {"order": "join", "name": "Grace", "roles": ["operator"]}
    assert sent(running, server) == [joined]
    server.hang_up()
    wait_for(running, "document.getElementById('banner').offsetParent !== null")
    wait_for(running, "document.getElementById('banner').offsetParent === null")
    running.run(FRAMES)
    assert sent(running, server) == [joined]
    running.open_address(server.address)
    wait_for(running, "document.getElementById('join-name')?.value === 'Grace'")
    wait_for(running, "document.querySelector('#join-roles input[value=operator]').checked")
    assert sent(running, server) == [joined]


def test_one_person_can_play_all(running: Browser, server: ClassServer) -> None:
    """One box ticks all roles; as soon as the server says so, all panels are there."""
    enter(running, server, roles=())
    assert running.run("document.getElementById('desk').hidden") is True
    running.run("document.getElementById('join-name').value = 'Grace'")
    click(running, "#join-roles input[value=all]")
    click(running, "#join-form button")
    assert sent(running, server) == [{"order": "join", "name": "Grace", "roles": list(ROLES)}]
    server.set(people__7=GRACE)
    wait_for(running, "document.querySelectorAll('.panel:not([hidden])').length === 4")
    assert "Grace" in shown(running, "joined-who")


@pytest.mark.parametrize(("role", "orders"), [(role["id"], role["orders"]) for role in night.ROLES[1:]])
def test_a_role_sees_its_own_panel(running: Browser, server: ClassServer, role: str, orders: list[str]) -> None:
    """And no button there or elsewhere orders what the role may not."""
    enter(running, server, roles=(role,))
    wait_for(running, "document.querySelectorAll('.panel:not([hidden])').length === 1")
    assert running.run("document.querySelector('.panel:not([hidden])').dataset.role") == role
    running.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    found = running.run(
        "[...document.querySelectorAll('[data-order]')].filter((each) => each.offsetParent).map((each) => each.dataset.order)"
    )
    assert set(found) == set(orders)


def test_the_trainers_panel_sends_its_orders(running: Browser, server: ClassServer) -> None:
    """Pause, go on, step and speed at once; reveal and end only after a question."""
    enter(running, server, trainer=True, roles=())
    for order in ("pause", "go_on", "step"):
        click(running, f"[data-order={order}]")
        assert sent(running, server) == [{"order": order}]
    running.run("document.getElementById('trainer-speed').value = '10'")
    click(running, "[data-order=speed]")
    assert sent(running, server) == [{"order": "speed", "factor": 10}]
    for order in ("reveal", "end"):
        click(running, f"[data-order={order}]")
        running.press("Escape", 27)
        assert sent(running, server, 0) == []
        click(running, f"[data-order={order}]")
        click(running, "#question button.grave")
        assert sent(running, server) == [{"order": order}]
    click(running, "[data-order=begin]")
    assert sent(running, server, 0) == []  # it has begun
    server.set(phase="ready")
    wait_for(running, "!document.querySelector('[data-order=begin]').ariaDisabled")
    click(running, "[data-order=begin]")
    assert sent(running, server) == [{"order": "begin"}]


@pytest.mark.parametrize(
    ("slowest", "fastest", "factors", "told"),
    [
        (1, 1, [], f"Speed: 1 {TIMES}. Stop the clock instead."),
        (0.5, 5, [0.5, 1, 2, 5], f"Speed: 0.5 {TIMES} to 5 {TIMES}. Stop the clock instead."),
    ],
)
def test_the_trainer_has_the_speeds_of_the_lesson(
    running: Browser, server: ClassServer, slowest: float, fastest: float, factors: list[float], told: str
) -> None:
    """With the reason why there are no others; where there is but one, there is nothing to choose."""
    enter(running, server, trainer=True, roles=())
    shown_factors = (
        "[...document.querySelectorAll('#trainer-speed option')].filter((each) => each.closest('p').offsetParent).map((each) => each.text)"
    )
    assert len(running.run(shown_factors)) == 9
    assert running.run("document.getElementById('trainer-bounds').hidden") is True
    server.welcome = {**server.welcome, "speed": {"slowest": slowest, "fastest": fastest, "why": "Stop the clock instead."}}
    server.hang_up()
    wait_for(running, "!document.getElementById('trainer-bounds').hidden")
    assert shown(running, "trainer-bounds") == told
    assert running.run(shown_factors) == [f"{factor:g} {TIMES}" for factor in factors]
    assert running.run("document.querySelector('[data-order=speed]').offsetParent !== null") is bool(factors)


def test_the_trainer_sees_what_to_ask_when(running: Browser, server: ClassServer) -> None:
    """All notes with their times or conditions; the class's address; and the trainer's page of the lesson."""
    enter(running, server, trainer=True, roles=())
    assert running.run("[...document.querySelectorAll('#trainer-notes li')].map((each) => each.textContent)") == [
        "23:00 Ask what could go wrong.",
        "when the callers hang: Why is monitoring green?",
    ]
    assert running.run("document.getElementById('trainer-page').textContent") == "A page for the trainer."
    assert running.run("document.getElementById('trainer-address').hidden") is True
    server.welcome = {**server.welcome, "class_address": "http://10.0.0.1:8000/abc/"}
    server.hang_up()
    wait_for(running, "document.getElementById('trainer-class').innerText === 'http://10.0.0.1:8000/abc/'")


def test_the_note_that_is_due_stands_open(running: Browser, server: ClassServer) -> None:
    """The last that became due, by its time or its condition, with nothing unfolded; where the server tells of none, by the clock."""
    del server.state["notes_due"]
    enter(running, server, trainer=True, roles=())
    assert shown(running, "trainer-note-text") == "23:00 Ask what could go wrong."
    server.set(notes_due=[])
    wait_for(running, "document.getElementById('trainer-note-text').innerText.startsWith('Nothing yet.')")
    server.set(notes_due=[0, 1])
    wait_for(running, "document.getElementById('trainer-note-text').innerText === 'when the callers hang: Why is monitoring green?'")
    assert shown(running, "trainer-note-before") == "Before that: 23:00 Ask what could go wrong."
    assert running.run("[...document.querySelectorAll('#trainer-notes li')].map((each) => each.className)") == ["past", "due"]
    assert running.run("document.getElementById('trainer-notes-box').open") is False


def test_the_map_is_not_hidden_by_joining(running: Browser, server: ClassServer) -> None:
    """The trainer need not join, and who only looks on says so: of the form there is then but a line, which opens it."""
    enter(running, server, trainer=True, roles=())
    assert "You may do everything" in shown(running, "join")
    assert running.run("document.getElementById('join-form').offsetParent") is None
    click(running, "#joined-change")
    assert running.run("document.activeElement.id") == "join-name"
    enter(running, server, roles=())
    click(running, "#join-look")
    assert "You look on." in shown(running, "join")
    assert running.run("document.getElementById('join-form').offsetParent") is None
    assert running.run("document.activeElement.id") == "joined-change"
    running.open_address(server.address)
    wait_for(running, "document.getElementById('joined-who')?.innerText === 'You look on.'")


def test_the_steps_of_a_switchover_are_there_before_and_after_it(running: Browser, server: ClassServer) -> None:
    """All five before it begins; meanwhile what is done, what is next and what is left; and after it what was done, from the log."""
    steps = "[...document.querySelectorAll('#operator-steps li')].map((each) => `${each.className} ${each.textContent}`)"
    names = [
        "stop the database server on db-1",
        "unmount the array on db-1",
        "mount the array on db-2",
        "start the database server on db-2",
        "give the virtual IP to db-2",
    ]
    server.state = {key: value for key, value in server.state.items() if not key.startswith("log.")}
    enter(running, server, roles=("operator",))
    assert running.run(steps) == [f" {name}" for name in names]
    server.set(switchover={"step": 2, "of": 5, "done": [night.STEPS[0]], "next": night.STEPS[1], "running": True})
    wait_for(running, "document.querySelectorAll('#operator-steps .next').length === 1")
    assert running.run(steps) == [f"done {names[0]} done", f"next {names[1]} is being done", *(f" {name}" for name in names[2:])]
    back = say("switchover_step", step="stop", host="db-2")
    server.set(switchover={"step": 1, "of": 5, "done": [], "next": back, "running": False})
    wait_for(running, "document.querySelectorAll('#operator-steps li').length === 1")
    server.set(switchover=None, **{key.replace(".", "__"): value for key, value in STATE.items() if key.startswith("log.")})
    wait_for(running, "document.querySelectorAll('#operator-steps .done').length === 5")
    assert running.run(steps) == [f"done {name} done" for name in names]
    assert "Say to all whether it went well" in shown(running, "operator-planned")
    running.run("document.getElementById('operator-note').value = 'It went well.'")
    click(running, "#operator-notes [data-order=note]")
    assert sent(running, server) == [{"order": "note", "text": "It went well."}]


def test_the_operators_orders(running: Browser, server: ClassServer) -> None:
    """A switchover and its steps; a restart asks first, says what would be lost, and goes with or without evidence."""
    enter(running, server, roles=("operator",))
    click(running, "[data-order=switchover]")
    assert sent(running, server) == [{"order": "switchover"}]
    server.set(switchover={"step": 2, "of": 5, "done": [night.STEPS[0]], "next": night.STEPS[1], "running": False})
    wait_for(running, "document.getElementById('operator-told').innerText === 'Step 2 of 5'")
    assert running.run("document.querySelector('#operator-steps .next').innerText") == "unmount the array on db-1 next"
    click(running, "[data-order=next_step]")
    assert sent(running, server) == [{"order": "next_step"}]
    for service, button, evidence, told in (
        ("cf-2", 1, True, "Lost by a restart at once: where its threads stand"),
        ("cf-1", 2, False, "The last dump of cf-1 is of 04:06."),
    ):
        running.run(f"document.getElementById('operator-service').value = '{service}'")
        click(running, "[data-order=restart]")
        assert told in shown(running, "question")
        assert running.run("[...document.querySelectorAll('#question button')].map((each) => each.className).join('')") == ""  # alike
        click(running, f"#question button:nth-of-type({button})")
        assert sent(running, server) == [{"order": "restart", "service": service, "evidence": evidence}]
    click(running, "[data-order=restart]")
    running.press("Escape", 27)
    assert sent(running, server, 0) == []
    click(running, "#panel-operator [data-order=collect]")
    assert sent(running, server) == [{"order": "collect"}]


def test_the_owners_orders(running: Browser, server: ClassServer) -> None:
    """Health, metrics, a dump, and a file of the code, with their replies."""
    server.replies = {
        "health": {"data": {"status": 200, "took_s": 0.0123, "body": '{"status":"ok"}'}},
        "metrics": {"data": {"status": 200, "took_s": 0.01, "text": "busy_threads 40"}},
        "code": {"data": {"file": "lookup/original.py", "lines": night.code()}},
    }
    enter(running, server, roles=("owner",))
    running.run("document.getElementById('owner-service').value = 'cf-1'")
    click(running, "[data-order=health]")
    assert sent(running, server) == [{"order": "health", "service": "cf-1"}]
    assert "health 200 after 12.3 ms" in shown(running, "owner-answer")
    click(running, "[data-order=metrics]")
    assert sent(running, server) == [{"order": "metrics", "service": "cf-1"}]
    assert "busy_threads 40" in shown(running, "owner-answer")
    click(running, "[data-order=dump]")
    assert sent(running, server) == [{"order": "dump", "service": "cf-1"}]
    running.run("document.getElementById('owner-file').value = 'lookup/original.py'")
    click(running, "[data-order=code]")
    assert sent(running, server) == [{"order": "code", "file": "lookup/original.py"}]
    wait_for(running, f"document.querySelectorAll('#code-lines .line').length === {len(night.code())}")
    assert running.run("document.querySelector('.line.stands .threads').innerText") == "40 threads stood here"


def test_a_file_that_stands_open_is_whole_with_the_reveal(running: Browser, server: ClassServer) -> None:
    """It is read again, once, as what it says may have been held back."""
    server.replies = {"code": {"data": {"file": "lookup/original.py", "lines": ["", "pass"]}}}
    enter(running, server, roles=("owner",))
    running.run("document.getElementById('owner-file').value = 'lookup/original.py'")
    click(running, "[data-order=code]")
    wait_for(running, "document.querySelectorAll('#code-lines .line').length === 2")
    server.replies = {"code": {"data": {"file": "lookup/original.py", "lines": ["# why", "pass"]}}}
    server.set(revealed=night.told()["revealed"])
    wait_for(running, "document.getElementById('code-lines').textContent.includes('# why')")
    server.set(revealed={**night.told()["revealed"], "certain": False})
    running.run(FRAMES)
    assert sent(running, server, 2) == [{"order": "code", "file": "lookup/original.py"}] * 2


def test_the_databases_orders(running: Browser, server: ClassServer) -> None:
    """Sessions and locks come as tables, with the sessions that each waits for; what could not be had is told."""
    server.replies = {
        "sessions": {
            "data": {
                "columns": ["pid", "state", "state_s", "blocked_by"],
                "rows": [[17_000, "idle in transaction", 4.419953, []], [8, None, 3, [7, 17_000]]],
                "missing": ["db-1: refused"],
            }
        },
        "locks": {"data": {"columns": ["pid"], "rows": [], "missing": []}},
    }
    enter(running, server, roles=("database",))
    click(running, "[data-order=sessions]")
    assert sent(running, server) == [{"order": "sessions"}]
    cells = running.run(
        "[...document.querySelectorAll('#database-answer tbody tr')].map((row) => [...row.cells].map((cell) => cell.innerText))"
    )
    assert cells == [["17000", "idle in transaction", "4.4", "nobody"], ["8", "unknown", "3", "7, 17000"]]
    assert "db-1: refused" in shown(running, "database-answer")
    click(running, "[data-order=locks]")
    assert sent(running, server) == [{"order": "locks"}]
    assert shown(running, "database-answer") == "Locks: none."


def test_the_commanders_orders(running: Browser, server: ClassServer) -> None:
    """The choice with its price, a note, answers of each kind, and a prevention."""
    enter(running, server, roles=("commander",))
    assert "Per minute, 15 transactions" in shown(running, "choice-sum")
    assert "cf-2: where its threads stand" in shown(running, "choice-risk")
    assert "threads of cf-1" in shown(running, "choice-kept")
    for number, choice in enumerate(("restore", "look"), start=1):
        click(running, f"[data-order=decide]:nth-of-type({number})")
        assert sent(running, server) == [{"order": "decide", "choice": choice}]
    click(running, "[data-order=note]")
    assert sent(running, server, 0) == []  # nothing was written
    running.run("document.getElementById('commander-note').value = 'All hang.'")
    click(running, "[data-order=note]")
    assert sent(running, server) == [{"order": "note", "text": "All hang."}]
    assert running.run("document.getElementById('commander-note').value") == ""
    click(running, "input[name=question-switchover][value=no]")
    click(running, "#questions-list li:nth-child(1) [data-order=answer]")
    assert sent(running, server) == [{"order": "answer", "question": "switchover", "value": "no"}]
    for value in ("few_heartbeats", "address"):
        click(running, f"input[name=question-cluster][value={value}]")
    click(running, "#questions-list li:nth-child(2) [data-order=answer]")
    assert sent(running, server) == [{"order": "answer", "question": "cluster", "value": ["few_heartbeats", "address"]}]
    running.run("document.getElementById('question-line').value = 'lookup/original.py:24'")
    click(running, "#questions-list li:nth-child(3) [data-order=answer]")
    assert sent(running, server) == [{"order": "answer", "question": "line", "value": "lookup/original.py:24"}]
    click(running, "input[name=prevention][value=fixed]")
    click(running, "[data-order=prevent]")
    assert sent(running, server) == [{"order": "prevent", "variant": "fixed"}]


def test_replies_are_shown(running: Browser, server: ClassServer) -> None:
    """What was done, and why something was refused; meanwhile it is not sent twice."""
    server.replies = {"collect": {"ok": False, "text": "<b>not now</b>"}, "switchover": {"text": "moved"}}
    enter(running, server, roles=("operator",))
    click(running, "[data-order=collect]")
    sent(running, server)
    assert running.run("document.querySelector('#operator-restart .reply').textContent") == "<b>not now</b>"
    assert running.run("document.querySelector('#operator-restart .reply').className") == "reply refused"
    click(running, "[data-order=switchover]")
    sent(running, server)
    assert running.run("document.querySelector('#operator-switchover').lastChild.textContent") == "moved"
    server.silent = {"collect"}
    for _ in range(3):
        click(running, "[data-order=collect]")
    wait_for(running, "document.querySelector('#operator-restart .reply').textContent === 'Sent…'")
    assert [order["order"] for order in server.orders] == ["collect"]


def test_an_order_without_a_reply_is_told(running: Browser, server: ClassServer) -> None:
    """When time is up, when the connection is lost before the reply, and when there is none at all."""
    server.silent = {"health", "next_step"}
    enter(running, server, roles=("owner",))
    # Its time is up at once: what counts is that it is told.
    running.run("window.really = window.setTimeout; window.setTimeout = (work, ms) => window.really(work, ms === 30000 ? 50 : ms)")
    line = "document.querySelector('#owner-controls .reply').textContent"
    click(running, "[data-order=health]")
    wait_for(running, f"{line}.startsWith('No answer came within 30 seconds')")
    running.run("window.setTimeout = window.really")
    click(running, "[data-order=health]")
    wait_for(running, "true")
    server.go()
    wait_for(running, f"{line}.startsWith('The connection was lost')")
    click(running, "[data-order=health]")
    wait_for(running, f"{line}.startsWith('Not sent')")
    server.come_back()


def test_garbage_from_a_server_changes_nothing(running: Browser, server: ClassServer) -> None:
    """A message that is no JSON, of no kind, or with a value that fits nowhere: one view may fail, the others go on."""
    enter(running, server)
    server.say("{no json")
    server.say({"is": "something else"})
    server.say({"is": "reply", "n": 99, "ok": True})
    server.set(waits={"graph": {"nodes": "none"}}, passengers={"sent": 1, "answered": 77, "failed": 0, "waiting": 0})
    wait_for(running, "document.getElementById('board-answered').innerText === '77'")


def test_a_facility_that_is_gone_is_told(running: Browser, server: ClassServer) -> None:
    """With why."""
    enter(running, server)
    server.set(phase="gone", gone__why="the disk is full")
    wait_for(running, "document.getElementById('gone').offsetParent !== null")
    assert shown(running, "gone") == "The facility is gone. the disk is full"


def test_of_a_facility_that_is_gone_no_next_step_is_shown(running: Browser, server: ClassServer) -> None:
    """The steps that were done stay, and that the switchover was broken off."""
    server.state = night.state(night.SWITCHED_S + 1.0)
    enter(running, server, roles=("operator",))
    wait_for(running, "document.querySelector('#operator-steps [aria-current=step]') !== null")
    server.set(phase="gone", gone__why="the disk is full")
    wait_for(running, "document.querySelector('#operator-steps [aria-current=step]') === null")
    assert shown(running, "operator-told") == "The switchover was broken off."
    assert running.run("document.getElementById('operator-planned').hidden") is True
    assert (
        running.run("[...document.querySelectorAll('#operator-switchover button')].every((each) => each.ariaDisabled === 'true')") is True
    )


def test_the_task_of_the_moment(running: Browser, server: ClassServer) -> None:
    """Everybody sees it; whose it is sees that, and a way to the panel."""
    server.state["choice"] = None
    enter(running, server, roles=("operator",))
    server.set(task={"text": "Move the database.", "role": "operator", "order": "switchover"})
    wait_for(running, "document.getElementById('task').offsetParent !== null")
    assert shown(running, "task-text") == "Move the database."
    assert running.run("document.getElementById('task-link').getAttribute('href')") == "#panel-operator"
    server.set(task={"text": "Look.", "role": "owner", "order": "dump"})
    wait_for(running, "document.getElementById('task-text').innerText === 'Look.'")
    assert running.run("document.getElementById('task-way').hidden") is True
    server.set(task=None)
    wait_for(running, "document.getElementById('task').offsetParent === null")


def test_the_choice_calls_for_a_decision(running: Browser, server: ClassServer) -> None:
    """Everybody sees that it is open, the commander has the way to it, and neither button looks like the right one."""
    enter(running, server, roles=("commander",))
    wait_for(running, "document.getElementById('task').offsetParent !== null")
    assert shown(running, "task-text").startswith("All hangs. Decide")
    assert running.run("document.getElementById('task-link').getAttribute('href')") == "#panel-commander"
    assert running.run("[...document.querySelectorAll('[data-order=decide]')].map((each) => each.className)") == ["", ""]
    server.set(choice={"open": False, "chosen": "look", "night_s": 101_000.0, "chosen_at_s": 104_640.0})
    wait_for(running, "document.getElementById('task-text').innerText.startsWith('Look first: keep')")
    assert shown(running, "choice-told") == "At 05:04 it was chosen to look first."


def test_what_is_next_is_told(running: Browser, server: ClassServer) -> None:
    """Which service is stuck where not all are; what to keep before a restart; to restore; and after the night, to answer."""
    ran, stuck = night.service("kiosk", 5.0), night.service("cf-1", 51.0)
    server.state |= {f"services.{name}": ran for name in (*night.CALLERS, "cf-2")} | {"services.cf-1": stuck}
    enter(running, server, roles=("commander",))
    wait_for(running, "document.getElementById('task-text').innerText.startsWith('Stuck: cf-1. Decide')")
    server.set(**{"services.cf-1": ran})
    wait_for(running, "document.getElementById('task').offsetParent === null")  # it went by before anybody decided
    server.set(**{"services.cf-1": stuck})
    server.set(choice={"open": False, "chosen": "look", "night_s": 101_000.0}, at_risk=[{"service": "cf-1", "what": "threads"}])
    wait_for(running, "document.getElementById('task-text').innerText.startsWith('Look first: keep')")
    server.set(at_risk=None)
    wait_for(running, "document.getElementById('task-text').innerText.startsWith('Restore service.')")
    assert shown(running, "task-role") == "This is for the operator."
    server.set(**{"services.cf-1": ran})
    wait_for(running, "document.getElementById('task').offsetParent === null")
    assert running.run("document.getElementById('desk-over').hidden") is True
    server.set(phase="ending")
    wait_for(running, "document.getElementById('task-text').innerText.startsWith('The night has been ended.')")
    assert running.run("document.getElementById('task-link').getAttribute('href')") == "#questions"
    assert running.run("[...document.querySelectorAll('#desk button[data-order]')].every((each) => each.ariaDisabled === 'true')") is True
    assert "the facility is down" not in shown(running, "desk-over")
    assert "being read" in shown(running, "pace")
    server.set(phase="over")
    wait_for(running, "document.getElementById('task-text').innerText.startsWith('The night is over. Answer')")
    assert running.run("document.getElementById('task-link').getAttribute('href')") == "#questions"
    assert running.run("[...document.querySelectorAll('#desk button[data-order]')].every((each) => each.ariaDisabled === 'true')") is True
    assert "the facility is down" in shown(running, "desk-over")
    server.set(revealed={"title": "A crack", "variant": "original", "root": None, "certain": False})
    wait_for(running, "document.getElementById('task').offsetParent === null")


def test_an_answer_that_is_empty_is_told(running: Browser, server: ClassServer) -> None:
    """Whoever sends none, or chooses no prevention, hears what is missing, and nothing is sent."""
    enter(running, server, roles=("commander",))
    for form in ("#questions-list li:nth-child(1) form", "#questions-list li:nth-child(3) form", "#prevention-form form"):
        running.run(f"document.querySelectorAll('{form} input').forEach((each) => {{ each.checked = false; each.value = ''; }})")
        click(running, f"{form} button")
        assert running.run(f"document.querySelector('{form} .reply').innerText").startswith("Choose")
    assert server.orders == []


def test_a_night_of_minutes_is_shown_by_the_second(running: Browser, server: ClassServer) -> None:
    """A minute of it may take three, and a clock that stands for so long would look like one that is held."""
    enter(running, server, trainer=True, roles=())
    assert shown(running, "clock").count(":") == 1
    server.welcome = {**server.welcome, "night": {"from_s": 21_600, "to_s": 22_200, "date": "2013-10-07"}}
    server.state["clock"] = {"night_s": 21_755.9, "t_s": 51.0, "speed": 0.4, "held": ""}
    running.open_address(server.address)
    wait_for(running, "document.getElementById('clock').innerText === '06:02:35'")


def test_what_is_not_known_yet_is_not_told_as_nothing(running: Browser, server: ClassServer) -> None:
    """No root is a finding only beside compared answers, and a score with a replay to come one so far; then no answer is taken."""
    enter(running, server, roles=("commander",))
    told = {"title": "A crack", "variant": "original", "root": None, "certain": False}
    score = {"points": 69, "of": 100, "parts": []}
    server.set(phase="over", revealed=told, score=score, replays__fixed={"running": True, "text": ""})
    wait_for(running, "document.getElementById('score-sum').innerText.startsWith('69 of 100 points so far')")
    assert "no root" not in shown(running, "revealed-told")
    found = {"right": None, "answer": "Not known.", "evidence": [], "sure": "not told"}
    replayed = {"running": False, "outcome": "contained", "crack": 2, "text": ""}
    server.set(compared__cause=found, compared__switchover=found, replays__fixed=replayed)
    wait_for(running, "document.getElementById('score-sum').innerText === '69 of 100 points'")
    assert "no root" in shown(running, "revealed-told")
    assert running.run("document.querySelector('#questions-list li:nth-child(1) form').offsetParent") is None


def test_all_see_what_may_be_answered(running: Browser, server: ClassServer) -> None:
    """Also who may not answer, and who has not joined: the choices of the questions, and what would have prevented it."""
    enter(running, server, roles=("operator",))
    options = "[...document.querySelectorAll('#questions-list li:nth-child(1) .options li, #prevention-options li')]"
    words = running.run(f"{options}.filter((each) => each.offsetParent).map((each) => each.textContent)")
    assert words == [
        "No: it had been carried out, and something else stopped service",
        "Yes: it was under way when service stopped",
        *(each["text"] for each in night.PREVENTIONS),
    ]
    assert running.run("document.querySelectorAll('[data-order=answer]').length > 0") is True
    assert running.run("[...document.querySelectorAll('[data-order=answer]')].some((each) => each.offsetParent)") is False


def test_a_prevention_that_comes_late_is_told_not_to_count(running: Browser, server: ClassServer) -> None:
    """Before the reveal it counts; after it, it is replayed alone."""
    enter(running, server, roles=("commander",))
    assert shown(running, "prevention-counts").startswith("What is chosen before the reveal counts")
    server.set(revealed=night.told()["revealed"])
    wait_for(running, "document.getElementById('prevention-counts').innerText.includes('does not count')")
    assert running.run("document.querySelector('#revealed-told p').textContent") == "The move closed every connection."


def test_the_sign_of_the_leak_is_told_with_the_reveal(running: Browser, server: ClassServer) -> None:
    """The legend has it as soon as the map may show it."""
    enter(running, server)
    assert running.run("document.getElementById('legend-leaked').offsetParent") is None
    value = server.state["services.cf-1"]
    server.set(**{"services__cf-1": {**value, "pool": {**value["pool"], "leaked": 7}}})
    wait_for(running, "document.getElementById('legend-leaked').offsetParent !== null")


def test_what_is_long_is_folded(running: Browser, server: ClassServer) -> None:
    """Of all that is unknown a first line is there, and the rest unfolds: in answers, their evidence, outcomes and the score."""
    unknown = "; ".join(f"cf-{number} told no numbers for 11.4 s from 04:5{number % 10}" for number in range(30))
    enter(running, server)
    told = night.told()
    told["compared.line"] = {"right": None, "answer": unknown, "evidence": [unknown], "sure": "not told"}
    told["replays.fixed"] = {"running": False, "outcome": "unknown", "crack": None, "verdict": "unknown", "text": unknown}
    told["score"] = {"points": 0, "of": 15, "parts": [{"id": "held", "points": None, "of": 15, "text": say("held_not_known", why=unknown)}]}
    server.set(**{key.replace(".", "__"): value for key, value in told.items()})
    wait_for(running, "document.querySelectorAll('.long').length === 4")
    heights = running.run("[...document.querySelectorAll('.long')].map((each) => [each.open, each.clientHeight])")
    assert all(not is_open and 0 < height < 150 for is_open, height in heights)
    assert running.run("document.querySelector('#prevention-replays .long').textContent").replace(" ", "") == unknown.replace(" ", "")
    assert running.run("Math.min(...[...document.querySelectorAll('#prevention-replays td')].map((each) => each.clientWidth)) > 90") is True


def test_what_the_class_is_to_find_is_explained(running: Browser, server: ClassServer) -> None:
    """What a graph calls by a question mark has a line beside it, which goes with the names."""
    enter(running, server)
    assert running.run("document.getElementById('waits-unnamed').offsetParent") is None
    graph = night.graph(blamed=False)
    graph["nodes"][-1]["name"] = "? 1"
    server.set(waits={"night_s": 101_200.0, "graph": graph, "missing": []})
    wait_for(running, "document.getElementById('waits-unnamed').offsetParent !== null")
    assert "to be found" in running.run("document.getElementById('waits-graph').textContent.replace(/\\s+/g, ' ')")


def test_a_prevention_is_called_as_the_class_reads_it(running: Browser, server: ClassServer) -> None:
    """Its variant's name stands in no line of the log, and in no reply."""
    server.state |= {key: value for key, value in night.state(53.0).items() if key.startswith("log.")}
    server.replies = {"prevent": {"text": say("to_be_replayed", variant="fixed")}}
    enter(running, server, roles=("commander",))
    assert "prevention: “Close each resource under its own guard”" in shown(running, "log-lines")
    click(running, "input[name=prevention][value=fixed]")
    click(running, "[data-order=prevent]")
    sent(running, server)
    assert "over “Close each resource under its own guard”" in shown(running, "prevention-form")


def test_what_is_typed_outlives_a_reload(running: Browser, server: ClassServer) -> None:
    """A note that was begun is there again."""
    enter(running, server, roles=("commander",))
    running.run("document.getElementById('commander-note').focus()")
    running.call("Input.insertText", text="They all hang")
    running.open_address(server.address)
    wait_for(running, "document.getElementById('commander-note')?.value === 'They all hang'")


def test_a_hidden_tab_draws_nothing_and_catches_up(running: Browser, server: ClassServer) -> None:
    """It keeps the state, and shows it as soon as somebody looks."""
    enter(running, server)
    hide = """
    Object.defineProperty(document, 'hidden', {value: VALUE, configurable: true});
    document.dispatchEvent(new Event('visibilitychange'))
    """
    running.run(hide.replace("VALUE", "true"))
    server.set(passengers={"sent": 1, "answered": 4321, "failed": 0, "waiting": 0})
    wait_for(running, "Classroom.get('passengers').answered === 4321")
    running.run(FRAMES)
    assert shown(running, "board-answered") != "4,321"
    running.run(hide.replace("VALUE", "false"))
    wait_for(running, "document.getElementById('board-answered').innerText === '4,321'")


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_nothing_is_cut_off(running: Browser, server: ClassServer, width: int) -> None:
    """With every panel open, as trainer who plays all, and a question on top."""
    enter(running, server, width, trainer=True)
    running.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    click(running, "[data-order=restart]")
    running.run(FRAMES)
    assert running.run(CUT_OFF) == []
