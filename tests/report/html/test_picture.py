from __future__ import annotations

import re
from pathlib import Path

import pytest

from testbed.report.html.page import page
from testbed.verdict import judge
from testbed.verdict.result import Result
from tests import browser as browser_module
from tests import hangs, report_picture
from tests.journals import contained_night

ROOT = Path(__file__).parents[3]
PNG = b"\x89PNG\r\n\x1a\n"


def test_the_readmes_picture_is_small_and_says_what_is_seen() -> None:
    """A PNG below the bound, with an alternative text that tells both outcomes, the graph and its root."""
    [(alt, name)] = re.findall(r"^!\[([^]]*)\]\((\.github/.*)\)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    content = (ROOT / name).read_bytes()
    assert content.startswith(PNG)
    assert len(content) < report_picture.MOST_BYTES
    for word in ("original grounded", "fixed contained", "who waited for whom", "lookup/original.py"):
        assert word in alt


def test_the_picture_is_made_of_a_page(tmp_path: Path) -> None:
    """With the pool of each variant and the graph; 1,000 pixels of the page wide."""
    program = browser_module.program()
    if program is None:
        pytest.skip("NO BROWSER: apt-get install chromium")
    journals = [hangs.lost(tmp_path), contained_night().journal(variant="fixed")]
    text = page([Result(journal, judge.judge(journal), 1.0) for journal in journals])
    size_bytes = report_picture.picture(text, tmp_path / "picture.png", program)
    content = (tmp_path / "picture.png").read_bytes()
    assert content.startswith(PNG)
    assert int.from_bytes(content[16:20]) == report_picture.WIDTH * report_picture.SCALE
    assert 20_000 < size_bytes < report_picture.MOST_BYTES
