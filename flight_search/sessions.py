"""Sessions: a row for each lookup, kept for a while, and the purge without which the table grows for ever (S7)."""

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

PURGES = 4  # in the time that a session is kept
WRITE = "INSERT INTO sessions (looked_for) VALUES (%s)"
PURGE = "DELETE FROM sessions WHERE begun_at < now() - make_interval(secs => %s)"
# What is deleted takes its place in the file until somebody vacuums; the facility's PostgreSQL has nobody who does it by itself.
VACUUM = "VACUUM (SKIP_LOCKED) sessions"


@dataclass(frozen=True, slots=True)
class Sessions:
    """The table of sessions: nothing is written unless `sessions` is on, and nothing purged unless `sessions_kept_s` says for how long."""

    source: MonitoredDataSource
    on: bool
    kept_s: float | None

    @classmethod
    def start(cls, settings: ServerSettings, source: MonitoredDataSource) -> Sessions:
        """Make them, and begin to purge in a thread that ends with the process."""
        sessions = cls(source, settings.sessions, settings.sessions_kept_s)
        if sessions.on and sessions.kept_s is not None:
            threading.Thread(target=sessions.purge_for_ever, args=(sessions.kept_s,), name="purge-sessions", daemon=True).start()
        return sessions

    def write(self, looked_for: str) -> None:
        """Write a session; raises psycopg.Error, PoolTimeout."""
        if not self.on:
            return
        with closing(self.source.get_connection()) as connection:
            connection.driver.execute(WRITE, [looked_for])
            connection.driver.commit()

    def purge_for_ever(self, kept_s: float) -> None:
        """Purge, some times in the time that a session is kept; what fails is told, and tried again the next time."""
        while True:
            time.sleep(kept_s / PURGES)
            try:
                self.purge(kept_s)
            except (psycopg.Error, PoolTimeout) as error:
                sys.stderr.write(f"{self.source.name}: the sessions were not purged: {error}\n")

    def purge(self, kept_s: float) -> None:
        """Delete every session that is older, and give its place back to the table; raises psycopg.Error, PoolTimeout."""
        with closing(self.source.get_connection()) as connection:
            connection.driver.execute(PURGE, [kept_s])
            connection.driver.commit()
            connection.driver.autocommit = True  # a vacuum is no part of a transaction
            try:
                connection.driver.execute(VACUUM)
            finally:
                connection.driver.autocommit = False
