"""A wrong package that is the cause of an outage (P2): one server of two has a driver whose cursor raises at its close on a dead link."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import testbed
from scenarios.replays import why_late
from testbed.errors import FacilityError
from testbed.postmortem import questions, warning_time
from testbed.runtime.processes import other_driver
from testbed.verdict import who_waits

if TYPE_CHECKING:
    from testbed.verdict.result import Result

CASE = Path(__file__).parents[1] / "tests" / "cases" / "wrong_package.toml"
OLD = "3.0.5"  # `ServerCursor.close()` on a closed connection raises; from 3.0.6 on it does not (psycopg's release notes, ticket 173)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, ...]:
    """Replay the night with the old driver on cf-2, and without."""
    try:
        other_driver.prepare(OLD)
    except FacilityError as error:
        pytest.skip(str(error))
    replayed = testbed.replay(CASE, runs=tmp_path_factory.mktemp("wrong_package"))
    assert [why_late(result) for result in replayed] == ["", ""]
    return tuple(replayed)


@pytest.mark.fact("P1", "P2")
def test_only_the_server_with_the_old_driver_loses_its_connections(results: tuple[Result, ...]) -> None:
    """It hangs, and with it the kiosk; with the same driver on both, the same night is contained."""
    assert [result.judgement.verdict.value for result in results] == ["held", "held"]


@pytest.mark.fact("P1", "P2")
def test_the_post_mortem_names_the_package_with_both_versions_and_whose_they_are(results: tuple[Result, ...]) -> None:
    """As what sets the server that lost connections apart from the one that lost none, and as a difference within the cluster."""
    bad, good = ([answer.evidence for answer in _answers(result)[:2]] for result in results)
    current = results[1].journal.header.versions["psycopg"]
    assert f"only cf-2 lost connections there, and only cf-2 has psycopg {OLD} ({current} in cf-1)" in bad[0]
    assert f"psycopg: {current} in cf-1, kiosk; {OLD} in cf-2" in bad[1]
    assert not any("psycopg" in seen for answer in good for seen in answer)


def _answers(result: Result) -> tuple[questions.Answer, ...]:
    looks, times = who_waits.of_journal(result.journal), warning_time.of(result.journal, result.judgement)
    return questions.of(result.journal, result.judgement, looks, times, None)
