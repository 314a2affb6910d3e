"""Settings of a variant, by role."""

from __future__ import annotations

from testbed.plan.settings import CallerSettings, FacilitySettings, Settings


def test_what_is_set_of_callers_may_be_set_of_one_alone() -> None:
    """The others are as they were that night."""
    patient = CallerSettings(retries=3)
    assert Settings(caller=patient).of_caller("ivr") == patient
    alone = Settings(caller=patient, facility=FacilitySettings(only_caller="kiosk"))
    assert [alone.of_caller(name) for name in ("kiosk", "ivr", "partner")] == [patient, CallerSettings(), CallerSettings()]
