from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.journal.events import Pressure
from testbed.runtime.busyness import FILE, MachineBusyness

if TYPE_CHECKING:
    from pathlib import Path

AS_LINUX_TELLS = """some avg10=16.47 avg60=41.63 avg300=61.35 total=19848421269
full avg10=0.00 avg60=0.00 avg300=0.00 total=7
"""


def now() -> tuple[float, float]:
    """Return a time on both clocks."""
    return 3.0, 90_000.0


async def test_what_the_kernel_tells_is_read_in_seconds(tmp_path: Path) -> None:
    """Of the two lines it is the one for at least one thread."""
    file = tmp_path / "cpu"
    file.write_text(AS_LINUX_TELLS)
    assert await MachineBusyness(file).look(now) == (Pressure(t_s=3.0, night_s=90_000.0, cpu_stalled_s=19848.421269),)


@pytest.mark.parametrize("text", [None, "", "some avg10=0.00\n"])
async def test_a_kernel_that_does_not_tell_is_no_error(tmp_path: Path, text: str | None) -> None:
    """Without the file, or with another text in it, nothing is known."""
    file = tmp_path / "cpu"
    if text is not None:
        file.write_text(text)
    assert await MachineBusyness(file).look(now) == ()


@pytest.mark.skipif(not FILE.exists(), reason="this kernel has no pressure stall information")
async def test_this_machine_tells() -> None:
    """The text that is parsed is the one that a kernel writes."""
    (told,) = await MachineBusyness().look(now)
    assert told.cpu_stalled_s >= 0.0
