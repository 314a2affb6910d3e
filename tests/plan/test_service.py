"""The table `[service]` as a record, and the templates in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from testbed.plan.decoding import decode
from testbed.plan.service import ServicePlan
from testbed.plan.template import filled, filled_table

PASSENGER = {"passenger": "AA1-1", "flight": 1, "origin": "JFK"}


def mistakes_of(table: dict[str, Any]) -> list[str]:
    """Return the mistakes of a table."""
    mistakes: list[str] = []
    decode(ServicePlan, table, "service", mistakes)
    return mistakes


def test_only_the_command_is_required() -> None:
    """A table with a command alone is a service of which nothing else is known."""
    mistakes: list[str] = []
    plan = decode(ServicePlan, {"command": "java -jar 'a b.jar' --port={port}"}, "service", mistakes)
    assert not mistakes
    assert plan is not None
    assert plan.command == ("java", "-jar", "a b.jar", "--port={port}")
    assert (plan.health, plan.readings, plan.dump, plan.request_threads, plan.sql) == (None,) * 5


def test_short_forms() -> None:
    """A text stands for a request of that path, and one status for a list of one."""
    table = {"command": ["x"], "health": "/ok", "requests": {"search": "/a", "book": {"path": "/b", "refused": 409}}}
    mistakes: list[str] = []
    plan = decode(ServicePlan, table, "service", mistakes)
    assert not mistakes
    assert plan is not None
    assert plan.health is not None
    assert (plan.health.path, plan.health.status, plan.requests["search"].path) == ("/ok", (200,), "/a")
    assert plan.requests["book"].refused == (409,)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, ("service.command: missing",)),
        ({"command": "a 'b"}, ("service.command", "No closing quotation")),
        ({"command": "a {portt}"}, ("service.command", "{portt}", "{port}")),
        ({"command": "a", "environment": {"A": "{flight}"}}, ("service.environment", "{flight}", "{dsn}")),
        ({"command": "a", "environment": {"A B": ""}}, ("service.environment", "'A B'")),
        ({"command": "a", "requests": {"book": {"path": "b"}}}, ("service.requests.book.path",)),
        (
            {"command": "a", "requests": {"book": {"path": "/b", "body": {"c": ["{dsn}"]}}}},
            ("service.requests.book.body", "{dsn}", "{flight}"),
        ),
        ({"command": "a", "requests": {"book": {"path": "/b", "answered": [200], "refused": [200]}}}, ("service.requests.book", "200")),
        ({"command": "a", "dump": {"by": "signal"}}, ("service.dump", "`signal`")),
        ({"command": "a", "waits": [{"pattern": "(", "waits_for": "pool"}]}, ("service.waits.0.pattern", "no regular expression")),
        ({"command": "a", "helth": "/"}, ("service.helth: unknown key", "did you mean health?")),
    ],
)
def test_mistakes(table: dict[str, Any], words: tuple[str, ...]) -> None:
    """A mistake is told once, with its key and what is allowed there."""
    (mistake,) = mistakes_of(table)
    assert all(word in mistake for word in words), mistake


def test_braces_of_json_are_braces() -> None:
    """A text of JSON keeps its own braces, and a doubled template is the text itself."""
    assert filled('{"flight": {flight}, "x": {}, "y": "{{flight}}"}', PASSENGER) == '{"flight": 1, "x": {}, "y": "{flight}"}'


def test_kind_of_a_value_in_a_table() -> None:
    """A text of a table that is one template alone becomes the value in its own kind, however deep."""
    table = {"flight": "{flight}", "who": ["{passenger} of {origin}", True], "none": None}
    assert json.dumps(filled_table(table, PASSENGER)) == '{"flight": 1, "who": ["AA1-1 of JFK", true], "none": null}'
