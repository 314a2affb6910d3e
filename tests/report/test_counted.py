from __future__ import annotations

from testbed.report.counted import counted


def test_one_thing_is_told_in_the_singular() -> None:
    """And none, or several, in the plural."""
    assert [counted(count, "thread") for count in (0, 1, 2)] == ["0 threads", "1 thread", "2 threads"]
