"""Templates: texts in which `{name}` stands for a value.

Other braces are braces, so that JSON needs none doubled; `{{name}}` is the text `{name}` itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

FIELD = re.compile(r"\{\{([A-Za-z_]\w*)\}\}|\{([A-Za-z_]\w*)\}")


def names_in(value: Any) -> Iterator[str]:
    """Yield the names in a text, or in the texts of a table or list, however deep."""
    if isinstance(value, str):
        yield from (name for _, name in FIELD.findall(value) if name)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from names_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from names_in(inner)


def filled(text: str, values: Mapping[str, object], quoted: Callable[[str], str] = str) -> str:
    """Return the text with each `{name}` replaced by its value, as `quoted` writes it there; raises KeyError for another name."""
    return FIELD.sub(lambda found: f"{{{found[1]}}}" if found[1] else quoted(str(values[found[2]])), text)


def filled_table(value: Any, values: Mapping[str, object]) -> Any:
    """Return a table or list with each text in it filled; one that is a single template gets the value itself, whatever its kind."""
    if isinstance(value, str):
        whole = FIELD.fullmatch(value)
        return values[whole[2]] if whole is not None and whole[2] else filled(value, values)
    if isinstance(value, dict):
        return {name: filled_table(inner, values) for name, inner in value.items()}
    return [filled_table(inner, values) for inner in value] if isinstance(value, list | tuple) else value
