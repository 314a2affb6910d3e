"""An answer that takes two real minutes (W5), over the real facility (`pytest -m minutes`)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

import testbed
from testbed import scenario_file

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.minutes
TWO_MINUTES_S = 120.0
SLOWLY = {
    "latency_ms = 2000": "latency_ms = 120_000",
    'to = "06:05", speed = 60': 'to = "06:05", speed = 1',  # the night's own clock, while the fault is there
    "rate_per_minute = 30": "rate_per_minute = 6",
}


def slowly(directory: Path) -> Path:
    """Write the scenario `two_minutes` with real minutes, and return its path."""
    text = testbed.load_scenario("two_minutes").path.read_text(encoding="utf-8")
    for quick, slow in SLOWLY.items():
        assert text.count(quick) == 1, quick
        text = text.replace(quick, slow)
    path = directory / "two_real_minutes.toml"
    path.write_text(text, encoding="utf-8")
    assert scenario_file.load(path).variants
    return path


@pytest.mark.fact("W5", "A5")
def test_two_real_minutes_before_an_answer_are_waited_for_by_everybody(tmp_path: Path) -> None:
    """Nobody gives up: whoever asks while every answer of the database takes two minutes is answered, and not before they are over."""
    [result] = testbed.replay(slowly(tmp_path), variants=["original"], runs=tmp_path)
    sent = result.journal.transactions
    took_s = [transaction.response.answered_s - transaction.request.due_s for transaction in sent if transaction.response]
    sys.stdout.write(f"{len(took_s)} of {len(sent)} came back, the slowest after {max(took_s):.1f} s\n")
    assert {transaction.ended for transaction in sent} == {"answered"}
    assert max(took_s) >= TWO_MINUTES_S
    assert result.judgement.verdict == "held", [finding.text for finding in result.judgement.findings if finding.verdict != "held"]
