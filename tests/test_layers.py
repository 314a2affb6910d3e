"""What the suite makes of the answers that each layer gives when a night is over."""

from __future__ import annotations

import pytest

from scenarios import layers
from scenarios.layers import Answers, AskingBackend
from testbed.errors import ServiceError
from testbed.fakes.backend import FakeBackend
from testbed.fakes.virtual_time import run
from testbed.plan.settings import Settings
from testbed.plan.topology import FacilityPlan

WELL = {
    "database": "answered",
    "health": {},
    "servers": {"cf-1": "answered", "cf-2": "answered"},
    "needing": {},
    "alone": {"kiosk": "answered"},
}


@pytest.mark.fact("S8")
@pytest.mark.parametrize(
    ("told", "crack"),
    [
        ({}, 0),
        ({"servers": {"cf-1": "failed", "cf-2": "answered"}}, 2),
        ({"servers": {"cf-1": "silent", "cf-2": "failed"}}, 3),
        ({"servers": {"cf-1": "silent", "cf-2": "silent"}}, 4),
        ({"alone": {"kiosk": "silent", "ivr": "answered"}}, 5),
        ({"alone": {"kiosk": "silent", "ivr": "silent"}}, 6),
        ({"needing": {"kiosk": "silent", "ivr": "silent"}}, 0),  # what waits for a broker takes nothing from others
    ],
)
def test_the_crack_is_as_high_as_the_silence(told: dict[str, object], crack: int) -> None:
    """A caller counts as silent only if what needs nothing but it is not answered."""
    assert Answers(**{**WELL, **told}).crack == crack  # type: ignore[arg-type]


def test_a_facility_is_asked_once_and_taken_down_whatever_comes_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking may fail, and a builder may be told twice to take its facility down."""
    fake, asked = FakeBackend(), []

    async def fail(facility: object) -> Answers:
        asked.append(facility)
        raise ServiceError("no answer")

    async def build() -> None:
        builder = AskingBackend(fake).builder(FacilityPlan(), Settings())
        await builder.build()
        with pytest.raises(ServiceError):
            await builder.tear_down()
        await builder.tear_down()

    monkeypatch.setattr(layers, "ask", fail)
    run(build())
    assert len(asked) == 1
    assert [call for made in fake.builders for call in made.calls] == ["build", "tear_down", "tear_down"]
