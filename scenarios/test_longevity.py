"""What a day under load finds (S7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.journal.events import ResourceUsage
from testbed.verdict import judge, stuck_spans
from testbed.verdict.checks import longevity

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.verdict.result import Result

PLANTED = {
    "purged": set(),
    "leaking_connections": {"connections of cf-1", "connections of cf-2"},
    "leaking_memory": {"memory of cf-1", "memory of cf-2"},
    "unpurged": {"rows of sessions"},
}


@pytest.mark.fact("S7")
@pytest.mark.parametrize(("variant", "planted"), PLANTED.items(), ids=PLANTED)
def test_what_was_planted_is_found_where_it_is(replayed: Callable[[str, str], Result], variant: str, planted: set[str]) -> None:
    """By name, and nothing beside it but what grows with it; every passenger was answered, so nobody has noticed yet."""
    journal = replayed("longevity", variant).journal
    rising = {judged.series.name for judged in longevity.judged(journal) if judged.slope.rises}
    assert bool(rising) is bool(planted)
    assert rising <= planted | {name.replace("rows", "table") for name in planted}
    assert judge.judge(journal).outcome == "unharmed"
    assert {usage.service for usage in journal.of(ResourceUsage)} == set(stuck_spans.services(journal))
