"""Fills an empty database with the real week of schedules: `python -m flight_search.seed_data CONNINFO`."""

from __future__ import annotations

import csv
import sys
from importlib.resources import files
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.resources.abc import Traversable

TABLES = ("airlines", "airports", "cities", "flights")  # in the order of their foreign keys


def data() -> Traversable:
    """Return the directory of the data files; its `README.md` names their source."""
    return files("flight_search") / "data"


def seed(conninfo: str) -> dict[str, int]:
    """Create the schema and copy every table; return the number of rows by table. Raises psycopg.Error."""
    with psycopg.connect(conninfo) as connection:
        connection.execute((files("flight_search") / "schema.sql").read_text().encode())
        for table in TABLES:
            text = (data() / f"{table}.csv").read_text(encoding="utf-8")
            columns = next(csv.reader([text.partition("\n")[0]]))
            copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, HEADER)").format(
                sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
            )
            with connection.cursor().copy(copy) as rows:
                rows.write(text)
        connection.execute("ANALYZE")
        count = sql.SQL("SELECT count(*) FROM {}")
        cursors = {table: connection.execute(count.format(sql.Identifier(table))) for table in TABLES}
        return {table: row[0] for table, cursor in cursors.items() if (row := cursor.fetchone())}


def main(arguments: Sequence[str]) -> int:
    """Seed a database and print the counts; return exit code 2 for wrong usage, 3 if the database does not take the data."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m flight_search.seed_data CONNINFO, such as 'host=127.0.0.1 port=5432 user=flights'\n")
        return 2
    try:
        counts = seed(arguments[0])
    except psycopg.Error as error:
        sys.stderr.write(f"cannot seed the database: {error}\n")
        return 3
    sys.stdout.write(", ".join(f"{rows:,} {table}" for table, rows in counts.items()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
