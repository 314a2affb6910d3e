"""The words in which a program says that the machine has no more to give: of memory, processes, descriptors, or space on a disk.

They are those of Python, of the C library (`errno`), of PostgreSQL, and of the runtimes of C++ and Rust, whose extensions end the process.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.journal.events import Resource

LONGEST_LINE = 300  # characters of a line that are kept
NEAR = 6  # times as many lines as are told, from the end: a dump of all threads may follow what was lacking

# In this order: a process that could not be forked may lack memory, and says so.
WORDS: dict[Resource, re.Pattern[str]] = {
    "memory": re.compile(
        r"\bMemoryError\b|Cannot allocate memory|\bout of memory\b|\bOutOfMemory\b|\bbad_alloc\b|memory allocation of \d+ bytes failed"
        r"|failed to map segment|could not (?:resize|create) shared memory segment|\bENOMEM\b",
        re.IGNORECASE,
    ),
    "descriptors": re.compile(r"Too many open files|out of file descriptors|\bEMFILE\b|\bENFILE\b", re.IGNORECASE),
    "processes": re.compile(
        r"can't start new thread|could not fork|pthread_create\b.*(?:failed|unavailable)|uv_thread_create|cannot fork"
        r"|(?:fork|thread|clone|process).*Resource temporarily unavailable|BlockingIOError: \[Errno 11\].*Resource temporarily unavailable",
        re.IGNORECASE,
    ),
    "space": re.compile(r"No space left on device|\bDiskFull\b|Disk quota exceeded|\bENOSPC\b", re.IGNORECASE),
}


def shortage_in(text: str) -> Resource | None:
    """Return what a line, or the text of an error, says was lacking; None for most."""
    return next((resource for resource, words in WORDS.items() if words.search(text)), None)


def shortages_in(text: str) -> dict[Resource, list[str]]:
    """Return the lines of a text that say that something was lacking, shortened, by what."""
    found: dict[Resource, list[str]] = {}
    for line in text.splitlines():
        resource = shortage_in(line)
        if resource is not None:
            found.setdefault(resource, []).append(line.strip()[:LONGEST_LINE])
    return found


def last_words(lines: Sequence[str], count: int) -> str:
    """Return the last lines of a program; or the one that says what was lacking, where one is near: frames around it say no more."""
    lacking = [line.strip()[:LONGEST_LINE] for line in lines[-NEAR * count :] if shortage_in(line) is not None]
    return lacking[-1] if lacking else "\n".join(lines[-count:])
