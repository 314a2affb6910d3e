from __future__ import annotations

import errno
import os

import pytest

from testbed.journal.shortages import LONGEST_LINE, last_words, shortage_in, shortages_in


@pytest.mark.parametrize(
    ("line", "resource"),
    [
        ("MemoryError", "memory"),
        (f"OSError: [Errno 12] {os.strerror(errno.ENOMEM)}", "memory"),
        ("psycopg.errors.OutOfMemory: out of memory", "memory"),
        ("2026-01-01 [7] ERROR:  out of memory", "memory"),
        ("2026-01-01 [7] LOG:  could not fork new process for connection: Cannot allocate memory", "memory"),
        ("ImportError: libx.so: failed to map segment from shared object", "memory"),
        ("memory allocation of 3145728 bytes failed", "memory"),
        ("terminate called after throwing an instance of 'std::bad_alloc'", "memory"),
        ("RuntimeError: can't start new thread", "processes"),
        (f"BlockingIOError: [Errno 11] {os.strerror(errno.EAGAIN)}", "processes"),
        ("2026-01-01 [7] LOG:  could not fork new process for connection: Resource temporarily unavailable", "processes"),
        (f"OSError: [Errno 24] {os.strerror(errno.EMFILE)}", "descriptors"),
        (f"OSError: [Errno 23] {os.strerror(errno.ENFILE)}", "descriptors"),
        ("socket.accept() out of system resource: [Errno 24] Too many open files", "descriptors"),
        (f"OSError: [Errno 28] {os.strerror(errno.ENOSPC)}", "space"),
        ('503: {"detail":"DiskFull: could not extend file', "space"),
        # What a facility says in a good or a bad night of its own:
        ("PoolTimeout: no connection within 0.50 s: 40 of 40 out", None),
        ("OperationalError: the connection is closed", None),
        ("FATAL:  sorry, too many clients already", None),
        ("ConnectionResetError: [Errno 104] Connection reset by peer", None),
        ("503: refused before any work", None),
        ("", None),
    ],
)
def test_what_was_lacking_is_known_by_its_words(line: str, resource: str | None) -> None:
    """Of Python, PostgreSQL and the kernel; what fails for another reason says none of them."""
    assert shortage_in(line) == resource


def test_the_lines_of_a_log_are_told_by_what_was_lacking() -> None:
    """Each with its words, shortened."""
    text = f"INFO: all is well\n  MemoryError\nOSError: Too many open files {'x' * 1000}\nMemoryError: again\n"
    found = shortages_in(text)
    assert found["memory"] == ["MemoryError", "MemoryError: again"]
    assert [len(line) for line in found["descriptors"]] == [LONGEST_LINE]
    assert found.keys() == {"memory", "descriptors"}


def test_the_last_words_of_a_program_that_lacked_something_say_what() -> None:
    """In one line, without the frames around it; of any other they are its last lines."""
    raised = ["Traceback (most recent call last):", '  File "a.py", line 7, in main', "MemoryError", "Extension modules: a"]
    assert last_words(raised, 2) == "MemoryError"
    assert last_words(["MemoryError", *["all is well"] * 100, "no such lookup", "bye"], 2) == "no such lookup\nbye"
    assert last_words([], 2) == ""
