from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import testbed

PAGE = Path(__file__).parents[1] / "testbed" / "experiments" / "README.md"


def test_the_example_of_the_readme_replays_the_fix_on_real_parts(tmp_path: Path) -> None:
    """As it is printed, in a folder of its own; a busy machine may leave the verdict unknown, but nothing is broken."""
    block = re.search(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert block is not None
    command = [sys.executable, "-c", block[1]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    first, *findings = done.stdout.splitlines()
    verdict, outcome, _, path = first.split(maxsplit=3)
    assert (verdict in ("held", "unknown"), outcome) == (True, "contained")
    assert testbed.read_journal(tmp_path / path).header.variant == "fixed"
    assert len(findings) > 5
