from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.errors import FacilityError
from testbed.facility.probe import ProbeResult
from testbed.fakes.probe import FakeProbe
from testbed.fakes.virtual_time import run
from testbed.faults.slow_accept import SlowAccept
from tests.faults.acting import acting

if TYPE_CHECKING:
    from pathlib import Path

FULL_BEFORE = ProbeResult("answered", 1.1)
NEVER_PAST = ProbeResult("unconnected", 20.0, first_byte_s=0.6, queued=6)
ROOM = ProbeResult("answered", 0.001)
NOBODY_SERVED = ProbeResult("unconnected", 20.0, queued=6)
NO_END = ProbeResult("answered", 1.1, first_byte_s=0.6, queued=600)


def inject(directory: Path, monkeypatch: pytest.MonkeyPatch, result: ProbeResult) -> str:
    """Inject the fault where a probe sees this; return what is said of it."""

    async def seen(_: FakeProbe) -> ProbeResult:
        return result

    async def injecting() -> str:
        async with acting(directory) as actions:
            monkeypatch.setattr(FakeProbe, "wait_result", seen)
            return await actions.inject(SlowAccept())

    return run(injecting())


@pytest.mark.parametrize("result", [FULL_BEFORE, NEVER_PAST], ids=["full before", "never past"])
def test_a_queue_is_full_however_the_probe_found_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result: ProbeResult) -> None:
    """By others, so that its first connection had to wait; or so that no attempt past it found room in time."""
    assert inject(tmp_path, monkeypatch, result) == f"a connection to database is accepted every 500 ms: {result}"


@pytest.mark.parametrize("result", [ROOM, NOBODY_SERVED, NO_END], ids=["room", "nobody served", "no end"])
def test_a_queue_that_is_not_full_or_that_nobody_empties_is_another_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result: ProbeResult
) -> None:
    """It has failed, and says what was seen."""
    with pytest.raises(FacilityError, match="expected a queue of 5 at database to fill, and who waits to be served; saw: "):
        inject(tmp_path, monkeypatch, result)
