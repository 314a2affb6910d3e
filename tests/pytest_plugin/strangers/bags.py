"""Bags: a plain function over a pool of psycopg2. `careless` closes the cursor and the connection as the case did."""

from __future__ import annotations

from typing import Any

TABLE = "CREATE TABLE IF NOT EXISTS bags AS SELECT 23 AS kilograms"
WEIGHT = "SELECT kilograms FROM bags"


def weight(pool: Any) -> int:
    """Return what a bag weighs."""
    connection = pool.getconn()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(WEIGHT)
            return int(cursor.fetchone()[0])
    finally:
        pool.putconn(connection, close=bool(connection.closed))


def careless(pool: Any) -> int:
    """Return what a bag weighs; a connection whose statement fails stays out."""
    connection = pool.getconn()
    cursor = connection.cursor()
    cursor.execute(WEIGHT)
    found = int(cursor.fetchone()[0])
    cursor.close()
    pool.putconn(connection)
    return found
