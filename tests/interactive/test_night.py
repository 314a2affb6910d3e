"""The night of a facility that is kept running, over a service of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.errors import ScenarioError
from testbed.interactive import night

if TYPE_CHECKING:
    from pathlib import Path

SHOP = '[service]\ncommand = "shop {port}"\nenvironment = { DATABASE_URL = "{dsn}" }\n'


def test_passengers_ask_a_service_for_what_it_declares_and_for_nothing_else_that_needs_one(tmp_path: Path) -> None:
    """What needs no facility they still ask for."""
    file = tmp_path / "shop.toml"
    file.write_text(SHOP + '[service.requests]\nsearch = "/flights"\n', encoding="utf-8")
    over = night.night("original", 3, file)
    assert over.facility.service is not None
    assert over.facility.application_servers == 3
    assert over.workload.shares == {
        "kiosk": {"reprint_boarding_pass": 5},
        "ivr": {"baggage_allowance": 4},
        "partner": {"search": 18, "fare_rules": 3},
    }
    assert [variant.name for variant in over.variants] == ["shop"]
    assert "processes" in over.needs


@pytest.mark.parametrize(
    ("text", "told"),
    [(SHOP, "service.requests: none; allowed: a request for one transaction at least"), ("[servce]\n", "servce: unknown key")],
)
def test_a_file_that_is_wrong_is_told_before_anything_is_built(tmp_path: Path, text: str, told: str) -> None:
    """With its key, and what is allowed."""
    file = tmp_path / "shop.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError, match=told):
        night.night("original", 2, file)
