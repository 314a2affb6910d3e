"""Sessions: a row for each lookup, and the purge without which their table grows for ever (S7)."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from flight_search.datasource import PoolTimeout

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource
    from flight_search.settings import ServerSettings

PURGES = 4  # within the retention time of a session
WRITE = "INSERT INTO sessions (looked_for) VALUES (%s)"
PURGE = "DELETE FROM sessions WHERE begun_at < now() - make_interval(secs => %s)"
# A deleted row takes up space in the table's file until a vacuum; the facility's PostgreSQL runs no autovacuum.
VACUUM = "VACUUM (SKIP_LOCKED) sessions"


@dataclass(frozen=True, slots=True)
class Sessions:
    """The table of sessions. It is written only if `on`, and purged only if `retention_s` (the setting `sessions_kept_s`) is set."""

    source: MonitoredDataSource
    on: bool
    retention_s: float | None

    @classmethod
    def start(cls, settings: ServerSettings, source: MonitoredDataSource) -> Sessions:
        """Build the sessions, and start purging in a thread that ends with the process."""
        sessions = cls(source, settings.sessions, settings.sessions_kept_s)
        if sessions.on and sessions.retention_s is not None:
            threading.Thread(target=sessions.purge_for_ever, args=(sessions.retention_s,), name="purge-sessions", daemon=True).start()
        return sessions

    def write(self, looked_for: str) -> None:
        """Write a session; raises psycopg.Error, PoolTimeout."""
        if not self.on:
            return
        with closing(self.source.get_connection()) as connection:
            connection.driver.execute(WRITE, [looked_for])
            connection.driver.commit()

    def purge_for_ever(self, retention_s: float) -> None:
        """Purge PURGES times in each retention time; an error goes to standard error, and the next purge tries again."""
        while True:
            time.sleep(retention_s / PURGES)
            try:
                self.purge(retention_s)
            except (psycopg.Error, PoolTimeout) as error:
                sys.stderr.write(f"{self.source.name}: cannot purge sessions: {error}\n")

    def purge(self, retention_s: float) -> None:
        """Delete every session older than `retention_s` and vacuum the table; raises psycopg.Error, PoolTimeout."""
        with closing(self.source.get_connection()) as connection:
            connection.driver.execute(PURGE, [retention_s])
            connection.driver.commit()
            connection.driver.autocommit = True  # VACUUM cannot run in a transaction
            try:
                connection.driver.execute(VACUUM)
            finally:
                connection.driver.autocommit = False
