"""The redundancy of the containers runtime: the balancer pair, the recovery standby, the off-site backups."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar

from pydantic import TypeAdapter, ValidationError

from testbed.concurrency import wait_until
from testbed.errors import FacilityError, TestbedError, WaitError
from testbed.facility.redundancy import Redundancy, TakenBackup
from testbed.journal.events import Balancer, Ledger, Recovery, Restored
from testbed.plan.topology import BALANCERS
from testbed.runtime.containers import balancers
from testbed.runtime.containers.services import OFF_SITE, RECOVERY, STATISTICS_PORT
from testbed.runtime.containers.services import PORT as DATABASE_PORT
from testbed.runtime.postgres import ledger, sql
from testbed.runtime.postgres.lag import APPLIED, WRITTEN, Lag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.facility.address import Address
    from testbed.facility.load_generator import AnsweredRequest
    from testbed.journal.events import Now
    from testbed.runtime.containers.runtime import Containers
    from testbed.runtime.credentials import Login
    from testbed.runtime.postgres.ledger import Entry
    from testbed.runtime.postgres.sql import Tables


LOOK_WITHIN_S = 2.0
READ_WITHIN_S = 20.0
CAUGHT_UP_WITHIN_S = 30.0  # a tenth of what is guaranteed (C2)
POLL_S = 0.1
BACKUP_WITHIN_S = 120.0
RESTORE_WITHIN_S = 60.0
SHOWN = 5  # of the missing transactions


Output = TypeVar("Output")


def virtual_ip_of(runtime: Containers) -> Address:
    """Return the address at which a project's virtual IP is published."""
    return runtime.published("toxiproxy", DATABASE_PORT)


@dataclass(frozen=True, slots=True)
class ReadBackup:
    """A backup that was restored to a separate server and read: the rows of each table, as JSON."""

    backup: str
    tables: dict[str, tuple[str, ...]]


