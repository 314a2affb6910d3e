from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from testbed.facility.observers import NoResources
from testbed.observe.resource_usage import usage_of

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it by files below /proc")
AT = (1.0, 82_800.0)


@linux
def test_a_process_is_weighed_by_what_the_system_tells() -> None:
    """Memory in both ways; descriptors and threads as they are."""
    before = usage_of("cf-1", os.getpid(), AT)
    with Path(__file__).open() as _:
        after = usage_of("cf-1", os.getpid(), AT)
    assert before is not None
    assert after is not None
    assert (after.service, after.pid, after.t_s, after.night_s) == ("cf-1", os.getpid(), *AT)
    assert 0 < after.private_bytes <= after.rss_bytes
    assert after.open_files == before.open_files + 1
    assert after.threads >= 1


def test_a_process_that_is_gone_is_left_out(tmp_path: Path) -> None:
    """Nor is one weighed where the system has no such files, or half of them."""
    assert usage_of("cf-1", 1, AT, tmp_path) is None
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "status").write_text("Name:\tpython\nThreads:\t3\n")
    (tmp_path / "1" / "fd").mkdir()
    assert usage_of("cf-1", 1, AT, tmp_path) is None
    (tmp_path / "1" / "status").write_text("Name:\tpython\nVmRSS:\t      10 kB\nRssAnon:\t       4 kB\nThreads:\t3\n")
    usage = usage_of("cf-1", 1, AT, tmp_path)
    assert usage is not None
    assert (usage.rss_bytes, usage.private_bytes, usage.open_files, usage.threads) == (10_240, 4_096, 0, 3)


def test_nothing_weighs_nothing() -> None:
    """The do-nothing twin is never asked, and would see nothing."""
    assert NoResources().every_s is None
    assert asyncio.run(NoResources().look(lambda: AT)) == ()
