"""Parses the thread dump of a JVM, as `jcmd PID Thread.print`, `jstack PID` and SIGQUIT write it (HotSpot, Java 8 and later)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from testbed.foreign.thread import ForeignDump, ForeignThread, Lock
from testbed.observe.py_spy import Frame, Stack

BEGINS = "Full thread dump"
ENDS = "JNI global ref"  # behind the last thread: `JNI global refs: 15, weak refs: 0`, `JNI global references: 12`
THREAD = re.compile(r'"(?P<name>.*)" (?:#\d+ |\[\d+\] |daemon |prio=\d+ |os_prio=)')
TID, NID = re.compile(r"\btid=(0x[0-9a-f]+)"), re.compile(r"\bnid=(0x[0-9a-f]+|\d+)")
STATE = re.compile(r"\s+java\.lang\.Thread\.State: (\w+)")
CALL = re.compile(r"\s+at (?P<name>[^\s(]+)\((?:[^()/]*/)?(?P<file>[^():]+)(?::(?P<line>\d+))?\)")
OBJECT = r"<(?P<at>0x[0-9a-f]+)> \(an? (?P<kind>[^)]+)\)"
LOCK = re.compile(r"\s+- (?P<what>waiting to lock|waiting to re-lock in wait\(\)|waiting on|parking to wait for|locked)\s+" + OBJECT)
OWNED = re.compile(r"\s+- " + OBJECT)
ADDRESS = re.compile(r"/0x[0-9a-f]+")  # of a hidden class: another one in every process
DEADLOCK = re.compile(r"Found (?:one|a) Java-level deadlock")
STACKS = "Java stack information for the threads listed above"
IN_DEADLOCK = re.compile(r'"(?P<name>.*)":$')
WANTED = {"waiting to lock", "waiting to re-lock in wait()", "parking to wait for"}


@dataclass(slots=True)
class _Found:
    """A thread whose lines are still being read, the innermost call first."""

    name: str
    os_id: int
    ident: int
    says: str = ""
    frames: list[Frame] = field(default_factory=list)
    wants: Lock | None = None
    holds: list[Lock] = field(default_factory=list)
    waits_on: set[str] = field(default_factory=set)

    def read(self, line: str) -> None:
        """Read a line below the thread's name; one that tells nothing known is passed over."""
        if state := STATE.match(line):
            self.says = state[1]
        elif call := CALL.match(line):
            name = ADDRESS.sub("", call["name"]).rpartition("/")[2]  # without the loader and module: `app//`, `java.base@17/`
            self.frames.append(Frame(name, call["file"], int(call["line"] or 0)))
        elif lock := LOCK.match(line):
            self._lock(lock["what"], Lock(lock["at"], lock["kind"]))
        elif owned := OWNED.match(line):
            self.holds.append(Lock(owned["at"], owned["kind"]))

    def _lock(self, what: str, lock: Lock) -> None:
        if what == "waiting on":  # `Object.wait` has given it back, whatever is said of it further out
            self.waits_on.add(lock.address)
        elif what == "locked":
            if lock.address not in self.waits_on and lock not in self.holds:
                self.holds.append(lock)
        elif self.wants is None:
            self.wants = lock

    def thread(self) -> ForeignThread:
        """Return what was read."""
        stack = Stack(self.name, tuple(reversed(self.frames)), self.os_id, self.ident)
        return ForeignThread(stack, self.says, self.wants, tuple(self.holds))


def parse(text: str) -> ForeignDump:
    """Return the threads of the last dump in a text, which may have other lines before, behind and between; none: there is no dump."""
    begins = text.rfind(BEGINS)
    if begins < 0:
        return ForeignDump(())
    found: list[_Found] = []
    lines = text[begins:].splitlines()
    ended = len(lines)
    for number, line in enumerate(lines):
        if line.startswith(ENDS) or DEADLOCK.match(line):
            ended = number
            break
        if header := THREAD.match(line):
            found.append(_Found(header["name"], _number(NID, line), _number(TID, line)))
        elif found:
            found[-1].read(line)
    return ForeignDump(tuple(thread.thread() for thread in found), _deadlocks(lines[ended:]))


def is_complete(text: str) -> bool:
    """Whether the last dump in a text has its end; what a JVM finds in deadlocks is written behind that, at once."""
    return ENDS in text[max(0, text.rfind(BEGINS)) :]


def _number(pattern: re.Pattern[str], line: str) -> int:
    found = pattern.search(line)
    return int(found[1], 0) if found else 0


def _deadlocks(lines: list[str]) -> tuple[tuple[str, ...], ...]:
    """Return the names of the threads of each deadlock, in the order in which each waits for the next."""
    found: list[list[str]] = []
    naming = False
    for line in lines:
        if DEADLOCK.match(line):
            found.append([])
            naming = True
        elif line.startswith(STACKS):
            naming = False
        elif naming and (name := IN_DEADLOCK.match(line)):
            found[-1].append(name["name"])
    return tuple(tuple(names) for names in found if names)
