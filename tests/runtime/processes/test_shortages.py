from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.runtime.processes.shortages import ProcessShortages

if TYPE_CHECKING:
    from pathlib import Path


def now() -> tuple[float, float]:
    """Return a time on both clocks."""
    return 3.0, 90_000.0


async def told(shortages: ProcessShortages) -> list[tuple[str, str, int, str]]:
    """Return what a look finds."""
    return [(event.of, event.resource, event.lines, event.line) for event in await shortages.look(now)]


async def test_each_line_that_says_what_was_lacking_is_found_once(tmp_path: Path) -> None:
    """Whole lines only; the next look goes on where this one ended."""
    log = tmp_path / "cf-1.log"
    log.write_text("MemoryError\nMemoryError\nOSError: Too many op")
    shortages = ProcessShortages(tmp_path, ())
    assert await told(shortages) == [("cf-1", "memory", 2, "MemoryError")]
    assert await told(shortages) == []
    with log.open("a") as more:
        more.write("en files\n")
    assert await told(shortages) == [("cf-1", "descriptors", 1, "OSError: Too many open files")]


async def test_what_others_lacked_before_is_not_this_facility_s(tmp_path: Path) -> None:
    """Of a program that several share only what it says from now on; of a log that leads elsewhere, nothing."""
    shared, facility = tmp_path / "toxiproxy.log", tmp_path / "facility"
    facility.mkdir()
    shared.write_text("MemoryError\n")
    (facility / "cf-1-errors.log").symlink_to("/dev/full")
    (facility / "cf-1-errors.kept.log").write_text("error lookup_by_city: DiskFull: could not extend file\n")
    shortages = ProcessShortages(facility, (shared, tmp_path / "never.log"))
    with shared.open("a") as more:
        more.write("can't start new thread\n")
    assert [shortage[:2] for shortage in await told(shortages)] == [("cf-1", "space"), ("toxiproxy", "processes")]
