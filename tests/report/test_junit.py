from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from testbed.report import junit
from testbed.verdict import judge
from testbed.verdict.finding import Finding, Verdict
from tests.journals import contained_night, hung_night

if TYPE_CHECKING:
    from testbed.verdict.judge import Judgement

COUNTS = ("tests", "failures", "errors", "skipped")


def parsed(*judgements: Judgement) -> ET.Element:
    """Return the XML of judgements as a parser reads it, whose counts agree with what is in it."""
    top = ET.fromstring(junit.xml(judgements))  # noqa: S314 - our own
    for of in (top, *top):
        found = {"tests": len(list(of.iter("testcase")))} | {
            name: len(list(of.iter(tag))) for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))
        }
        assert {name: int(of.attrib[name]) for name in COUNTS} == found
    return top


def test_each_check_of_each_replay_is_a_case() -> None:
    """What held passed; broken is a failure with what was found."""
    held, broken = judge.judge(hung_night().journal()), judge.judge(hung_night().journal(variant="other", expect={"outcome": ["unharmed"]}))
    top = parsed(held, broken)
    assert [suite.attrib["name"] for suite in top] == [f"a_night on processes, seed 1: {name}" for name in ("original", "other")]
    assert [case.attrib["name"] for case in top[0].iter("testcase")] == [finding.check for finding in held.findings]
    assert [top[0].attrib[name] for name in COUNTS] == [str(len(held.findings)), "0", "0", "0"]
    [failure] = top[1].iter("failure")
    assert failure.attrib["type"] == "broken"
    assert failure.attrib["message"].startswith("broken: ")
    assert {case.attrib["classname"] for case in top[1].iter("testcase")} == {"a_night.other"}


def test_unknown_is_an_error() -> None:
    """A replay that was killed shows nothing, and is no pass."""
    night = hung_night()
    del night.events[-1]
    top = parsed(judge.judge(night.journal()))
    assert [error.attrib["type"] for error in top.iter("error")] == ["unknown"] * int(top.attrib["errors"])
    assert int(top.attrib["errors"]) >= 2
    assert top.attrib["failures"] == "0"


def test_what_a_share_allows_for_is_skipped() -> None:
    """One of two has to hold, and one did."""
    share = {"outcome": ["grounded"], "at_least": 1, "of": 2}
    held, broken = judge.judge(hung_night().journal(expect=share)), judge.judge(contained_night().journal(expect=share))
    top = parsed(held, broken)
    assert [top.attrib[name] for name in COUNTS[1:]] == ["0", "0", "1"]
    [skipped] = top.iter("skipped")
    assert skipped.attrib["message"].startswith("allowed for: enough replays held; broken: ")
    assert parsed(broken, broken).attrib["failures"] == "2"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("</failure><x a='1'>&\"", "</failure><x a='1'>&\""),
        ("\x00\x08\x1b", "\\x00\\x08\\x1b"),
        ("\ufffe\ud800", "\\ufffe\\ud800"),
        ("tab\tline\n", "tab\tline\n"),
        ("✕ 𝄞", "✕ 𝄞"),
    ],
)
def test_any_text_is_xml(words: str, shown: str) -> None:
    """Also in an attribute; what XML forbids in every form is an escape."""
    judgement = judge.judge(hung_night().journal(variant=words))
    findings = (Finding("outcome", Verdict.BROKEN, words),)
    top = parsed(replace(judgement, findings=findings, verdict=Verdict.BROKEN))
    [failure] = top.iter("failure")
    assert failure.text == shown
    assert failure.attrib["message"] == f"broken: {shown}"
