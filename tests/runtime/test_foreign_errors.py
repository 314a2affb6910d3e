from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from testbed.plan import package_data

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTBED = package_data.packages() / "testbed"


def imported(node: ast.AST) -> Iterator[str]:
    """Yield the modules that a file imports when it runs."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from (name.name for name in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield child.module or ""
        yield from imported(child)


@pytest.mark.parametrize(
    ("library", "door"),
    [
        ("psycopg", "runtime/postgres/sql.py"),
        ("docker", "runtime/containers/engine_client.py"),
        ("testcontainers", "runtime/containers/runtime.py"),
        ("toxiproxy", "runtime/toxiproxy.py"),
    ],
)
def test_the_errors_of_a_foreign_library_are_translated_in_one_file(library: str, door: str) -> None:
    """No other file imports the library, so none can meet its errors without knowing it; the services of pools/ are programs alone."""
    importing = {
        file.relative_to(TESTBED).as_posix()
        for file in TESTBED.rglob("*.py")
        if file.parent != TESTBED / "pools" / "services"
        and library in {module.partition(".")[0] for module in imported(ast.parse(file.read_text(encoding="utf-8")))}
    }
    assert importing == {door}
