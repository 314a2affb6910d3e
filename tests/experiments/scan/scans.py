"""Scans of a few words, for the tests of everything that reads them."""

from __future__ import annotations

from testbed.experiments.scan.effect import Effect, Scan, VariantScan
from testbed.plan.settings import FacilitySettings
from testbed.plan.topology import FacilityPlan, integration_points
from testbed.verdict.rate import wilson

CONTROL = Effect(link="", fault="nothing", effect="goes on", answered=9, due=9, outcome="unharmed", crack=0)


def effect(link: str, fault: str, word: str, answered: int = 0, **more: object) -> Effect:
    """Make an effect on nine check-ins."""
    low, high = (None, None) if word == "unknown" else wilson(answered, 9)
    counted = {"answered": answered, "due": 9, "low": low, "high": high}
    return Effect.model_validate({"link": link, "fault": fault, "effect": word, **counted, **more})


EFFECTS = (
    effect("database", "refuse", "stops", outcome="grounded", crack=2),
    effect("database", "silence", "stops", outcome="grounded", crack=6),
    effect("cf-1", "backlog_full", "hurts", 8, outcome="contained", crack=1),
    effect("cf-1", "refuse", "goes on", 9, outcome="unharmed", crack=0),
    effect("cf-1", "silence", "stops", outcome="grounded", crack=6),
    effect("ivr", "refuse", "goes on", 9, outcome="contained", crack=1),
    effect("ivr", "silence", "unknown", unknown="the open loop was late"),
)


def over(variant: str = "original", effects: tuple[Effect, ...] = EFFECTS, control: Effect = CONTROL) -> VariantScan:
    """Make a variant's scan of a facility with two application servers and two callers."""
    points = integration_points(FacilityPlan(callers=("kiosk", "ivr")), FacilitySettings())
    return VariantScan(variant=variant, points=points, control=control, effects=effects)


def scan(*variants: VariantScan) -> Scan:
    """Make a scan."""
    return Scan(
        made_by="testbed scan",
        scenario="morning",
        runtime="processes",
        transaction="check_in",
        left_out=("fault 'flood' needs 'firewall', which runtime 'processes' does not provide",),
        variants=variants,
    )
