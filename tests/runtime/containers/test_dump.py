from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from testbed.errors import DumpError, FacilityError
from testbed.runtime.containers.runtime import Containers

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("words", "blamed"), [("Permission Denied: Try running again with elevated permissions", True), ("No such file or directory", False)]
)
async def test_a_failed_dump_is_blamed_on_a_missing_capability_only_where_permission_was_denied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, *, blamed: bool
) -> None:
    """Other failures keep their own words."""

    async def fail(*_: object, **__: object) -> str:
        raise FacilityError(f"cf-1: py-spy dump ended with exit code 1: {words}")

    monkeypatch.setattr(Containers, "run_in", fail)
    containers = Containers("a-project", tmp_path, {}, SimpleNamespace())  # type: ignore[arg-type]
    with pytest.raises(DumpError, match=words) as failure:
        await containers.dump("cf-1", 1, tmp_path / "cf-1.txt")
    assert ("SYS_PTRACE" in str(failure.value)) == blamed
