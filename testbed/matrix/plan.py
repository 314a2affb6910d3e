"""What a matrix replays: scenarios as columns, variants as rows, and which of their cells are one shard's. Data, no effects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from testbed import trace
from testbed.errors import UsageError
from testbed.expectation import WHATEVER
from testbed.matrix.table import Column, Matrix, Row
from testbed.scenario import Variant
from testbed.topology import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.scenario import Scenario
    from testbed.topology import KeptVariant
    from testbed.trace import Trace


@dataclass(frozen=True, slots=True)
class Sown:
    """A scenario as a column: with every variant of the matrix, and its trace."""

    scenario: Scenario
    sent: Trace
    runtime: str

    @property
    def column(self) -> Column:
        """The column."""
        one, sent = self.scenario, self.sent
        return Column(
            scenario=one.name,
            runtime=self.runtime,
            title=one.title,
            seed=one.workload.seed,
            requests=len(sent.requests),
            trace_sha256=sent.header.sha256,
        )

    def only(self, variant: str) -> Scenario:
        """Give the scenario with one variant."""
        return self.scenario.only((variant,))

    def over(self, name: str, settings: Settings) -> Planned:
        """Give the cell of a variant that is none of the matrix's own."""
        alone = replace(self.scenario, variants=(Variant(name, settings, WHATEVER),))
        return Planned(replace(self, scenario=alone), name)


@dataclass(frozen=True, slots=True)
class Planned:
    """A cell to be replayed."""

    sown: Sown
    variant: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Scenario, runtime and variant."""
        return self.sown.scenario.name, self.sown.runtime, self.variant


@dataclass(frozen=True, slots=True)
class Plan:
    """All cells of a matrix, column by column."""

    columns: tuple[Sown, ...]
    rows: tuple[Row, ...]

    @property
    def cells(self) -> tuple[Planned, ...]:
        """Every cell."""
        return tuple(Planned(sown, row.variant) for sown in self.columns for row in self.rows)

    def empty(self) -> Matrix:
        """Give the matrix without its cells."""
        return Matrix(columns=tuple(sown.column for sown in self.columns), rows=self.rows, cells=())


def plan(scenarios: Sequence[Scenario], variants: Mapping[str, KeptVariant], runtime: str, slower: float) -> Plan:
    """Make the plan: each scenario with its own trace and seed, over every variant."""
    over = tuple(Variant(name, kept.settings, WHATEVER) for name, kept in variants.items())
    columns = tuple(Sown(replace(one, variants=over).slowed(slower), trace.of(one), runtime) for one in scenarios)
    return Plan(columns, tuple(row(name, kept) for name, kept in variants.items()))


def row(name: str, kept: KeptVariant) -> Row:
    """Make a variant's row."""
    night, given = Settings().model_dump(), kept.settings.model_dump()
    changed = {role: {key: value for key, value in one.items() if value != night[role][key]} for role, one in given.items()}
    return Row(
        variant=name,
        level=kept.level,
        says=kept.says,
        made_of=kept.made_of,
        settings={role: one for role, one in changed.items() if one},
    )


def shard(cells: Sequence[Planned], text: str | None) -> tuple[Planned, ...]:
    """Give the cells of shard `i/n`; all of them without one. Raises UsageError when it is none."""
    if text is None:
        return tuple(cells)
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise UsageError(f"--shard: found {text!r}; allowed: I/N with 1 <= I <= N, such as 2/4")
    return tuple(cells[int(number) - 1 :: int(of)])
