"""How far the recovery standby is behind, from looks at the database and at the standby (C2)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

# Places in the log as numbers of bytes. Of the database, what is safe on its disk: that is what a commit waits for.
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
    """The looks so far. `level_s` is the last of them at which the database had written no more than the standby has applied by now.

    The age of the last commit that was applied would be simpler, and wrong: it grows through every quiet hour. So does the standby's
    own "received and not applied" fall short: it is nothing while the connection is gone.
    """

    level_s: float | None = None
    _written: deque[tuple[float, int]] = field(default_factory=deque)

    def see(self, t_s: float, written: int | None, applied: int | None) -> tuple[float | None, int | None]:
        """Take in a look made at `t_s`, of which the database came first; give the lag in seconds, and in bytes. None is no answer."""
        if written is not None:
            self._written.append((t_s, written))
        while applied is not None and self._written and self._written[0][1] <= applied:
            self.level_s = self._written.popleft()[0]
        lag_s = None if self.level_s is None else t_s - self.level_s
        return lag_s, None if written is None or applied is None else max(0, written - applied)
