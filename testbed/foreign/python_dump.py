"""Parses what Python's `faulthandler` writes on a signal: the calls of each thread, and its name since Python 3.14."""

from __future__ import annotations

import re

from testbed.foreign.thread import ForeignDump, ForeignThread
from testbed.observe.py_spy import Frame, Stack

THREAD = re.compile(r"(?P<current>Current thread|Thread) (?P<ident>0x[0-9a-f]+)(?: \[(?P<name>.*)\])? \(most recent call first\):")
CALL = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+|\?\?\?) in (?P<name>.+)')


def parse(text: str) -> ForeignDump:
    """Return the threads of the last dump in a text, which may have other lines before, behind and between; none: there is no dump.

    A dump ends with the thread that runs Python at that moment (`Current thread`), if any does.
    """
    dumps: list[list[tuple[re.Match[str], list[Frame]]]] = [[]]
    for line in text.splitlines():
        if header := THREAD.fullmatch(line):
            if any(header["ident"] == earlier["ident"] for earlier, _ in dumps[-1]):
                dumps.append([])  # a thread is in a dump once
            dumps[-1].append((header, []))
        elif (call := CALL.fullmatch(line)) and dumps[-1]:
            number = int(call["line"]) if call["line"].isdecimal() else 0
            dumps[-1][-1][1].append(Frame(call["name"], call["file"], number))
    return ForeignDump(tuple(_thread(header, frames) for header, frames in dumps[-1]))


def _thread(header: re.Match[str], frames: list[Frame]) -> ForeignThread:
    ident = int(header["ident"], 16)
    name = header["name"]
    return ForeignThread(Stack(name or f"thread {ident:#x}", tuple(reversed(frames)), ident=ident), is_named=bool(name))
