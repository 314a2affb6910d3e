"""What the kept containment matrix says of a scenario, for who asks how an outage is kept from happening again."""

from __future__ import annotations

from collections import defaultdict

from testbed import scenario_file
from testbed.errors import UsageError
from testbed.experiments.matrix import folder
from testbed.plan import package_data
from testbed.plan.expectation import Outcome


def contained_by() -> dict[tuple[str, str], tuple[str, ...]]:
    """Return, by scenario and runtime, the variants over which the airline was not grounded; nothing where there is no such matrix."""
    try:
        matrix = folder.read(package_data.directory("scenarios") / "containment", scenario_file.kept_variants(used=()))
    except UsageError:
        return {}
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for cell in matrix.cells:
        if cell.outcome in (Outcome.UNHARMED, Outcome.CONTAINED):
            found[cell.column].append(cell.variant)
    return {column.key: tuple(found[column.key]) for column in matrix.columns}
