"""From the word in a scenario file to the class: the file of that name, and the one class that it defines."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def words_in(path: Iterable[str]) -> tuple[str, ...]:
    """Return the words that a package knows: the names of its modules, none of which is imported."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(path)))


def class_name(word: str) -> str:
    """Return the name of a word's class: `reset_peer` is `ResetPeer`."""
    return "".join(part.capitalize() for part in word.split("_"))


def load_word(package: str, path: Iterable[str], word: str, twin: str = "") -> Any:
    """Return the class of a word; raises KeyError when the package has no such file.

    `twin` is the class of the word `nothing`, the do-nothing twin.
    """
    if word not in words_in(path):
        raise KeyError(word)
    name = twin if twin and word == "nothing" else class_name(word)
    return getattr(importlib.import_module(f"{package}.{word}"), name)
