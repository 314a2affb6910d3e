from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from testbed import scenario_file
from testbed.errors import UsageError
from testbed.experiments.matrix import consistency, folder
from testbed.experiments.matrix.cell import Part, Replay, Slowest, Tally, most_of
from tests.experiments.matrix.cells import cell, matrix

if TYPE_CHECKING:
    from testbed.experiments.matrix.cell import Cell

ROOT = Path(__file__).parents[3]
GROUNDED = Replay(outcome="grounded", crack=6, answered=Part(count=15, of=100), waited=Slowest(median_s=0.1, p99_s=None))
UNHARMED = Replay(outcome="unharmed", crack=0, answered=Part(count=100, of=100))
STUCK = {"code": "stuck_at_end", "text": "kiosk stood still to the end"}


def waited(count: int = 9, **seconds: float | None) -> dict[str, Any]:
    """Return how long the passengers of the kiosk waited, with some figures changed."""
    return {"kiosk": {"count": count, "median_s": 0.1, "p90_s": 0.2, "p99_s": None, "longest_s": None, **seconds}}


def mistakes(kept: Cell) -> list[str]:
    """Return the fields of a cell, of a trace of 100 requests, that contradict others."""
    return [key for key, _ in consistency.mistakes(kept, matrix([kept]).columns[0])]


@pytest.mark.parametrize(
    ("kept", "field"),
    [
        (cell(outcome="contained", replays=(GROUNDED,)), "outcome"),
        (cell(crack=4, replays=(GROUNDED, GROUNDED)), "crack"),
        (cell(replays=(GROUNDED, *[UNHARMED] * 4)), "outcome"),
        (cell(outcome="contained", crack=1, tallies=(Tally(outcome="grounded", crack=6, times=3),)), "outcome"),
        (cell(answered={"kiosk check_in": Part(count=16, of=100)}, replays=(GROUNDED,)), "answered"),
        (cell(answered={"kiosk check_in": Part(count=15, of=101)}), "answered"),
        (cell(outcome="unharmed", crack=0, answered={"kiosk check_in": Part(count=15, of=100)}), "answered"),
        (cell(outcome="contained", reason={"code": "late", "text": "late"}), "answered"),
        (cell(reason={"code": "all_answered", "text": "all were answered"}), "reason.code"),
        (cell(outcome=None, reason=STUCK), "reason.code"),
        (cell(waited=waited(median_s=9.0)), "waited.kiosk"),
        (cell(waited=waited(longest_s=1.0)), "waited.kiosk"),  # shorter than never
        (cell(waited=waited(count=0)), "waited.kiosk"),
        (cell(waited=waited(count=101)), "waited.kiosk.count"),
        (cell(recovery_s=3), "recovery_s"),
        (cell(replays=(GROUNDED.model_copy(update={"answered": Part(count=15, of=101)}), GROUNDED)), "replays.0.answered"),
        (cell(replays=(GROUNDED, UNHARMED.model_copy(update={"answered": Part(count=99, of=100)}))), "replays.1.answered"),
        (cell(replays=(GROUNDED.model_copy(update={"waited": Slowest(median_s=9.0, p99_s=1.0)}),)), "replays.0.waited"),
    ],
)
def test_a_cell_that_contradicts_itself_is_named_by_its_field(kept: Cell, field: str) -> None:
    """Its replays, its column, its reason, or the order of its waits say something else."""
    assert field in mistakes(kept)


@pytest.mark.parametrize(
    "kept",
    [
        cell(),
        cell(outcome=None, reason={"code": "doubted", "text": "the open loop was late"}),
        cell(reason=STUCK, waited=waited(), replays=(GROUNDED, GROUNDED, UNHARMED)),
        cell(replays=(GROUNDED, Replay(outcome=None, crack=0, code="doubted"), Replay(outcome=None, crack=0, code="doubted"))),
        cell(outcome="contained", crack=1, tallies=(Tally(outcome="contained", crack=1, times=2), Tally(outcome=None, crack=2, times=1))),
        most_of(
            [cell(reason=STUCK), cell(outcome="unharmed", crack=0, reason={"code": "all_answered", "text": "all"}), cell(reason=STUCK)]
        ),
    ],
)
def test_what_a_replay_can_have_written_is_no_contradiction(kept: Cell) -> None:
    """What cannot be believed outvotes nothing, and old cells have only tallies."""
    assert mistakes(kept) == []


def test_cells_that_were_put_together_contradict_nothing() -> None:
    """Of two whose results differ, neither may have what came out most often of all: its figures were not kept."""
    unharmed = cell(outcome="unharmed", crack=0)
    parts = [most_of([one, one, one, unharmed, unharmed]) for one in (cell(reason=STUCK), cell(crack=5, reason=STUCK))]
    assert mistakes(most_of(parts)) == []


def test_a_file_with_a_contradiction_is_refused_with_its_line_and_field(tmp_path: Path) -> None:
    """As any other mistake in it is."""
    variants = scenario_file.kept_variants()
    folder.write(matrix([cell("original"), cell("fixed", "contained", 1)]), tmp_path, variants)
    path = tmp_path / "processes" / "the_night.jsonl"
    lines = path.read_text().splitlines()
    header = json.loads(lines[0])
    path.write_text("\n".join([json.dumps({**header, "requests": 0}), *lines[1:]]))
    wanted = f"{path}, line 2: answered: found 100 transactions that were due; allowed: at most the 0 of `requests` in line 1"
    with pytest.raises(UsageError, match=re.escape(wanted)) as refused:
        folder.read(tmp_path, variants)
    assert refused.value.exit_code == 2


def test_every_code_of_a_reason_has_the_outcome_that_the_page_on_the_verdict_gives_it() -> None:
    """And no code of the verdict is missing."""
    page = (ROOT / "testbed" / "verdict" / "README.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| `(unharmed|contained|grounded|unknown)` \|", page, re.MULTILINE)
    told = {code: outcome for codes, outcome in table for code in re.findall(r"`(\w+)`", codes)}
    known = {code: outcome.value if outcome else "unknown" for code, outcome in consistency.OUTCOMES.items()}
    assert {code: known[code] for code in told} == told
    assert set(known) - set(told) == {"doubted", "not_replayed", "not_judged"}
