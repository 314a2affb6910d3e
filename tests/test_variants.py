from __future__ import annotations

import re
from pathlib import Path

import pytest

from testbed import scenario_file
from testbed.experiments.matrix import minimal

TESTS = Path(__file__).parent
MARK = re.compile(r"@pytest\.mark\.variant\((.*?)\)")


def test_each_variant_has_a_test_of_its_own_property_that_needs_no_replay() -> None:
    """Every kept variant is named by a test's mark, and every mark names one."""
    marked = {
        name for file in TESTS.rglob("test_*.py") for mark in MARK.findall(file.read_text("utf-8")) for name in re.findall(r'"(\w+)"', mark)
    }
    assert marked == set(scenario_file.kept_variants())


@pytest.mark.variant("hardened")
def test_hardened_is_the_patterns_that_it_says() -> None:
    """Their settings together, and nothing else: each has a test of its own."""
    kept = scenario_file.kept_variants()
    patterns = {name: minimal.changes(kept[name].settings) for name in kept["hardened"].made_of.split(" and ")}
    assert minimal.merged_settings(patterns) == kept["hardened"].settings
    assert len(patterns) > 1
