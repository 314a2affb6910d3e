"""The texts of the page stand in one file, so that it can be translated: none is missing, none is left over, and none stands elsewhere."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from typing import Any, get_args, get_type_hints

import pytest

from testbed.classroom import facility_map, log_lines
from testbed.classroom.inquiry import questions, score
from testbed.classroom.live import roles
from testbed.classroom.scene import HEAL, OPEN
from testbed.classroom.web import page_files
from testbed.journal.events import By, Note, Part, Service
from testbed.plan.expectation import Outcome
from testbed.plan.scenario import CONDITIONS
from testbed.plan.topology import BALANCERS, TRANSACTIONS
from testbed.postmortem.questions import Sure
from tests.classroom.page.played_night import PAGE
from tests.journals import contained_night

SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(PAGE.glob("*.js")) if path.name != "texts.js"}
INDEX = (PAGE / "index.html").read_text(encoding="utf-8")
WORD_GROUP = re.compile(r'\bword\(["`](\w+)')
PLACE = re.compile(r"\{(\w+)(?:\|(\w+))?\}")
# In the head of a file or above a line; a text within a string would have a blank, and a capital or a full stop.
COMMENT = re.compile(r"^\s*//.*$|\s//\s.*$", re.MULTILINE)
SENTENCE = re.compile(r"^(?!.*[.#:\[]\w).*[A-Za-z]{2,},? [a-z]{2,}")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')


class Page(HTMLParser):
    """Collects what index.html loads, and every text and attribute that somebody would read."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.keys: set[str] = set()
        self.scripts: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, _: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the keys of texts, scripts and ids, and attributes that are read."""
        for name, value in attrs:
            if name in {"data-text", "data-label"}:
                self.keys.add(value or "")
            elif name == "src":
                self.scripts.append(value or "")
            elif name == "id":
                self.ids.append(value or "")
            elif name in {"title", "alt", "placeholder", "aria-label", "style"} or name.startswith("on"):
                self.texts.append(f"{name}={value}")

    def handle_data(self, data: str) -> None:
        """Keep what is no blank."""
        if data.strip():
            self.texts.append(data.strip())


@pytest.fixture(scope="module")
def texts() -> dict[str, Any]:
    """Return all texts, as a script would have them."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed, and reads texts.js")
    program = "globalThis.window = {}; eval(require('fs').readFileSync(process.argv[1], 'utf8')); console.log(JSON.stringify(window.TEXTS))"
    done = subprocess.run([node, "-e", program, str(PAGE / "texts.js")], capture_output=True, text=True, check=True, timeout=60)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def index() -> Page:
    """Return what index.html has."""
    page = Page()
    page.feed(INDEX)
    return page


def keys_of(texts: dict[str, Any], before: str = "") -> set[str]:
    """Return all keys with their groups; the forms of one text are one key."""
    found: set[str] = set()
    for name, value in texts.items():
        if isinstance(value, dict) and "other" not in value:
            found |= keys_of(value, f"{before}{name}.")
        else:
            found.add(before + name)
    return found


def said_by_server() -> dict[str, set[frozenset[str]]]:
    """Return every code that the server lets the page say, with the names of its fields, as often as they differ."""
    found: dict[str, set[frozenset[str]]] = {}
    for path in PAGE.parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
                [code] = node.args
                assert isinstance(code, ast.Constant), f"{path.name}:{node.lineno}: a code that is no literal cannot be compared"
                assert isinstance(code.value, str)
                assert all(keyword.arg for keyword in node.keywords), f"{path.name}:{node.lineno}"
                found.setdefault(code.value, set()).add(frozenset(keyword.arg or "" for keyword in node.keywords))
    return found


def forms(text: str | dict[str, str]) -> tuple[str, ...]:
    """Return the forms of a text."""
    return (text,) if isinstance(text, str) else tuple(text.values())


def used(texts: dict[str, Any], index: Page) -> set[str]:
    """Return the keys that scripts, index.html and other texts use: each stands in a script as a literal of its own."""
    groups = {name for name, value in texts.items() if isinstance(value, dict)}
    found = set(index.keys)
    for source in SCRIPTS.values():
        for literal in LITERAL.findall(COMMENT.sub("", source)):
            group, dot, name = literal.partition(".")
            if (dot and group in groups and name and re.fullmatch(r"\w+", name)) or literal in {"unknown", "unknown_short"}:
                found.add(literal)
        found |= {key for group in WORD_GROUP.findall(source) for key in keys_of(texts[group], f"{group}.")}
    for form in (form for text in texts["said"].values() for form in forms(text)):
        found |= {key for _, group in PLACE.findall(form) if group for key in keys_of(texts[group], f"{group}.")}
    return found | {f"said.{code}" for code in said_by_server()} | {"lang"}


