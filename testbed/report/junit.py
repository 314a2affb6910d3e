"""The findings as JUnit XML, which CI servers read: a test suite for each replay, and in it a test case for each check.

`broken` is a failure. `unknown` is an error, as the exit code 3 is one: a replay that shows nothing must not look like a pass. Where the
scenario asks for a share of replays, and enough of them held, what did not hold in one of the others is skipped, with what was found.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from testbed.errors import shortened
from testbed.report import nights
from testbed.verdict import share
from testbed.verdict.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.report.nights import Column, Night
    from testbed.verdict.finding import Finding
    from testbed.verdict.judge import Judgement

MOST_CHARACTERS = 4_000  # of one text
TO_SECONDS = len("2013-10-07T23:00:00")  # JUnit's time stamps have no fraction and no zone
FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2: no such character, in no form
ELEMENT = {Verdict.BROKEN: "failure", Verdict.UNKNOWN: "error"}


def xml(judgements: Sequence[Judgement]) -> str:
    """Return the test suites of some judgements."""
    top = ET.Element("testsuites", name="testbed")
    for night in nights.of(judgements):
        for column in night.columns:
            _add_suite(top, night, column, spared=_is_spared(column.judgement, judgements))
    _count(top, [suite.attrib for suite in top])
    ET.indent(top)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(top, encoding="unicode")}\n'


def text(words: str) -> str:
    r"""Return a text with every character that XML forbids as its escape, such as `\x1b`."""
    return FORBIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), shortened(words, MOST_CHARACTERS))


def _is_spared(judgement: Judgement, judgements: Sequence[Judgement]) -> bool:
    """Whether a replay did not hold, and the scenario allows for it."""
    header = judgement.figures.header
    alike = [
        other
        for other in judgements
        if (other.figures.header.scenario, other.figures.header.runtime, other.figures.header.variant, other.figures.header.expect)
        == (header.scenario, header.runtime, header.variant, header.expect)
    ]
    [shared] = share.of(alike)
    return shared.verdict is Verdict.HELD and judgement.verdict is not Verdict.HELD


def _add_suite(top: ET.Element, night: Night, column: Column, *, spared: bool) -> None:
    header = column.judgement.figures.header
    suite = ET.SubElement(top, "testsuite", name=text(f"{night.name}: {column.name}"), timestamp=text(header.started_at[:TO_SECONDS]))
    cases = [_add_case(suite, f"{header.scenario}.{column.name}", finding, spared=spared) for finding in column.judgement.findings]
    kinds = [child.tag for case in cases for child in case]
    suite.attrib |= {
        "tests": str(len(cases)),
        "failures": str(kinds.count("failure")),
        "errors": str(kinds.count("error")),
        "skipped": str(kinds.count("skipped")),
    }
    out = ET.SubElement(suite, "system-out")
    out.text = text(f"{column.judgement.summary}: {column.judgement.reason.text}\njournal {column.judgement.figures.journal}")


def _add_case(suite: ET.Element, name: str, finding: Finding, *, spared: bool) -> ET.Element:
    case = ET.SubElement(suite, "testcase", classname=text(name), name=text(finding.check))
    if finding.verdict is Verdict.HELD:
        return case
    found = text(f"{finding.verdict.value}: {finding.text}")
    if spared:
        ET.SubElement(case, "skipped", message=f"allowed for: enough replays held; {found}")
    else:
        told = ET.SubElement(case, ELEMENT[finding.verdict], message=found, type=finding.verdict.value)
        told.text = text(finding.traceback or finding.text)
    return case


def _count(top: ET.Element, suites: Sequence[dict[str, str]]) -> None:
    for name in ("tests", "failures", "errors", "skipped"):
        top.set(name, str(sum(int(counts[name]) for counts in suites)))
