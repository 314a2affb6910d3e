"""What a scenario expects of a variant. Every key but `outcome` is optional; each key is one check, but for `of` and `at_least`."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator


class Outcome(StrEnum):
    """What became of the airline, from best to worst."""

    UNHARMED = "unharmed"
    CONTAINED = "contained"
    GROUNDED = "grounded"

    @property
    def rank(self) -> int:
        """Its place from best (0) to worst."""
        return list(Outcome).index(self)


class Crack(IntEnum):
    """How far the trouble went."""

    NOTHING = 0
    LOOKUP = 1
    POOL = 2
    SERVER = 3
    FACILITY = 4
    CALLER = 5
    AIRLINE = 6

    @property
    def word(self) -> str:
        """The level in a word."""
        return self.name.lower()


# What threads may wait for in the end (`verdict/README.md` has what each is); `nobody` where nothing is blocked.
SeenCode = Literal[
    "lost",
    "lock",
    "statement",
    "no_session",
    "no_answer",
    "late_answer",
    "frozen",
    "full_queue",
    "wrong_address",
    "deadlock",
    "monitor",
    "work",
    "exhausted",
    "retries",
]
CauseCode = Literal[SeenCode, "unseen"]
RootCode = Literal[SeenCode, "nobody"]
MOST_REPLAYS = 100
SHARE = ("at_least", "of")
OutcomeWord = Literal["unharmed", "contained", "grounded"]


def _listed(value: object) -> object:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


class Root(BaseModel):
    """The root of a hang: what most threads wait for in the end, and a part of the words that name it, such as `lookup/original.py`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    code: RootCode
    at: str = ""


class Expectation(BaseModel):
    """What is expected; `outcome` and `crack` may be one value or a list of allowed ones.

    `leaked_connections`: on every application server at the end (O4). `errors_per_server`: operations that failed after the first fault, on
    every application server. `servers_blocked_at`: all request threads of every application server, in the dumps, wait there (O5).
    `callers_blocked_at`: all request threads of every caller, in the dumps, read a socket inside that call (O6). `health_green`: every
    health check from first to last (O8). `switchover`: its five steps ended, within a minute (C4, O1).
    `cluster_switchovers`: so many were ordered by the cluster and not by an operator (P2). `restored`: after the last restart
    every caller's transactions that need the facility were answered again (O9). `evidence_within_s`: before each restart the threads of
    every service were dumped, and this delayed it by no more than so many real seconds, and no longer than the dumps took (O9).
    `served_by_hosts`: on so many hosts of the pair in turn, every application server answered (C1). `answered_after`: at least this share
    of the requests due after the last fault or operation was answered. `answered_within_s`: every transaction after the first fault that
    did not fail was answered within so many real seconds from when it was due. `recovery_lag_s`: the recovery standby was never further
    behind, and had everything once more after the last fault or operation (C2). `ledger`: every answered check-in and booking is in the
    database and on the standby. `backups`: so many were taken off site, and each, restored, has the same rows. `longevity`: what rises for
    good under load, after a warm-up: nothing, memory and other things that leak, or tables and logs (S7). `memory_rise_mib`: no process
    ever held more than so much more memory than before the first fault (W6). `errors_counted`: although the log lost lines, every failed
    transaction was counted by an application server, and each operation that failed by its log (W7). `full_first`: the layer that was used
    up first after the first fault began (S9): the pools (a thread waits for a connection), or the request threads of application servers or
    callers. `root`: what most threads waited for in the end, by the dumps and the evidence of the worst moment (O5 to O7, P1).

    Where chance decides, `at_least` replays out of `of` must hold, and not each of them (`verdict/share.py`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    outcome: Annotated[tuple[OutcomeWord, ...], Field(min_length=1), BeforeValidator(_listed)]
    crack: Annotated[tuple[Annotated[int, Field(ge=0, le=6)], ...], Field(min_length=1), BeforeValidator(_listed)] | None = None
    leaked_connections: Annotated[int, Field(ge=0)] | None = None
    errors_per_server: Annotated[int, Field(ge=0)] | None = None
    servers_blocked_at: Literal["checkout"] | None = None
    callers_blocked_at: Literal["lookup_by_city"] | None = None
    health_green: bool | None = None
    switchover: Literal["success"] | None = None
    cluster_switchovers: Annotated[int, Field(ge=0, le=100)] | None = None
    restored: bool | None = None
    evidence_within_s: Annotated[float, Field(gt=0, le=3600)] | None = None
    served_by_hosts: Annotated[int, Field(ge=1, le=100)] | None = None
    answered_after: Annotated[float, Field(ge=0, le=1)] | None = None
    answered_within_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    recovery_lag_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    ledger: Literal["complete"] | None = None
    backups: Annotated[int, Field(ge=1, le=100)] | None = None
    full_first: Literal["pools", "application_servers", "callers", "nobody"] | None = None
    memory_rise_mib: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    longevity: Literal["steady", "leak", "growth"] | None = None
    errors_counted: Literal["complete"] | None = None
    root: Root | None = None
    at_least: Annotated[int, Field(ge=1)] | None = None
    of: Annotated[Annotated[int, Field(ge=2, le=MOST_REPLAYS)] | None, Field(validate_default=True)] = None

    @property
    def checks(self) -> dict[str, Any]:
        """What is expected, by the word of its check."""
        return {name: value for name in type(self).model_fields if name not in SHARE and (value := getattr(self, name)) is not None}

    @property
    def can_be_broken(self) -> bool:
        """Whether there is anything that would not be as expected."""
        asked = set(self.checks) - {"outcome", "crack", "answered_after"}
        outcomes, cracks = set(get_args(OutcomeWord)) - set(self.outcome), set(Crack) - set(self.crack or Crack)
        return bool(asked or outcomes or cracks or self.answered_after)

    @field_validator("of")
    @classmethod
    def _require_a_share(cls, of: int | None, info: ValidationInfo) -> int | None:
        """Raise ValueError unless `at_least` and `of` are there both, or neither, and leave something to chance.

        It looks at one key, and not at the whole record, so that a mistake in another key does not hide this one.
        """
        if "at_least" not in info.data:  # it is wrong itself
            return of
        at_least = info.data["at_least"]
        if (at_least is None) is not (of is None):
            raise ValueError("at_least and of are a share together: at least so many replays hold, of so many")
        if at_least is not None and of is not None and at_least >= of:
            raise ValueError(f"at_least = {at_least} of = {of} is no share; allowed: at_least below of, or neither")
        return of


WHATEVER = Expectation(outcome=get_args(OutcomeWord))  # the outcome is reported, and not judged
