"""The lag of the recovery standby, computed from samples of the database and of the standby (C2). Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

# Positions in the log, in bytes. Of the database, what is flushed to its disk: that is what a commit waits for.
WRITTEN = """
SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint,
       (SELECT state FROM pg_stat_replication WHERE application_name = %(standby)s ORDER BY pid DESC LIMIT 1)
"""
APPLIED = """
SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint,
       extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8
"""


@dataclass(slots=True)
class Lag:
    """The samples so far. `level_s` is the time of the last one whose position the standby has applied by now.

    The age of the last commit that was applied would be simpler, and wrong: it grows through every quiet hour. The standby's own
    "received and not applied" is wrong, too: it is zero while the connection is gone.
    """

    level_s: float | None = None
    _written: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, t_s: float, written: int | None, applied: int | None) -> tuple[float | None, int | None]:
        """Add a sample made at `t_s`, the database first, and return the lag in seconds and in bytes. None stands for no answer."""
        if written is not None:
            self._written.append((t_s, written))
        while applied is not None and self._written and self._written[0][1] <= applied:
            self.level_s = self._written.popleft()[0]
        lag_s = None if self.level_s is None else t_s - self.level_s
        return lag_s, None if written is None or applied is None else max(0, written - applied)
