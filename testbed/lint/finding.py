"""A finding, and the rules by which there are any: a code, a name, and one sentence why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """A mistake that is looked for; `why` is a sentence that says what comes of it."""

    code: str
    name: str
    why: str


CLEAN_UP_SKIPPED = Rule(
    "CW001",
    "clean-up-skipped",
    "A clean-up that raises inside a finally skips those after it: what they give back stays out (O2, O3 of the case).",
)
MEMBER_SKIPPED = Rule(
    "CW002",
    "member-skipped",
    "A method that closes one member after the other leaves the others open when one close raises, and nobody closes again.",
)
CANCELLED_CLEAN_UP = Rule(
    "CW003",
    "cancelled-clean-up",
    "CancelledError is a BaseException and passes `except Exception`: a clean-up that is cancelled skips the next.",
)
AWAIT_BEFORE_CLEAN_UP = Rule(
    "CW004",
    "await-before-clean-up",
    "An await in a finally is where a task is cancelled: whatever is cleaned up after it may not be.",
)
EXCEPTION_ONLY = Rule(
    "CW005",
    "cleaned-up-on-exception-only",
    "CancelledError is a BaseException: what is closed in `except Exception` only stays open when the task is cancelled.",
)
UNGUARDED_CHECKOUT = Rule(
    "CW006",
    "unguarded-checkout",
    "A connection that is not given back in a `with` or a finally stays out when anything in between raises.",
)
RULES = (CLEAN_UP_SKIPPED, MEMBER_SKIPPED, CANCELLED_CLEAN_UP, AWAIT_BEFORE_CLEAN_UP, EXCEPTION_ONLY, UNGUARDED_CHECKOUT)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in a file: `line` and `column` count from 1, columns in characters; `last_line` is where it ends."""

    line: int
    column: int
    last_line: int


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake in a file: `sentence` says what is skipped by what, `instead` is what to write, in lines."""

    place: Place
    rule: Rule
    sentence: str
    instead: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that could not be looked at, and why; `line` is 0 where none is to blame."""

    line: int
    reason: str
