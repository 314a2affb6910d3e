from __future__ import annotations

import copy
import itertools
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed import scenario_file
from testbed.errors import ScenarioError, UsageError

THE_NIGHT = scenario_file.find("the_night")

SMALL = """
title = "Small"
[night]
date = 2013-10-07
from = "22:00"
to = "05:00"
[workload.shares]
kiosk = { check_in = 1 }
[[timeline]]
at = "23:00"
fault = "switchover"
[variants.original.expect]
outcome = "grounded"
"""


def mistakes_of(tmp_path: Path, text: str) -> tuple[str, ...]:
    """Load a scenario that is wrong, and return its mistakes."""
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        scenario_file.load(path)
    assert str(path) in str(caught.value)
    return caught.value.mistakes


@pytest.mark.parametrize("path", scenario_file.known(), ids=lambda path: path.stem)
def test_every_scenario_of_the_project_can_be_loaded(path: Path) -> None:
    """What is kept in the project is right, and expects something of each variant."""
    loaded = scenario_file.load(path)
    assert loaded.name == path.stem
    assert loaded.variants
    assert loaded.facts


@pytest.mark.parametrize("path", scenario_file.known(), ids=lambda path: path.stem)
def test_who_allows_several_outcomes_says_why(path: Path) -> None:
    """In a comment: on the line, on that of the variant, or above the variant."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if line.startswith("outcome = ["):
            table = max(before for before in range(number) if lines[before].startswith("["))
            above = itertools.takewhile(str.strip, reversed(lines[:table]))
            assert "#" in "".join([*above, *lines[table : number + 1]]), f"{path.name}:{number + 1}"


def test_a_small_scenario_needs_little(tmp_path: Path) -> None:
    """What is not said is as in the case."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    loaded = scenario_file.load(path)
    assert (loaded.facility.request_threads, loaded.facility.pool_size) == (40, 40)
    assert [(step.word, step.at_night_s) for step in loaded.steps] == [("switchover", 82_800.0)]
    assert loaded.variants[0].settings.application_server.lookup == "original"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('fault = "switchover"', 'fault = "switchovr"', "timeline.0.fault: found 'switchovr', did you mean switchover?"),
        ('at = "23:00"', 'at = "12:00"', "timeline.0.at: found '12:00'; allowed: a time inside the night"),
        ('at = "23:00"', 'when = "hungry"', "timeline.0.when: found 'hungry', did you mean hung?"),
        ('at = "23:00"', "", "timeline.0: allowed: either `at` (a time) or `when`"),
        ('to = "05:00"', 'to = "22:00"', "night.to: found '22:00'; allowed: a time after"),
        ('to = "05:00"', "speed = -1", "night.speed: found -1"),
        ('to = "05:00"', "", "night.to: missing"),
        ("date = 2013-10-07", 'date = "someday"', "night.date: found"),
        ("check_in = 1", "chek_in = 1", "workload.shares.kiosk.chek_in: no such transaction, did you mean check_in?"),
        ("kiosk = {", "web = {", "workload.shares.web: no such caller"),
        ("check_in = 1", "check_in = 0", "workload.shares.kiosk.check_in: found 0"),
        ("variants.original", "variants.orignal", "variants.orignal: no such variant, did you mean original?"),
        ('outcome = "grounded"', 'outcome = "ground"', "variants.original.expect.outcome"),
        ('outcome = "grounded"', "crack = 7", "variants.original.expect.crack"),
        ('title = "Small"', 'title = "Small"\nfacts = ["O99"]', 'facts.0: found "O99", no fact of the case'),
        ('title = "Small"', 'title = "Small"\nmatrix = 1', "matrix: found 1; allowed: true or false"),
        ('title = "Small"', 'titel = "Small"', "titel: unknown key, did you mean title?"),
        ("[night]", "[facility]\nweighed_every_s = 1.0\n[night]", "facility.weighed_every_s: this key is now called resources_every_s"),
        ('fault = "switchover"', 'fault = "latency"', "timeline.0.latency_ms: missing"),
        ('fault = "switchover"', 'fault = "switchover"\nhard = true', "timeline.0.hard: unknown key"),
    ],
)
def test_a_mistake_has_its_key_what_was_found_and_what_is_allowed(tmp_path: Path, old: str, new: str, message: str) -> None:
    """One mistake, one line, by the path of its key."""
    assert old in SMALL
    assert any(message in mistake for mistake in mistakes_of(tmp_path, SMALL.replace(old, new)))


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Mistakes in different sections are in one answer."""
    text = SMALL.replace("switchover", "switch").replace("check_in = 1", "fly = 1").replace('"grounded"', '"down"').replace("05:00", "5 am")
    found = "\n".join(mistakes_of(tmp_path, text))
    assert all(key in found for key in ("timeline.0.fault", "workload.shares.kiosk.fly", "expect.outcome", "night.to"))


def test_a_mistake_of_one_key_hides_none_that_compares_two(tmp_path: Path) -> None:
    """A share, a heal and a place are checked although a key beside each is wrong: nobody mends a file in three rounds."""
    steps = """
