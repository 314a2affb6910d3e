"""The address of the database leads to a standby: half of the work goes on, and no check tells that the other half does not."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from scenarios.replays import LEAST_S
from testbed.journal.events import OperationEvent, Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.verdict.result import Result


def test_who_reads_is_answered_nobody_checks_in_and_every_health_check_is_green(replayed: Callable[[str, str], Result]) -> None:
    """From the moment at which the address leads to the standby until it leads back."""
    journal = replayed("read_only", "fixed").journal
    moments_s = {(event.operation, event.state): event.t_s for event in journal.of(OperationEvent)}
    from_s, to_s = moments_s["read_only", "end"], moments_s["heal", "begin"]
    assert to_s - from_s >= LEAST_S["read_only"]  # or it was replayed again; four check-ins are due in each second
    ended = Counter(
        (transaction.request.transaction, transaction.ended)
        for transaction in journal.transactions
        if from_s < transaction.request.due_s and transaction.response is not None and transaction.response.t_s < to_s
    )
    assert ended["check_in", "answered"] == 0
    assert ended["check_in", "failed"] >= 3
    assert ended["flight_status", "answered"] >= 1
    during = [sample for sample in journal.of(Sample) if from_s < sample.t_s < to_s]
    assert len(during) >= 10
    assert all(sample.health for sample in during)
