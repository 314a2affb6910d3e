"""Service restored by hand (O9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.journal.events import OperationEvent, Sample, Threads
from testbed.verdict import figures, stuck_spans

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.verdict.result import Result


@pytest.mark.fact("O9")
def test_the_evidence_is_taken_before_the_restart_and_service_is_back_after_it(replayed: Callable[[str, str], Result]) -> None:
    """Dumps come first; then the pools are whole again, nothing is stuck, and passengers are answered."""
    journal = replayed("restore", "original").journal
    restart = next(operation for operation in journal.of(OperationEvent) if (operation.operation, operation.state) == ("restart", "end"))
    dumps = [dump for dump in journal.of(Threads) if not dump.error]
    assert {dump.service for dump in dumps} == set(stuck_spans.services(journal))
    assert all(dump.t_s < restart.t_s for dump in dumps)
    assert figures.of(journal).most_leaked_connections == {"cf-1": 40, "cf-2": 40}
    last = {sample.service: sample for sample in journal.of(Sample)}
    assert [last[server].pool.leaked for server in journal.header.facility.application_servers if last[server].pool] == [0, 0]  # type: ignore[union-attr]
    assert not any(stuck_spans.is_stuck_at_end(journal, stuck_spans.find(journal), service) for service in stuck_spans.services(journal))
    answered = [
        transaction for transaction in journal.transactions if transaction.request.due_s > restart.t_s and transaction.ended == "answered"
    ]
    assert len(answered) > 30
