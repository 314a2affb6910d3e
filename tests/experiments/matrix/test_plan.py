from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from testbed import scenario_file
from testbed.errors import UsageError
from testbed.experiments.matrix import minimal, plan
from testbed.plan.settings import Settings
from tests.nights import scenario

if TYPE_CHECKING:
    from pathlib import Path


def small(directory: Path) -> plan.MatrixPlan:
    """Plan a night over three variants."""
    kept = scenario_file.kept_variants()
    return plan.plan([scenario(directory)], {name: kept[name] for name in ("original", "fixed", "retry")}, "fakes", 1.0)


def test_every_variant_is_sent_the_same_trace(tmp_path: Path) -> None:
    """A cell for each variant, all of one column; what the scenario itself expects plays no part."""
    made = small(tmp_path)
    assert [planned.key for planned in made.cells] == [("a_night", "fakes", name) for name in ("original", "fixed", "retry")]
    assert len({planned.column.column.trace_sha256 for planned in made.cells}) == 1
    assert [planned.column.only(planned.variant).variants[0].expect for planned in made.cells] == [plan.WHATEVER] * 3


def test_a_row_has_level_and_words_and_the_plan_the_digest_of_its_settings(tmp_path: Path) -> None:
    """Only what differs from that night counts: what is as it was has the digest of nothing, whatever else there may be to set."""
    made = small(tmp_path)
    fixed = made.rows[1]
    assert (fixed.level, bool(fixed.says), bool(fixed.made_of)) == ("code", True, True)
    assert list(made.settings) == ["original", "fixed", "retry"]
    assert made.settings["original"] == plan.digest(Settings()) == hashlib.sha256(b"{}").hexdigest()[:12]
    assert len(set(made.settings.values())) == 3
    assert set(made.empty().made) == {("a_night", "fakes")}
    assert made.empty("a command", "a commit").made["a_night", "fakes"].settings == made.settings


def test_the_plan_runs_at_the_runtime_s_own_speed(tmp_path: Path) -> None:
    """A night that goes by twice as slowly is twice as long."""
    kept = {"original": scenario_file.kept_variants()["original"]}
    slow = plan.plan([scenario(tmp_path)], kept, "fakes", 2.0).columns[0].scenario
    assert slow.night.speed == scenario(tmp_path).night.speed / 2


@pytest.mark.parametrize("of", [1, 2, 3, 5])
def test_shards_are_all_of_the_cells_once(tmp_path: Path, of: int) -> None:
    """Whatever their number, and each has about as many as the others."""
    cells = small(tmp_path).cells
    shards = [plan.shard(cells, f"{number}/{of}") for number in range(1, of + 1)]
    assert sorted(planned.key for part in shards for planned in part) == sorted(planned.key for planned in cells)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1
    assert plan.shard(cells, None) == cells


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3", "1/10000", f"1/{'9' * 5000}"])
def test_a_shard_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    """With what was found and what is allowed."""
    with pytest.raises(UsageError, match=r"^--shard: found '.{1,23}'; allowed: I/N with 1 <= I <= N <= 9999, such as 2/4$"):
        plan.shard(small(tmp_path).cells, text)


def test_every_kept_variant_is_told() -> None:
    """A row without its level, its words or what it is made of would teach nobody."""
    bare = [name for name, variant in scenario_file.kept_variants().items() if not (variant.level and variant.says and variant.made_of)]
    assert bare == []


def test_every_variant_but_the_originals_changes_something() -> None:
    """Only the code of the night itself, and the pool's order that it had, are as it was that night."""
    settings = {name: variant.settings for name, variant in scenario_file.kept_variants().items()}
    assert [name for name, changed in settings.items() if not minimal.changes(changed)] == ["original", "fifo"]
    changed = [plan.digest(changed) for changed in settings.values() if minimal.changes(changed)]
    assert len(changed) == len(set(changed))
