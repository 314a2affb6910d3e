from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan import written_file

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 255  # characters of a name that a file system takes


def test_a_file_with_the_longest_name_there_can_be_is_written(tmp_path: Path) -> None:
    """What is written beside it first has a shorter name, and is gone afterwards."""
    path = tmp_path / ("n" * LONGEST)
    written_file.write(path, "old")
    written_file.write(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert list(tmp_path.iterdir()) == [path]