[[timeline]]
at = "23:10"
fault = "latency"
link = "cf-9"
[[timeline]]
at = "half past ten"
operation = "heal"
of = "silence"
"""
    share = 'outcome = "down"\nat_least = 5\nof = 5'
    text = SMALL.replace("[variants", f"{steps}[variants").replace('outcome = "grounded"', share)
    found = "\n".join(mistakes_of(tmp_path, text))
    wanted = (
        "timeline.1.latency_ms: missing",
        "timeline.1.link: found 'cf-9'",
        "timeline.2.at",
        "a step heals 'silence'; allowed: latency",
    )
    assert all(mistake in found for mistake in (*wanted, "expect.outcome", "is no share"))


@pytest.mark.parametrize(
    ("expected", "variant", "message"),
    [
        ("leaked_connections = 5", "", "leaked_connections: found 5; allowed: at most 4, all that a pool of original can have"),
        ("leaked_connections = 7", "pool_max_overflow = 2", "leaked_connections: found 7; allowed: at most 6"),
        ("served_by_hosts = 9", "", "served_by_hosts: found 9; allowed: at most 2, as the pair has db-1 and db-2"),
        ("memory_rise_mib = 1.5", "", "memory_rise_mib: found 1.5 without samples; allowed: with `resources_every_s` below [facility]"),
        ('longevity = "steady"', "", "longevity: found 'steady' without samples; allowed: with `resources_every_s` below [facility]"),
        ("restored = true", "", "restored: found true in a timeline without `restart`"),
        (
            "cluster_switchovers = 1",
            "",
            "cluster_switchovers: found 1 without heartbeats; allowed: with `heartbeat_every_s` below [facility]",
        ),
        ("evidence_within_s = 1", "", "evidence_within_s: found 1.0 in a timeline without `restart`"),
    ],
)
def test_what_no_replay_can_meet_is_refused(tmp_path: Path, expected: str, variant: str, message: str) -> None:
    """One message for each, with what the facility or the timeline would have to have."""
    settings = f"[variants.original.settings.application_server]\n{variant}\n" if variant else ""
    text = SMALL.replace("[night]", "[facility]\npool_size = 4\n[night]").replace(
        'outcome = "grounded"', f'outcome = "grounded"\n{expected}'
    )
    (mistake,) = mistakes_of(tmp_path, text + settings)
    assert mistake.startswith(f"variants.original.expect.{message}")


@pytest.mark.parametrize(
    ("expected", "variant", "facility"),
    [
        ("leaked_connections = 4", "", ""),
        ("leaked_connections = 1000", "pool_max_overflow = -1", ""),
        ("served_by_hosts = 2", "", ""),
        ("memory_rise_mib = 1.5", "", "resources_every_s = 1.0"),
        ("restored = false", "", ""),
        ('switchover = "success"', "", ""),
    ],
)
def test_what_a_replay_can_meet_is_accepted(tmp_path: Path, expected: str, variant: str, facility: str) -> None:
    """The last connection, a pool without a bound, the second host."""
    settings = f"[variants.original.settings.application_server]\n{variant}\n" if variant else ""
    text = SMALL.replace("[night]", f"[facility]\npool_size = 4\n{facility}\n[night]")
    path = tmp_path / "right.toml"
    path.write_text(text.replace('outcome = "grounded"', f'outcome = "grounded"\n{expected}') + settings)
    assert scenario_file.load(path).variants[0].expect.can_be_broken


@pytest.mark.parametrize(
    ("facility", "needs", "link", "settings", "message"),
    [
        ("heartbeat_every_s = 1.0", "[]", "database", "", 'needs: lacks "heartbeats", which facility.heartbeat_every_s requires; add it'),
        ("heartbeat_every_s = 0.01", '["heartbeats"]', "database", "", "facility.heartbeat_every_s: found 0.01; input should be"),
        ("", '["links"]', "heartbeats", "", "timeline.0.link: found 'heartbeats'; allowed: database, cf-1"),
        ("", "[]", "database", "heartbeats_missed = 1", "variants.own.settings.facility.heartbeats_missed: found 1 without heartbeats"),
        (
            "heartbeat_every_s = 1.0",
            '["heartbeats"]',
            "database",
            'heartbeat_link = "kiosk"',
            'variants.own.settings.facility.heartbeat_link: found "kiosk"; input should be',
        ),
        (
            "database_network_kbit_s = 6000",
            "[]",
            "database",
            "",
            'needs: lacks "containers", which facility.database_network_kbit_s requires; add it',
        ),
        ("database_network_kbit_s = 1", '["containers"]', "database", "", "facility.database_network_kbit_s: found 1; input should be"),
    ],
)
def test_what_is_wrong_with_heartbeats_is_one_mistake(
    tmp_path: Path, facility: str, needs: str, link: str, settings: str, message: str
) -> None:
    """What a scenario needs, the interval, the link and its network, and settings of a cluster that there is not."""
    own = f'[variants.own.settings.facility]\n{settings}\n[variants.own.expect]\noutcome = "grounded"\n'
    text = SMALL.replace('fault = "switchover"', f'fault = "silence"\nlink = "{link}"').replace(
        "[night]", f"[facility]\n{facility}\n[night]"
    )
    (mistake,) = mistakes_of(tmp_path, f"needs = {needs}\n{text}{own}")
    assert mistake.startswith(message)


def test_a_switchover_may_be_expected_of_a_cluster(tmp_path: Path) -> None:
    """The timeline of a facility with heartbeats need not have one."""
    text = SMALL.replace('fault = "switchover"', 'fault = "nothing"').replace("[night]", "[facility]\nheartbeat_every_s = 1.0\n[night]")
    path = tmp_path / "right.toml"
    path.write_text('needs = ["heartbeats"]\n' + text.replace('outcome = "grounded"', 'outcome = "grounded"\nswitchover = "success"'))
    assert scenario_file.load(path).variants[0].expect.switchover == "success"


def test_a_heal_is_not_blamed_for_a_fault_that_is_misspelt(tmp_path: Path) -> None:
    """One mistake has one message: nobody can tell whether the misspelt fault is the one that is healed."""
    heal = '[[timeline]]\nat = "23:10"\noperation = "heal"\nof = "silence"\n[variants'
    (mistake,) = mistakes_of(tmp_path, SMALL.replace('"switchover"', '"silense"').replace("[variants", heal))
    assert "did you mean silence?" in mistake


@pytest.mark.parametrize(("content", "message"), [(b"title = ", "not TOML"), (b"\xff", "not UTF-8"), (b"", "title: missing")])
def test_a_file_that_is_no_scenario_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """Broken TOML comes with its line, other encodings with their byte."""
    path = tmp_path / "wrong.toml"
    path.write_bytes(content)
    with pytest.raises(ScenarioError, match=message):
        scenario_file.load(path)


def test_a_directory_is_no_scenario(tmp_path: Path) -> None:
    """It cannot be read, and the error says so."""
    with pytest.raises(ScenarioError, match="cannot be read"):
        scenario_file.load(tmp_path)


def test_an_unknown_name_lists_what_there_is() -> None:
    """The error of a misspelt name suggests the closest one."""
    with pytest.raises(UsageError, match=r"did you mean the_night\?.*calm"):
        scenario_file.find("the_nigth")


@given(st.data())
def test_an_unknown_key_anywhere_is_refused_by_its_path(data: st.DataObject) -> None:
    """Whichever table of the night gets a key that nobody knows, the mistake has that key's path."""
    scenario = tomllib.loads(THE_NIGHT.read_text())
    tables = [("night",), ("workload",), ("facility",), ("timeline", 0), ("variants", "fixed"), ("variants", "fixed", "expect")]
    place = data.draw(st.sampled_from(tables))
    changed = copy.deepcopy(scenario)
    inner: Any = changed
    for part in place:
        inner = inner[part]
    inner["surprise"] = 1
    assert any("surprise: unknown key" in mistake for mistake in scenario_file.check(changed, THE_NIGHT))
    assert scenario_file.check(scenario, THE_NIGHT) == ()


def test_a_variant_of_ones_own_may_set_what_the_services_know(tmp_path: Path) -> None:
    """Settings given in the scenario are taken, and "never" is no time-out."""
    path = tmp_path / "own.toml"
    own = """
[variants.mine]
expect = { outcome = "contained" }
[variants.mine.settings.application_server]
pool_checkout_timeout_s = 0.5
pool_recycle_s = "never"
"""
    path.write_text(SMALL + own)
    settings = scenario_file.load(path).variants[1].settings.application_server
    assert (settings.pool_checkout_timeout_s, settings.pool_recycle_s) == (0.5, None)
