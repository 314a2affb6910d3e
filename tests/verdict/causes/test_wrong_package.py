"""What sets the servers that lost connections apart from those that did not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from testbed.verdict.causes import loss, wrong_package
from tests.verdict.test_who_waits import LEAKED, about, evidence, table

if TYPE_CHECKING:
    from testbed.journal.evidence import Evidence

(AT,) = {each.at for each in loss.losses([LEAKED], ())}


def seen(*lost: str, **versions: str) -> Evidence:
    """Return evidence of servers, by their names without a dash, with these versions of the driver, of which some lost connections."""
    names = {f"{name[:2]}-{name[2:]}": version for name, version in versions.items()}
    pools = [table(name, *([LEAKED] * 4 if name in lost else [])) for name in names]
    services = tuple(replace(about(name), installed={"psycopg": version, "fastapi": "1"}) for name, version in names.items())
    return replace(evidence(*pools), services=services)


@pytest.mark.fact("P1", "P2")
@pytest.mark.parametrize(
    ("told", "sentences"),
    [
        (seen("cf-2", cf1="3.3", cf2="3.0"), ("only cf-2 lost connections there, and only cf-2 has psycopg 3.0 (3.3 in cf-1)",)),
        (
            seen("cf-2", "cf-3", cf1="3.3", cf2="3.0", cf3="3.1"),
            ("only cf-2 and cf-3 lost connections there, and only cf-2 and cf-3 have psycopg 3.0 or 3.1 (3.3 in cf-1)",),
        ),
        (seen("cf-2", cf1="3.3", cf2="3.3"), ()),
        (seen("cf-2", cf1="3.0", cf2="3.0", cf3="3.3"), ()),
        (seen("cf-1", "cf-2", cf1="3.3", cf2="3.0"), ()),
        (seen(cf1="3.3", cf2="3.0"), ()),
        (None, ()),
    ],
)
def test_a_package_is_named_if_all_that_lost_connections_have_another_version_than_all_that_did_not(
    told: Evidence | None, sentences: tuple[str, ...]
) -> None:
    """Where servers lost some with either version, or one with the same version lost none, it is not the package."""
    assert wrong_package.differences(told, AT) == sentences
    assert wrong_package.differences(told, "lookup/another.py:1") == ()
