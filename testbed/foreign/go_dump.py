"""Parses a dump of Go's goroutines, as `/debug/pprof/goroutine?debug=2` of net/http/pprof writes it, or a handler of the program's own.

SIGQUIT makes a Go program write the same, but ends it. A goroutine is no thread; each counts as one here, for its calls.
"""

from __future__ import annotations

import re

from testbed.foreign.thread import ForeignDump, ForeignThread
from testbed.observe.py_spy import Frame, Stack

GOROUTINE = re.compile(r"goroutine (?P<id>\d+)(?: gp=\S+ m=\S+(?: mp=\S+)?)? \[(?P<state>[^\],]*)(?:, [^\]]*)?\]:")
CALL = re.compile(r"(?P<name>\S.*)\([^()]*\)$")
PLACE = re.compile(r"\t(?P<file>.+):(?P<line>\d+)(?: \+0x[0-9a-f]+)?$")
CREATED = "created by "


def parse(text: str) -> ForeignDump:
    """Return the goroutines in a text, which may have other lines; none: there is no dump. `says` is Go's word, such as `IO wait`."""
    threads: list[ForeignThread] = []
    frames: list[Frame] = []
    header: re.Match[str] | None = None
    name = ""
    for line in [*text.splitlines(), ""]:
        if header is None:
            header, frames, name = GOROUTINE.match(line), [], ""
        elif not line.strip():
            threads.append(_thread(header, frames))
            header = None
        elif place := PLACE.match(line):
            if name:
                frames.append(Frame(name, place["file"], int(place["line"])))
            name = ""
        else:
            call = None if line.startswith(CREATED) else CALL.match(line)
            name = call["name"] if call else ""
    return ForeignDump(tuple(threads))


def _thread(header: re.Match[str], frames: list[Frame]) -> ForeignThread:
    number = int(header["id"])
    return ForeignThread(Stack(f"goroutine {number}", tuple(reversed(frames)), ident=number), header["state"], is_named=False)
