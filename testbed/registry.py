"""From the word in a scenario file to the class: the file of that name, and the one class that it defines."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import is_dataclass
from inspect import iscoroutinefunction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.errors import WordError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType


def words_in(path: Iterable[str]) -> tuple[str, ...]:
    """Return the words that a package knows: the names of its modules, none of which is imported."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(path)))


def class_name(word: str) -> str:
    """Return the name of a word's class: `reset_peer` is `ResetPeer`."""
    return "".join(part.capitalize() for part in word.split("_"))


def load_word(package: str, path: Iterable[str], word: str, method: str, twin: str = "") -> Any:
    """Return the class of a word, a dataclass with the coroutine function `method`; raises KeyError when the package has no such file.

    `twin` is the class of the word `nothing`, the do-nothing twin. Raises WordError when the file is there and wrong.
    """
    module = _module(package, path, word)
    name = twin if twin and word == "nothing" else class_name(word)
    found = getattr(module, name, None)
    wanted = f"allowed: a class {name}, a frozen dataclass with `async def {method}`"
    if not isinstance(found, type):
        there = [other for other, kind in vars(module).items() if isinstance(kind, type) and kind.__module__ == module.__name__]
        raise WordError(f"{_file(module)}: it has {'the class ' + ', '.join(there) if there else 'no class'}; {wanted}")
    if not is_dataclass(found):
        raise WordError(f"{_file(module)}: its class {name} is no dataclass; {wanted}")
    if not iscoroutinefunction(getattr(found, method, None)):
        raise WordError(f"{_file(module)}: its class {name} has no `async def {method}`; {wanted}")
    return found


def load_function(package: str, path: Iterable[str], word: str, name: str) -> Any:
    """Return the function of a word; raises KeyError when the package has no such file, and WordError when the file is wrong."""
    module = _module(package, path, word)
    found = getattr(module, name, None)
    if not callable(found):
        raise WordError(f"{_file(module)}: it has no function {name}; allowed: a function `def {name}`")
    return found


def _module(package: str, path: Iterable[str], word: str) -> ModuleType:
    """Import the file of a word."""
    folders = tuple(path)
    if word not in words_in(folders):
        raise KeyError(word)
    try:
        return importlib.import_module(f"{package}.{word}")
    except Exception as error:  # what a file does when it is imported may raise anything
        file = next((file for folder in folders if (file := Path(folder) / f"{word}.py").is_file()), Path(word))
        text = " ".join(str(error).split())
        raise WordError(f"{file}: it cannot be imported: {type(error).__name__}: {text}; put that right") from error


def _file(module: ModuleType) -> str:
    return module.__file__ or module.__name__