@dataclass(slots=True)
class ContainerRedundancy(Redundancy):
    """The balancers, the standby and the off-site container of one compose project.

    `servers` are the application servers; `login` is the administrator's.
    """

    runtime: Containers
    servers: tuple[str, ...]
    login: Login
    lag: Lag = field(default_factory=Lag)
    taken: dict[str, float] = field(default_factory=dict)  # backups, and when each began

    @property
    def database(self) -> Address:
        """The address at which the virtual IP is published."""
        return virtual_ip_of(self.runtime)

    @property
    def standby(self) -> Address:
        """The address at which the recovery standby is published."""
        return self.runtime.published(RECOVERY, DATABASE_PORT)

    async def look(self, now: Now) -> Sequence[Balancer | Recovery]:
        """Sample both balancers and the standby, concurrently."""
        return await asyncio.gather(*(self._sample_balancer(balancer, now) for balancer in BALANCERS), self._sample_standby(now))

    async def _sample_balancer(self, balancer: str, now: Now) -> Balancer:
        servers = await asyncio.to_thread(balancers.statistics, self.runtime.published(balancer, STATISTICS_PORT), self.servers)
        t_s, night_s = now()
        return Balancer(t_s=t_s, night_s=night_s, balancer=balancer, servers=servers)

    async def _sample_standby(self, now: Now) -> Recovery:
        t_s, night_s = now()
        written, state = await _fetch_pair(self.database, self.login, WRITTEN)
        # Second, or what was written in between would count as lag.
        applied, last_commit_s = await _fetch_pair(self.standby, self.login, APPLIED)
        lag_s, lag_bytes = self.lag.add(t_s, written, applied)
        return Recovery(
            t_s=t_s, night_s=night_s, standby=RECOVERY, lag_s=lag_s, lag_bytes=lag_bytes, state=state, last_commit_s=last_commit_s
        )

    async def take_backup(self, began_s: float) -> TakenBackup:
        """Take a backup in the off-site container."""
        taken = await self._off_site(TakenBackup, "take", within_s=BACKUP_WITHIN_S)
        self.taken[taken.backup] = began_s
        return taken

    async def _off_site(self, kind: type[Output], *words: str, within_s: float) -> Output:
        """Run a command of the off-site container, and parse the line that it prints; raises FacilityError with its words."""
        out = await self.runtime.run_in(OFF_SITE, "off-site", *words, within_s=within_s)
        try:
            return TypeAdapter(kind).validate_json(out)
        except ValidationError as error:
            raise FacilityError(f"{OFF_SITE}: {' '.join(words)} printed no {kind.__name__}: {out[:200]!r}") from error

    async def count(self, answers: Sequence[AnsweredRequest], now: Now) -> Sequence[Ledger | Restored]:
        """Read the database, wait until the standby has what was answered, and restore and compare every backup in turn."""
        counted: list[Ledger | Restored] = []
        entries = ledger.entries(answers)
        try:
            database = await sql.read(self.database, self.login, READ_WITHIN_S)
            counted += self._count_standby(entries, database, await self._wait_standby(entries), now)
        except TestbedError as error:
            t_s, night_s = now()
            return [
                Ledger(t_s=t_s, night_s=night_s, transaction=entry.transaction, answered=entry.answered.total(), error=str(error))
                for entry in entries
            ]
        for backup, began_s in self.taken.items():
            counted.append(await self._restore(backup, ledger.entries(answers, began_s), database, now))
        return counted

    async def _wait_standby(self, entries: Sequence[Entry]) -> tuple[Tables, float]:
        """Wait until nothing is missing in the standby; return its rows then, or when the time is up, and the seconds waited."""
        began_s, waited_s = time.monotonic(), 0.0
        standby: Tables = {}

        async def look() -> str | None:
            nonlocal standby, waited_s
            standby = await sql.read(self.standby, self.login, READ_WITHIN_S, [entry.table for entry in entries])
            waited_s = time.monotonic() - began_s
            missing = sum(entry.missing(standby).total() for entry in entries)
            return f"{missing} rows are missing" if missing else None

        with suppress(WaitError):  # the verdict judges what is missing
            await wait_until(f"{RECOVERY} did not have what was answered", look, CAUGHT_UP_WITHIN_S, every_s=POLL_S)
        return standby, waited_s

    def _count_standby(self, entries: Sequence[Entry], database: Tables, waited: tuple[Tables, float], now: Now) -> list[Ledger]:
        standby, waited_s = waited
        t_s, night_s = now()
        return [
            Ledger(
                t_s=t_s,
                night_s=night_s,
                transaction=entry.transaction,
                answered=entry.answered.total(),
                in_database=(entry.answered - entry.missing(database)).total(),
                in_standby=(entry.answered - entry.missing(standby)).total(),
                waited_s=round(waited_s, 3),
                missing=tuple(sorted(entry.missing(database) | entry.missing(standby)))[:SHOWN],
            )
            for entry in entries
        ]

    async def _restore(self, backup: str, before: Sequence[Entry], database: Tables, now: Now) -> Restored:
        started = time.monotonic()
        answered = sum(entry.answered.total() for entry in before)
        rows: dict[str, int] = {}
        unexpected = missing = error = None
        try:
            read = await self._off_site(ReadBackup, "read", backup, within_s=RESTORE_WITHIN_S)
            rows = {name: len(texts) for name, texts in read.tables.items()}
            unexpected, missing = ledger.compare(read.tables, database, before)
        except FacilityError as failure:
            error = str(failure)
        t_s, night_s = now()
        return Restored(
            t_s=t_s,
            night_s=night_s,
            backup=backup,
            took_s=round(time.monotonic() - started, 3),
            rows=rows,
            strangers=unexpected,
            answered_before=answered,
            missing=missing,
            error=error,
        )


async def _fetch_pair(address: Address, login: Login, query: LiteralString) -> tuple[Any, Any]:
    """Return a row of two values; None twice when there is no answer."""
    try:
        first, second = await sql.fetch_row(address, login, query, {"standby": RECOVERY}, LOOK_WITHIN_S)
    except TestbedError:
        return None, None
    return first, second
