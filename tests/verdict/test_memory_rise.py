from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.journal.events import MIB, OperationEvent, ResourceUsage
from testbed.verdict import figures
from testbed.verdict.checks import memory_rise_mib
from testbed.verdict.finding import Verdict
from tests.journals import CALLERS, SERVERS, NightBuilder

if TYPE_CHECKING:
    from testbed.journal.reader import Journal


def sampled(kiosk: tuple[int, ...], *, fault: str = "burst", services: tuple[str, ...] = (*SERVERS, *CALLERS)) -> Journal:
    """Write a night with a fault from 1.5 s to 3 s, and memory samples at 1 s, 2 s and so on: the kiosk's, and 60 MiB of each other."""
    night = NightBuilder()
    for t_s, mib in enumerate(kiosk, start=1):
        for service in services:
            size = (mib if service == "kiosk" else 60) * MIB
            night.events.append(
                ResourceUsage(**night.at(t_s), service=service, pid=1, rss_bytes=size, private_bytes=size, open_files=9, threads=1)
            )
    night.events.append(OperationEvent(**night.at(1.5), operation=fault, id=1, state="begin"))
    night.events.append(OperationEvent(**night.at(3.0), operation=fault, id=1, state="end", duration_s=1.5))
    return night.journal()


@pytest.mark.fact("W6", "S9")
@pytest.mark.parametrize(("allowed", "verdict"), [(140, Verdict.HELD), (139, Verdict.BROKEN)])
def test_memory_is_listed_before_at_the_peak_and_at_the_end(allowed: float, verdict: Verdict) -> None:
    """Of every process, in MiB; what is judged is the most that one of them rose by."""
    journal = sampled((60, 200, 150, 110))
    finding = memory_rise_mib.check(journal, figures.of(journal), allowed)
    assert finding.verdict is verdict
    assert finding.text.startswith("MiB before, at the peak, at the end: cf-1 60, 60, 60; cf-2 60, 60, 60; kiosk 60, 200, 110; ")
    assert finding.text.endswith(f"rose by 140 MiB, expected at most {allowed} MiB")


@pytest.mark.parametrize(
    "journal",
    [sampled(()), sampled((60,)), sampled((60, 70), fault="nothing"), sampled((60, 70), services=("kiosk",))],
    ids=["no sample", "only before", "no fault", "not every process"],
)
def test_memory_that_was_not_sampled_is_unknown(journal: Journal) -> None:
    """Without samples on both sides of the fault there is no rise."""
    assert memory_rise_mib.check(journal, figures.of(journal), 1000.0).verdict is Verdict.UNKNOWN
