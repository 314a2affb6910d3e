"""A thread dump, as `py-spy dump --json` wrote it: its threads, their calls, and the module that each call is in."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from testbed.errors import DumpError, bounded
from testbed.plan import given_file

if TYPE_CHECKING:
    from pathlib import Path

MOST_DUMP_BYTES = 64 * given_file.MIB  # of 40 threads with 20 calls each: 0.3 MB
KEPT_CALLS = 4_096  # that are not made again: the dumps of a facility show the same few hundred
MAIN = "MainThread"
# Where Python keeps its own library, and what was installed; Debian says `dist-packages`.
INSTALLED = re.compile(r"^(.*/(?:site|dist)-packages)/(.+)$")
STANDARD = re.compile(r"/lib(?:64)?/(?:python|pypy)3(?:\.\d+)?t?/((?!(?:site|dist)-packages/).+)$")
FROZEN = re.compile(r"^<frozen ([\w.]+)>$")
# The calls by which any thread starts; before Python 3.11, py-spy knows no class of a call.
STARTS = {"Thread._bootstrap", "Thread._bootstrap_inner", "Thread.run", "_bootstrap", "_bootstrap_inner", "run"}
SUFFIX = re.compile(r"(?:/__init__)?\.pyc?$")


@dataclass(frozen=True, slots=True)
class Call:
    """A call on a stack: the function (with its class, where the interpreter tells), the file, the line.

    `module`: its dotted name, of a file of the standard library or of an installed package; empty for any other. `installed_in`: the
    directory of installed packages that the file is in; empty for any other.
    """

    name: str
    file: str
    line: int
    module: str
    installed_in: str

    @property
    def function(self) -> str:
        """The function's bare name."""
        return self.name.rpartition(".")[2]

    def is_in(self, module: str) -> bool:
        """Whether it is in a module, or in one below it."""
        return self.module == module or self.module.startswith(f"{module}.")

    def __str__(self) -> str:
        return f"{self.name} ({self.module or '/'.join(self.file.split('/')[-2:])})"


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread and its calls, the outermost first."""

    name: str
    calls: tuple[Call, ...]

    @property
    def is_main(self) -> bool:
        """Whether it is the one that the process began with."""
        return self.name == MAIN

    @property
    def own_calls(self) -> tuple[Call, ...]:
        """Its calls without those by which Python starts any thread or program."""
        for number, call in enumerate(self.calls):
            starts = call.is_in("threading") and call.name in STARTS
            if not starts and not call.is_in("runpy"):
                return self.calls[number:]
        return ()


class _Call(BaseModel):
    name: str
    filename: str
    line: int


class _Thread(BaseModel):
    thread_name: str | None = None
    thread_id: int
    frames: list[_Call]


_dump: TypeAdapter[list[_Thread]] = TypeAdapter(Annotated[list[_Thread], Field(max_length=100_000)])


def read(path: Path) -> tuple[Thread, ...]:
    """Read a dump; raises DumpError for a file that cannot be read, or is none."""
    try:
        text = given_file.read(path, MOST_DUMP_BYTES)
    except (OSError, ValueError) as error:  # ValueError: a path that no system has
        raise DumpError(f"the dump {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    try:
        threads = _dump.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        mistake = bounded(f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}")
        raise DumpError(f"{path} is no dump of `py-spy dump --json`: {mistake}") from error
    return tuple(
        Thread(
            thread.thread_name or f"thread {thread.thread_id}",
            tuple(_call(frame.name, frame.filename, frame.line) for frame in reversed(thread.frames)),
        )
        for thread in threads
    )


@functools.lru_cache(maxsize=KEPT_CALLS)
def _call(name: str, file: str, line: int) -> Call:
    installed = INSTALLED.match(file)
    if installed:
        return Call(name, file, line, _dotted(installed[2]), installed[1])
    standard = STANDARD.search(file)
    frozen = FROZEN.match(file)
    module = _dotted(standard[1]) if standard else frozen[1] if frozen else ""
    return Call(name, file, line, module, "")


def _dotted(file: str) -> str:
    return SUFFIX.sub("", file).replace("/", ".")
