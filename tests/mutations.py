"""Changes in decoded files that nobody would make: a value, a key, an item, somewhere."""

from __future__ import annotations

import copy
import datetime
import json
from typing import TYPE_CHECKING, Any

from hypothesis import settings

if TYPE_CHECKING:
    import random

FLOATS: tuple[float, ...] = (-1.0, 0.0, 0.5, 1e18, 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf"))
WHOLE = (-1, 0, 1, 2, 7, 2**63, 10**30, -(10**30), 10**400)
TEXTS = (
    "",
    "x",
    "\x00",
    "\x1b[31m",
    "\u202e",
    "é" * 600,
    "cf-1",
    "kiosk",
    "restart",
    "switchover",
    "hung",
    "24:00",
    "25:61",
    "../../x",
    "a/b",
)
DATES = (datetime.date.min, datetime.date.max, datetime.date(2013, 10, 7), datetime.datetime(2013, 10, 7, 22), datetime.time(22, 0))  # noqa: DTZ001
CONTAINERS: tuple[Any, ...] = ([], {}, [[]], [{}], {"x": {"x": 1}}, ["x"] * 30, {f"key_{number}": 1 for number in range(30)})


def times(thorough: int, *, quick: int = 100) -> int:
    """Return how many are tried at a door: a share with every suite, all of them with `--hypothesis-profile thorough`."""
    return thorough if settings.get_current_profile_name() == "thorough" else quick


def deep(levels: int) -> Any:
    """Return lists in lists."""
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def odd(chance: random.Random, value: object) -> Any:
    """Return another value in the place of one: mostly one of its type, because others are refused sooner."""
    pools: dict[type, tuple[Any, ...]] = {
        bool: (True, False),
        float: FLOATS,
        int: WHOLE,
        str: TEXTS,
        datetime.date: DATES,
        list: CONTAINERS,
    }
    if chance.random() < 0.3:
        return copy.deepcopy(chance.choice((*FLOATS, *WHOLE, *TEXTS, *DATES, *CONTAINERS, True, deep(30), deep(300))))
    return copy.deepcopy(chance.choice(pools.get(type(value), CONTAINERS)))


def change(chance: random.Random, tree: dict[str, Any]) -> None:
    """Change one thing in a decoded file, at any depth: a value, a key; drop it, double it, or add one that is not known."""
    inside: Any = tree
    while True:
        key = chance.choice(list(inside) if isinstance(inside, dict) else range(len(inside)))
        if not (isinstance(inside[key], dict | list) and inside[key]) or chance.random() < 0.15:
            break
        inside = inside[key]
    how = chance.choice(["value", "value", "value", "drop", "double", "add"])
    if how == "value":
        inside[key] = odd(chance, inside[key])
    elif how == "drop":
        del inside[key]
    elif isinstance(inside, list):
        inside.insert(chance.randrange(len(inside) + 1), copy.deepcopy(inside[key]) if how == "double" else odd(chance, ""))
    elif how == "double":
        inside[chance.choice(TEXTS)] = copy.deepcopy(inside[key])
    else:
        inside[chance.choice((*TEXTS, "link", "service", "variants", "k" * 5000))] = odd(chance, "")


def changed(chance: random.Random, tree: dict[str, Any]) -> dict[str, Any]:
    """Return a decoded file in which one to four things are others."""
    spoiled = copy.deepcopy(tree)
    for _ in range(chance.choice([1, 1, 2, 4])):
        if spoiled:
            change(chance, spoiled)
    return spoiled


def toml(tree: dict[str, Any]) -> str:
    """Write a decoded file as TOML, a line for each of its keys."""
    return "".join(f"{_text(key)} = {_toml(value)}\n" for key, value in tree.items())


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return _text(value)
        case int() | float():
            return repr(value)
        case dict():
            return "{" + ", ".join(f"{_text(key)} = {_toml(entry)}" for key, entry in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case _:
            return str(value.isoformat())


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
