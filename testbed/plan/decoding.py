"""Reads TOML and decodes it into records: every mistake with its key path, what was found and what is allowed."""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from testbed.errors import MISTAKE_CHARACTERS, ScenarioError, UsageError, shortened
from testbed.plan import given_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RENAMED = {"facility.weighed_every_s": "resources_every_s"}  # keys of before, by their path
FOUND_CHARS = 60
DEEPEST = 20  # levels of tables and lists; no scenario has more than six
MOST_ENTRIES = 1_000  # of a table or list, such as steps of a timeline; the packaged scenarios have at most some dozens

Model = TypeVar("Model", bound=BaseModel)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; raises ScenarioError when it cannot be read as one, is larger than 4 MiB, or no regular file.

    No table or list in it has more than `MOST_ENTRIES` entries, or is deeper than `DEEPEST` levels.
    """
    return decode_toml(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """Read the content of a file; raises ScenarioError when it cannot be read, is larger than 4 MiB, or no regular file."""
    try:
        return given_file.read(path, given_file.MOST_TEXT_BYTES)
    except OSError as error:
        raise ScenarioError(str(path), (f"cannot be read: {error.strerror}",)) from error
    except ValueError as error:
        raise ScenarioError(str(path), (f"cannot be read as TOML: {error}",)) from error


def decode_toml(content: bytes, path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file's content; raises ScenarioError as `read_toml` does."""
    try:
        data = tomllib.loads(content.decode())
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(str(path), (f"not TOML: {error}",)) from error
    except UnicodeDecodeError as error:
        raise ScenarioError(str(path), (f"not UTF-8: byte {error.start} is {error.object[error.start]:#04x}",)) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets nested as deep
        raise ScenarioError(str(path), (f"cannot be read as TOML: {error}",)) from error
    if (mistake := _out_of_bounds(data)) is not None:
        raise ScenarioError(str(path), (mistake,))
    return data


def _out_of_bounds(data: dict[str, Any]) -> str | None:
    """Return the mistake of a table or list that is nested too deep or has too many entries, without going any further itself."""
    level: list[tuple[str, Any]] = [("", data)]
    for _ in range(DEEPEST + 1):
        for key, above in level:
            if isinstance(above, dict | list) and len(above) > MOST_ENTRIES:
                return f"{key or 'the file'}: {len(above):,} entries; allowed: at most {MOST_ENTRIES:,}"
        level = [
            (shortened(f"{key}.{name}" if key else str(name), MISTAKE_CHARACTERS), value)
            for key, above in level
            for name, value in (above.items() if isinstance(above, dict) else enumerate(above) if isinstance(above, list) else ())
        ]
    return f"{level[0][0]}: nested deeper than {DEEPEST} levels; allowed: less" if level else None


def decode(model: type[Model], value: Any, key: str, mistakes: list[str], also: Sequence[str] = ()) -> Model | None:
    """Return a section as a record; None, with every mistake added to `mistakes`, when it is wrong.

    `also` names keys that are allowed beside the model's. The `key` of a whole file is an empty string.
    """
    try:
        # By way of JSON: its strict mode takes lists for tuples and texts for dates, as a file must, and no other type for another.
        return model.model_validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as error:
        # A list that is too short but not empty has lost its wrong items, and each of them has a mistake of its own.
        details = [detail for detail in error.errors() if detail["type"] != "too_short" or not detail["input"]]
        mistakes += [_mistake(model, key, dict(detail), also) for detail in details]
        return None


def _mistake(model: type[BaseModel], key: str, detail: dict[str, Any], also: Sequence[str]) -> str:
    location = [str(part) for part in detail["loc"]]
    if detail["type"] != "extra_forbidden":  # where a value may be of several kinds, pydantic adds the kind, which is not in the file
        location = [part for part in location if not part.startswith(("literal[", "tuple["))]
    path = ".".join([key, *location] if key else location)
    if detail["type"] == "extra_forbidden":
        if path in RENAMED:
            return f"{path}: this key is now called {RENAMED[path]}; its values are the same"
        allowed = [*(also if len(location) == 1 else ()), *_fields_at(model, detail["loc"][:-1])]
        return f"{path}: unknown key{suggestion(location[-1], allowed)}; allowed: {', '.join(allowed)}"
    if detail["type"] == "missing":
        return f"{path}: missing; it is required"
    found = found_text(detail["input"])
    if detail["type"] == "literal_error" and isinstance(detail["input"], str):
        found += suggestion(detail["input"], re.findall("'([^']*)'", detail["ctx"]["expected"]))
    return f"{path}: found {found}; {detail['msg'][0].lower() + detail['msg'][1:]}"


def _fields_at(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Return the keys that are allowed at a place inside a model."""
    for part in location:
        field = next((field for name, field in model.model_fields.items() if part in (name, field.alias)), None)
        inner = [] if field is None else [kind for kind in _kinds(field.annotation) if issubclass(kind, BaseModel)]
        model = inner[0] if inner else model
    return [field.alias or name for name, field in model.model_fields.items()]


def _kinds(annotation: Any) -> list[type]:
    parts = getattr(annotation, "__args__", ())
    return [annotation] if isinstance(annotation, type) and not parts else [kind for part in parts for kind in _kinds(part)]


def found_text(value: object) -> str:
    """Format a value as a mistake shows it: as JSON, cut after `FOUND_CHARS` characters."""
    text = json.dumps(value, default=str)
    return text if len(text) <= FOUND_CHARS else text[:FOUND_CHARS] + "…"


def path_text(name: str, value: object, allowed: str = "a path, as a text or an os.PathLike") -> str:
    """Return a path that a caller gave as text; raises UsageError, with the argument's name, for what is none."""
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str):
        raise UsageError(f"{name}: found {value!r}; allowed: {allowed}")
    return text


def is_file(path: Path) -> bool:
    """Whether there is a file of this path; a path that no system can have is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or has a NUL in it
        return False


def suggestion(word: str, allowed: Sequence[str]) -> str:
    """Return ", did you mean …?" with the closest allowed word; an empty string when none is close."""
    close = difflib.get_close_matches(word, allowed, n=1)
    return f", did you mean {close[0]}?" if close else ""
