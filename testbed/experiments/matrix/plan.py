"""The plan of a matrix: scenarios as columns, variants as rows, and which of their cells belong to a shard. Data, no effects."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from testbed.errors import UsageError, shortened
from testbed.experiments.matrix.cell import LONGEST_SHOWN
from testbed.experiments.matrix.table import Column, Matrix, Provenance, Row
from testbed.plan import passengers
from testbed.plan.expectation import WHATEVER
from testbed.plan.scenario import Variant
from testbed.plan.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.plan.scenario import Scenario
    from testbed.plan.settings import KeptVariant
    from testbed.plan.trace import Trace


@dataclass(frozen=True, slots=True)
class PlannedColumn:
    """A scenario as a column: with every variant of the matrix, and the trace that is sent to each."""

    scenario: Scenario
    sent: Trace
    runtime: str

    @property
    def column(self) -> Column:
        """The column as the matrix has it."""
        return Column(
            scenario=self.scenario.name,
            runtime=self.runtime,
            title=self.scenario.title,
            seed=self.scenario.workload.seed,
            requests=len(self.sent.requests),
            trace_sha256=self.sent.header.sha256,
        )

    def only(self, variant: str) -> Scenario:
        """Return the scenario with one variant."""
        return self.scenario.only((variant,))

    def over(self, name: str, settings: Settings) -> PlannedCell:
        """Return the cell of a variant that is not among the matrix's own."""
        alone = replace(self.scenario, variants=(Variant(name, settings, WHATEVER),))
        return PlannedCell(replace(self, scenario=alone), name)


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """A cell to be replayed."""

    column: PlannedColumn
    variant: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Scenario, runtime and variant."""
        return self.column.scenario.name, self.column.runtime, self.variant


@dataclass(frozen=True, slots=True)
class MatrixPlan:
    """All cells of a matrix, column by column; `settings` has the digest of each variant's settings."""

    columns: tuple[PlannedColumn, ...]
    rows: tuple[Row, ...]
    settings: Mapping[str, str]

    @property
    def cells(self) -> tuple[PlannedCell, ...]:
        """Every cell."""
        return tuple(PlannedCell(column, row.variant) for column in self.columns for row in self.rows)

    def empty(self, made_by: str = "", commit: str = "") -> Matrix:
        """Return the matrix without its cells, as made by a command with the code of a commit."""
        columns = tuple(planned.column for planned in self.columns)
        provenance = Provenance(made_by=made_by, commit=commit, settings=dict(self.settings))
        return Matrix(columns=columns, rows=self.rows, cells=(), made={column.key: provenance for column in columns})


def plan(scenarios: Sequence[Scenario], variants: Mapping[str, KeptVariant], runtime: str, slowdown: float) -> MatrixPlan:
    """Return the plan: each scenario with its own trace and seed, over every variant."""
    over = tuple(Variant(name, variant.settings, WHATEVER) for name, variant in variants.items())
    columns = tuple(
        PlannedColumn(replace(scenario, variants=over).slowed(slowdown), passengers.of(scenario), runtime) for scenario in scenarios
    )
    rows = tuple(row(name, variant) for name, variant in variants.items())
    return MatrixPlan(columns, rows, {name: digest(variant.settings) for name, variant in variants.items()})


def row(name: str, variant: KeptVariant) -> Row:
    """Return a variant's row."""
    return Row(variant=name, level=variant.level, says=variant.says, made_of=variant.made_of)


def digest(settings: Settings) -> str:
    """Return the first 12 hex digits of a SHA-256 of what settings change of that night: a new setting alters no digest."""
    night = Settings().model_dump(mode="json")
    changed = {
        f"{role}.{name}": value
        for role, values in settings.model_dump(mode="json").items()
        for name, value in values.items()
        if value != night[role][name]
    }
    return hashlib.sha256(json.dumps(changed, sort_keys=True).encode()).hexdigest()[:12]


def changed(made: Provenance, variants: Mapping[str, KeptVariant]) -> tuple[str, ...]:
    """Return the variants that were replayed with other settings than they have now; one that is no more is not among them."""
    now = {name: digest(variant.settings) for name, variant in variants.items()}
    return tuple(name for name, before in made.settings.items() if before != now.get(name, before))


def shard(cells: Sequence[PlannedCell], text: str | None) -> tuple[PlannedCell, ...]:
    """Return the cells of shard `I/N`; all of them if `text` is None. Raises UsageError for any other text."""
    if text is None:
        return tuple(cells)
    # Python converts no text of more than 4,300 digits, so their number is looked at first.
    parts = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
    if parts is None or not 1 <= int(parts[1]) <= int(parts[2]):
        raise UsageError(f"--shard: found {shortened(text, LONGEST_SHOWN)!r}; allowed: I/N with 1 <= I <= N <= 9999, such as 2/4")
    return tuple(cells[int(parts[1]) - 1 :: int(parts[2])])
