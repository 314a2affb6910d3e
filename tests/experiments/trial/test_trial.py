"""What is tried, as a scenario, and what on the command line is wrong with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from testbed import scenario_file
from testbed.errors import UsageError
from testbed.experiments.trial.trial import Trial

SHOP = Trial("shop --port {port}", "/flights", {"DATABASE_URL": "{dsn}"})


def test_a_trial_is_a_scenario_with_the_fault_after_a_quarter_of_its_load() -> None:
    """A minute of its night is a second, so a rate is one in either; at its end every part is asked what it can tell."""
    scenario = replace(SHOP, rate=5.0, for_s=40.0, servers=3).scenario()
    service = scenario.facility.service
    assert service is not None
    assert (service.command, service.environment) == (("shop", "--port", "{port}"), {"DATABASE_URL": "{dsn}"})
    assert {name: request.path for name, request in service.requests.items()} == {"search": "/flights"}
    steps = [(step.word, (step.at_night_s or 0.0) - scenario.night.from_s) for step in scenario.steps]
    assert steps == [("switchover", 600.0), ("collect_evidence", 2_370.0)]
    assert scenario.night.clock().speed_at(scenario.night.from_s) == 60.0
    assert (scenario.workload.rate_per_minute, scenario.night.minutes, scenario.facility.application_servers) == (5.0, 40.0, 3)


def test_a_trial_that_is_written_is_the_same_scenario(tmp_path: Path) -> None:
    """Whatever stands in the command, the environment and the path: quotes, backslashes, templates."""
    trial = replace(
        SHOP, command=r"""sh -c 'exec "shop" \\ --port {port}'""", url="/flights?from={origin}&to=ü%20", environment={"A": '"\\{dsn}\t'}
    )
    path = tmp_path / "mine.toml"
    path.write_text(trial.text(), encoding="utf-8")
    written, planned = scenario_file.load(path), trial.scenario()
    assert written.facility == planned.facility
    assert [(step.word, step.action, step.at_night_s) for step in written.steps] == [
        (step.word, step.action, step.at_night_s) for step in planned.steps
    ]


def test_the_fault_takes_what_it_takes_in_a_scenario() -> None:
    """As KEY=VALUE behind the word."""
    step = replace(SHOP, fault="latency link=database latency_ms=300").scenario().steps[0]
    assert (step.word, step.action.latency_ms) == ("latency", 300)  # type: ignore[attr-defined]


@pytest.mark.parametrize("program", ["python3 x.py {port}", "java -jar x.jar {port}", "no-such-program {port}"])
def test_threads_are_dumped_where_the_program_is_python(program: str) -> None:
    """Of others, nobody knows how."""
    service = replace(SHOP, command=program).scenario().facility.service
    assert service is not None
    assert (service.dump is not None) == program.startswith("python")


@pytest.mark.parametrize(
    ("trial", "told"),
    [
        (replace(SHOP, command="shop"), "--command: found no {port} in it, and no --port-env; allowed: one of them"),
        (replace(SHOP, environment={}), "--command: found no {dsn} in it, and no --dsn-env; allowed: one of them"),
        (replace(SHOP, command="shop 'x {port}"), """--command: found "shop 'x {port}"; value error, No closing quotation"""),
        (replace(SHOP, command="shop {port} {prot}"), "{prot} is not known here; allowed: {name}, {host}, {port}"),
        (replace(SHOP, environment={"A-B": "{dsn}"}), '--env: found {"A-B": "{dsn}"}; value error, \'A-B\' is no name'),
        (replace(SHOP, environment={"A B.": "{dsn}"}), "--env: "),
        (replace(SHOP, url="flights"), "--url: "),
        (replace(SHOP, url="http://localhost/flights"), "--url: "),
        (replace(SHOP, url="/flights/{gate}"), "{gate} is not known here; allowed: {passenger}"),
        (replace(SHOP, health="health"), "--health: "),
        (replace(SHOP, schema="no/such.sql"), '--schema: "'),
        (replace(SHOP, fault="swichover"), "--fault: "),
        (replace(SHOP, fault="latency latency_ms"), "--fault: found 'latency_ms'; allowed: a word, and what it takes as KEY=VALUE"),
        (replace(SHOP, fault="latency latency=3"), "--fault: latency: unknown key, did you mean latency_ms?"),
        (replace(SHOP, fault="latency"), "--fault: latency_ms: missing"),
        (replace(SHOP, fault=" "), "--fault: found ' '; allowed: a word"),
    ],
)
def test_what_is_wrong_is_told_by_its_option(trial: Trial, told: str) -> None:
    """Before anything is started, and in the words of a scenario's file."""
    with pytest.raises(UsageError) as raised:
        trial.scenario()
    assert told in str(raised.value)
    assert "timeline" not in str(raised.value)
    assert "service." not in str(raised.value)


def test_a_program_that_is_not_there_is_told_before_anything_is_built() -> None:
    """By the option, and with where it was looked for."""
    replace(SHOP, command="sh -c {port}").require_program()
    with pytest.raises(UsageError, match="--command: found no program 'no-such-program'; allowed: the name of one on the PATH"):
        replace(SHOP, command="no-such-program {port}").require_program()