def test_every_key_that_is_used_exists_and_the_other_way_round(texts: dict[str, Any], index: Page) -> None:
    """What would throw in the browser is missing here, and what nobody reads is left over."""
    there = keys_of(texts)
    asked = used(texts, index)
    assert asked - there == set()
    assert there - asked == set()


def test_a_code_comes_with_the_fields_that_its_text_has_places_for(texts: dict[str, Any]) -> None:
    """With all of them, wherever the server says it, and with no other: what is sent and not shown is left over, too."""
    for code, fields in said_by_server().items():
        wanted = {name for form in forms(texts["said"][code]) for name, _ in PLACE.findall(form)}
        words = {group for form in forms(texts["said"][code]) for _, group in PLACE.findall(form) if group}
        wanted |= {name for group in words for key in texts[group].values() if isinstance(key, str) for name, _ in PLACE.findall(key)}
        assert fields == {frozenset(wanted)}, code


def literals(record: type, name: str) -> set[str]:
    """Return the values that a field of a record may have."""
    return set(get_args(get_type_hints(record)[name]))


def test_every_word_that_the_server_sends_has_a_text_and_no_text_is_for_another(texts: dict[str, Any]) -> None:
    """Roles, kinds, questions and their choices, outcomes, and whatever else is a word for programs."""
    names = contained_night().journal().header.facility
    answers = {id_: set(choices) for id_, choices in questions.CHOICES.items()}
    asked = {question.id for question in questions.questions(())}
    sent: dict[str, set[str]] = {
        "roles": {roles.TRAINER, *roles.CLASS_ROLES, *get_args(By)},
        "roles_do": set(roles.CLASS_ROLES),
        "kinds": {node["kind"] for node in facility_map.of(names, BALANCERS)["nodes"]},
        "conditions": set(CONDITIONS),
        "choices": set(log_lines.DECISIONS),
        "operations": {*OPEN, HEAL},
        "switchover_steps": set(log_lines.SWITCHOVER.values()),
        "service_states": literals(Service, "state") | literals(Part, "state"),
        "log_kinds": literals(Note, "kind") | {"operation", "step", "service", "dump", "evidence", "clock", "fault"},
        "outcomes": {*map(str, Outcome), "unknown"},
        "cracks": {*map(str, range(7)), "unknown"},
        "sure": set(get_args(Sure)),
        "score_parts": set(score.WEIGHTS),
        "transactions": {kind for kinds in TRANSACTIONS.values() for kind in kinds},
        "asked": asked - {"prevention"},
        "subjects": asked,
    }
    assert {group: set(texts[group]) for group in sent} == sent
    assert {id_: set(words) for id_, words in texts["answers"].items()} == answers


def test_index_has_no_text_no_style_and_no_script_of_its_own(index: Page) -> None:
    """All of it comes from texts.js, style.css and the files of scripts: the content security policy allows nothing else."""
    assert index.texts == []
    assert "<style" not in INDEX
    assert re.search(r"<script(?![^>]*\ssrc=)", INDEX) is None


def test_every_script_is_loaded_once(index: Page) -> None:
    """In the order of the page; the recording comes from whoever serves it, and what draws graphs from the report."""
    assert sorted(index.scripts) == sorted([*SCRIPTS, "texts.js", "data.js", *page_files.SHARED])
    assert len(index.ids) == len(set(index.ids))


def test_scripts_have_no_texts_of_their_own() -> None:
    """Of the literals with a blank between two words, none but these is anything else than a selector or a class."""
    known = {"use strict", "testbed class name", "cell unseen", "lamp unknown"}
    literals = {literal for source in SCRIPTS.values() for literal in LITERAL.findall(COMMENT.sub("", source))}
    assert {literal for literal in literals if SENTENCE.search(literal)} - known == set()


def test_data_never_becomes_markup() -> None:
    """No script writes HTML, evaluates a text, or sets a style as an attribute."""
    for name, source in SCRIPTS.items():
        found = re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\(\"style\"", source)
        assert found == [], name


def test_nothing_is_asked_elsewhere() -> None:
    """No address of another host stands in the page, but for the name of SVG's namespace."""
    for name, source in {**SCRIPTS, "index.html": INDEX, "style.css": (PAGE / "style.css").read_text(encoding="utf-8")}.items():
        found = set(re.findall(r"https?://[^\s\"'`)]+", source)) - {"http://www.w3.org/2000/svg"}
        assert found == set(), name
