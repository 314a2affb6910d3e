"""The ledger: answered transactions compared with the rows of a database. Pure functions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.runtime.postgres.sql import passenger, passengers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from testbed.facility.load_generator import AnsweredRequest
    from testbed.runtime.postgres.sql import Tables

# The transactions that write, and their tables. Checking in twice makes one row; booking twice makes two.
WRITES = {"check_in": "check_ins", "book": "bookings"}
ONCE = ("check_in",)


@dataclass(frozen=True, slots=True)
class Entry:
    """The answered transactions of one kind, by passenger and flight."""

    transaction: str
    answered: Counter[str]

    @property
    def table(self) -> str:
        """The table of their rows."""
        return WRITES[self.transaction]

    def missing(self, tables: Tables) -> Counter[str]:
        """Return those that have no row in the tables."""
        rows = passengers(tables[self.table])
        if self.transaction in ONCE:
            return Counter({name: count for name, count in self.answered.items() if name not in rows})
        return self.answered - rows


def entries(answers: Iterable[AnsweredRequest], before_s: float = float("inf")) -> tuple[Entry, ...]:
    """Return an entry for each kind of transaction that writes, with what was answered before `before_s` (on the journal's `t_s`)."""
    answered: dict[str, Counter[str]] = {transaction: Counter() for transaction in WRITES}
    for answer in answers:
        request = answer.request
        if request.transaction in WRITES and answer.answered_s < before_s:
            answered[request.transaction][passenger(request.passenger, request.date, request.carrier, request.flight)] += 1
    return tuple(Entry(transaction, names) for transaction, names in answered.items())


def compare(backup: Tables, database: Tables, before: Iterable[Entry]) -> tuple[int, int]:
    """Compare a restored backup with the database; return the numbers of unexpected and of missing rows.

    Unexpected rows are not in the database. The backup must have every row of the tables that no transaction writes, and all that was
    answered `before` it began. What was written while it was taken may be in it or not.
    """
    unexpected = sum((Counter(rows) - Counter(database.get(name, ()))).total() for name, rows in backup.items())
    written = set(WRITES.values())
    missing = sum((Counter(rows) - Counter(backup.get(name, ()))).total() for name, rows in database.items() if name not in written)
    return unexpected, missing + sum(entry.missing(backup).total() for entry in before)
