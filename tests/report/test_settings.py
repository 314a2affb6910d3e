"""Settings and parameters in words."""

from __future__ import annotations

import pytest

from testbed.plan.settings import Settings
from testbed.report.settings import setting_text


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("pool_recycle_s", None, "pool recycle: never"),
        ("pool_recycle_s", 0.4, "pool recycle: 0.4 s"),
        ("lookup_row_work_ms", 20, "lookup row work: 20 ms"),
        ("leak_memory_kib", 64, "leak memory: 64 KiB"),
        ("bulkhead_at", None, "bulkhead at: off"),
        ("bulkhead_at", 4, "bulkhead at: 4"),
        ("pool_pre_ping", False, "pool pre ping: no"),
        ("lookup", "original", "lookup: original"),
        ("services", ["cf-1", "cf-2"], "services: cf-1, cf-2"),
    ],
)
def test_a_setting_is_told_in_words(name: str, value: object, words: str) -> None:
    """With its unit, and without a word of Python."""
    assert setting_text(name, value) == words


def test_no_setting_of_any_role_is_told_in_python() -> None:
    """Whatever its default is."""
    for role in Settings().model_dump().values():
        told = " ".join(setting_text(*each) for each in role.items())
        assert not [
            word for word in ("None", "True", "False", "=", "_") if word in told.replace("virtual_ip", "").replace("event_loop", "")
        ]
