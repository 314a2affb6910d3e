"""The ledger: what passengers were answered, against the rows that are there. Pure functions of both."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.runtime.postgres.sql import passenger, passengers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from testbed.facility.load_generator import AnsweredRequest
    from testbed.runtime.postgres.sql import Tables

# The transactions that write, and where to. Checking in twice is one check-in; booking twice is two bookings.
WRITES = {"check_in": "check_ins", "book": "bookings"}
ONCE = ("check_in",)


@dataclass(frozen=True, slots=True)
class Entry:
    """The answered transactions of one kind, by passenger and flight."""

    transaction: str
    answered: Counter[str]

    @property
    def table(self) -> str:
        """Where their rows are."""
        return WRITES[self.transaction]

    def missing(self, tables: Tables) -> Counter[str]:
        """Give those that have no row in the tables."""
        there = passengers(tables[self.table])
        if self.transaction in ONCE:
            return Counter({name: count for name, count in self.answered.items() if name not in there})
        return self.answered - there


def entries(answers: Iterable[AnsweredRequest], before_s: float = float("inf")) -> tuple[Entry, ...]:
    """Give an entry for each kind of transaction that writes, of what was answered before a moment (on the journal's `t_s`)."""
    answered: dict[str, Counter[str]] = {transaction: Counter() for transaction in WRITES}
    for answer in answers:
        one = answer.request
        if one.transaction in WRITES and answer.answered_s < before_s:
            answered[one.transaction][passenger(one.passenger, one.date, one.carrier, one.flight)] += 1
    return tuple(Entry(transaction, names) for transaction, names in answered.items())


def compare(backup: Tables, database: Tables, before: Iterable[Entry]) -> tuple[int, int]:
    """Compare a restored backup with the database: how many rows it has that the database has not, and how many it should have and has not.

    It should have every row of the tables that nobody writes to, and whatever had been answered `before` it began. What was written
    while it was taken may be in it or not.
    """
    strangers = sum((Counter(rows) - Counter(database.get(name, ()))).total() for name, rows in backup.items())
    written = set(WRITES.values())
    missing = sum((Counter(rows) - Counter(backup.get(name, ()))).total() for name, rows in database.items() if name not in written)
    return strangers, missing + sum(entry.missing(backup).total() for entry in before)
