"""Parses a thread dump of whatever kind: that of a JVM, of py-spy, of Python's `faulthandler`, of Go."""

from __future__ import annotations

from testbed.errors import DumpError
from testbed.foreign import go_dump, jvm_dump, python_dump
from testbed.foreign.thread import ForeignDump, ForeignThread
from testbed.observe.py_spy import parse_dump

KINDS = "allowed: the dump of a JVM (jcmd PID Thread.print), of `py-spy dump --json`, of Python's faulthandler, or of Go's pprof (debug=2)"


def parse(printed: bytes) -> ForeignDump:
    """Return the threads of a dump; raises DumpError for a text that has none, with its begin."""
    if printed.lstrip().startswith(b"["):
        try:
            return ForeignDump(tuple(ForeignThread(stack) for stack in parse_dump(printed)))
        except DumpError:
            pass  # a log may begin with a bracket, too
    text = printed.decode(errors="replace")
    for parse_text in (jvm_dump.parse, python_dump.parse, go_dump.parse):
        dump = parse_text(text)
        if dump.threads:
            return dump
    begin = next((line for line in text.splitlines() if line.strip()), "nothing")
    raise DumpError(f"no thread dump in it: {begin[:80]!r}; {KINDS}")
