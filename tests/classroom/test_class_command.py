from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from click.testing import CliRunner

from testbed.classroom import hold, kept_class
from testbed.classroom.web.addresses import Addresses
from testbed.cli.classroom import class_
from testbed.journal.events import End
from testbed.journal.writer import JournalWriter
from tests.classroom.test_kept_class import GOOD
from tests.journals import header

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

OBEYED = "\x1b]0;mine\x07\x1b[2J\u202e" + "x" * 10_000


async def shown(_data: bytes, _place: hold.Place, opened: Callable[[Addresses], None]) -> None:
    """Show nothing, and say where."""
    opened(Addresses("127.0.0.1", 8040))


def test_the_terminal_obeys_nothing_of_a_recorded_night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its title, a class's or the journal's own, nor why it ended; and none of them fills the screen."""
    monkeypatch.setattr(hold, "show", shown)
    path = tmp_path / "night.jsonl"
    with JournalWriter(path, replace(header(), title=OBEYED)) as writer:
        writer.append(End(t_s=1.0, night_s=1.0, reason="failed", detail=OBEYED))
    for kept in ({**GOOD, "title": OBEYED[:4_000]}, None):
        if kept is None:
            (tmp_path / kept_class.FILE).unlink()
        else:
            (tmp_path / kept_class.FILE).write_text(json.dumps(kept), encoding="utf-8")
        result = CliRunner().invoke(class_, ["--from", str(path), "--no-browser"])
        assert "the recorded night:" in result.output
        assert result.output.count("mine") == 2
        assert not set(result.output) & {"\x1b", "\x07", "\u202e"}
        assert len(result.output) < 2_000
