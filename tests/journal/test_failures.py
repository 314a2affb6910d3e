from __future__ import annotations

import pytest

from testbed.journal.failures import Failures

CALLERS = ("kiosk", "ivr")


def failures(*callers: str) -> Failures:
    """Return what is known once these callers have failed, one a second from 1 s on."""
    made = Failures(frozenset(CALLERS))
    for number, caller in enumerate(callers, 1):
        made.take(caller, float(number), answered=False)
    return made


@pytest.mark.parametrize(
    ("failed", "since_s"),
    [
        (("kiosk", "ivr"), None),  # as many as there are stale connections
        (("kiosk", "ivr", "kiosk"), 3.0),
        (("kiosk",) * 4, None),  # nobody asked the other
        (("kiosk",) * 4 + ("ivr", "ivr"), 5.0),
    ],
)
def test_the_facility_is_out_of_service_when_more_failed_than_stale_connections_explain(
    failed: tuple[str, ...], since_s: float | None
) -> None:
    """In a row, and some of every caller; since the one of them that was one too many."""
    assert failures(*failed).since_s(2.0) == since_s
    assert failures(*failed).last_s == len(failed)


def test_one_answer_ends_it_for_all() -> None:
    """What failed before is counted no more."""
    made = failures("kiosk", "ivr", "kiosk")
    made.take("ivr", 4.0, answered=True)
    made.take("ivr", 5.0, answered=False)
    assert made.since_s(2.0) is None
    assert failures().since_s(0.0) is None
    assert Failures(frozenset()).since_s(0.0) is None


def test_pools_without_a_limit_explain_any_number_of_failures() -> None:
    """Each may be a stale connection."""
    assert failures(*CALLERS * 50).since_s(float("inf")) is None
