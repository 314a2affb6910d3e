"""What the server lets the page say: a code with its fields, for which `page/texts.js` has the sentence.

Wherever a page is sent a text, it is either somebody's own words, a string, or such a code. So the page has all fixed texts in one file,
and can be translated. A field may be a name, a number, a list of names, or again something that is said.
"""

from __future__ import annotations

from typing import Any

from testbed.errors import TestbedError, shortened, visible

MOST_FIELD, MOST_LISTED = 500, 15  # characters of a field, and names in a list

Said = dict[str, Any]  # as JSON: `code`, and fields beside it
Told = str | Said  # somebody's own words, or what the page has the words for


def say(code: str, /, **fields: object) -> Said:
    """Return what the page says for a code, which is always a literal: a test compares all of them with the texts of the page."""
    return {"code": code, **fields}


def bug(error: Exception) -> Said:
    """Return what the page says of an error that nobody expected."""
    return say("bug", why=f"{type(error).__name__}: {error}")


def bounded(told: Told) -> Told:
    """Return what is said with its words visible and in bounds, for a reply: errors of others have words of any length."""
    if isinstance(told, str):
        return shortened(visible(told), MOST_FIELD)
    return {name: _bounded(value) for name, value in told.items()}


def _bounded(value: object) -> object:
    if isinstance(value, str | dict):
        return bounded(value)
    if isinstance(value, list) and len(value) > MOST_LISTED:
        return [*value[:MOST_LISTED], "…"]
    return value


class RefusalError(TestbedError):
    """An order that is not carried out; `said` is why, and the message is for journals and consoles, where no page finds words for it."""

    def __init__(self, said: Said, message: str = "") -> None:
        fields = ", ".join(f"{name}: {value}" for name, value in said.items() if name != "code")
        super().__init__(message or said["code"] + (f" ({fields})" if fields else ""))
        self.said = said
