from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest

from testbed.errors import FacilityError
from testbed.facility.address import Address
from testbed.runtime.processes import log_disks
from testbed.runtime.processes.log_disks import DEVICE, ProcessLogDisks

pytestmark = pytest.mark.fact("W7")


def append(log: Path) -> None:
    """Append a line as a server does."""
    with log.open("ab", buffering=0) as lines:
        lines.write(b"a line\n")


@pytest.mark.skipif(not DEVICE.is_char_device(), reason=f"this system has no {DEVICE}")
def test_a_disk_that_is_filled_takes_nothing_until_it_is_freed(tmp_path: Path) -> None:
    """Only that of the named server; what was written before is still there."""
    logs = ProcessLogDisks(tmp_path, ("cf-1", "cf-2"))
    logs.prepare()
    append(logs.log_of("cf-1"))
    asyncio.run(logs.fill("cf-1"))
    with pytest.raises(OSError, match="No space left") as raised:
        append(logs.log_of("cf-1"))
    assert raised.value.errno == errno.ENOSPC
    append(logs.log_of("cf-2"))
    assert logs.full() == ("cf-1",)
    asyncio.run(logs.free("cf-1"))
    append(logs.log_of("cf-1"))
    assert logs.full() == ()
    assert logs.log_of("cf-1").read_text() == "a line\n" * 2


def test_where_there_is_no_full_device_the_fault_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And which runtime can fill a disk."""
    monkeypatch.setattr(log_disks, "DEVICE", tmp_path / "full")
    logs = ProcessLogDisks(tmp_path, ("cf-1",))
    with pytest.raises(FacilityError, match=r"this system has no .*; --runtime containers can fill a real one"):
        asyncio.run(logs.fill("cf-1"))


def test_whether_a_server_that_does_not_answer_can_log_is_unknown(tmp_path: Path) -> None:
    """That is an error of the facility, and neither yes nor no."""
    with pytest.raises(FacilityError, match="cf-1 does not answer whether it can log"):
        asyncio.run(ProcessLogDisks(tmp_path, ("cf-1",)).log_line_error("cf-1", Address("127.0.0.1", 1)))
