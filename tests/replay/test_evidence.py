from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from testbed.errors import FacilityError
from testbed.facility.observers import NoQuestions, Question
from testbed.fakes.builder import DUMP_S
from testbed.journal import evidence as journal_evidence
from testbed.journal.events import EvidenceTaken, Threads
from testbed.journal.evidence import Missing, PoolTable, ThreadLocks
from testbed.replay import evidence
from tests.replay.test_actions import acted, add_stuck_samples

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from testbed.fakes.builder import FakeBuilder
    from testbed.journal.evidence import Answer
    from testbed.replay.actions import Actions

POOL = PoolTable("cf-1", 4, 0, None, 0, 4, 4, 4)


async def answered() -> Answer:
    """Answer at once."""
    return POOL


async def refused() -> Answer:
    """Answer that there is no answer."""
    raise FacilityError("cf-2 does not answer: connection refused")


async def silent() -> Answer:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


@dataclass(frozen=True)
class ThreeQuestions:
    """One that is answered, one that is refused, and one that is never answered."""

    def addresses(self) -> dict[str, str]:
        """Return that of one of them."""
        return {"cf-1": "127.0.0.1:1"}

    def all(self) -> Sequence[Question]:
        """Return them."""
        return (Question("pool of cf-1", answered), Question("pool of cf-2", refused), Question("database server", silent))

    def of_dump(self, dump: Threads, file: Path) -> Sequence[Question]:  # noqa: ARG002 - the protocol's signature
        """Return nothing."""
        return ()


async def collected_twice(actions: Actions, _: FakeBuilder) -> None:
    """Collect evidence of a facility that hangs, and again while it still does."""
    actions.facility.questions = ThreeQuestions()
    add_stuck_samples(actions, *actions.facility.services)
    await actions.collect_evidence("hung")
    await actions.collect_evidence("restart")


def test_what_is_not_answered_in_time_is_missing_and_named(tmp_path: Path) -> None:
    """The answers are in the file, and nothing is waited for longer than the bound, beside the dumps."""
    journal = acted(tmp_path, collected_twice)
    (taken,) = journal.of(EvidenceTaken)
    assert (taken.why, taken.error) == ("hung", None)
    assert taken.missing == (
        "pool of cf-2: cf-2 does not answer: connection refused",
        "database server: no answer within 2 s",
    )
    assert max(DUMP_S, evidence.WITHIN_S) <= taken.took_s < evidence.WITHIN_S + 0.1
    read = journal_evidence.read(tmp_path / taken.file)
    assert (read.pools, len(read.missing), read.took_s) == ((POOL,), 2, taken.took_s)
    assert read.addresses == {"cf-1": "127.0.0.1:1"}


@dataclass(frozen=True)
class LocksToo(ThreeQuestions):
    """Asks of a dump, too: of one service it is told, of the next there is nothing to tell, and one never answers."""

    def of_dump(self, dump: Threads, file: Path) -> Sequence[Question]:
        """Return one question, whose answer names the service that was dumped and the file."""
        asks: dict[str, Callable[[], Awaitable[Answer | None]]] = {
            "cf-1": partial(told, dump.service, file),
            "cf-2": nothing,
            "kiosk": silent,
        }
        return (Question(f"locks of {dump.service}", asks[dump.service]),)


async def told(service: str, file: Path) -> Answer:
    """Answer with the name of the file, as a source that could not be read."""
    return ThreadLocks(service, unread=(file.name,))


async def nothing() -> None:
    """Answer that there is nothing to tell."""


def test_what_a_dump_shows_is_asked_about_within_the_same_bound(tmp_path: Path) -> None:
    """The dump is awaited first, and the bound is that of the evidence as a whole."""

    async def collect(actions: Actions, _: FakeBuilder) -> None:
        actions.facility.questions = LocksToo()
        await actions.collect_evidence("restart")

    (taken,) = acted(tmp_path, collect).of(EvidenceTaken)
    assert journal_evidence.read(tmp_path / taken.file).thread_locks == (ThreadLocks("cf-1", unread=("cf-1.json",)),)
    assert [text for text in taken.missing if "locks" in text] == ["locks of kiosk: no answer within 0.5 s"]
    assert taken.took_s < evidence.RESTART_WITHIN_S + 0.1


def test_a_dump_that_is_late_leaves_the_locks_unknown_and_goes_on(tmp_path: Path) -> None:
    """They are named as missing, and the dump is not given up."""

    async def collect(actions: Actions, _: FakeBuilder) -> None:
        late: asyncio.Future[Threads] = asyncio.get_running_loop().create_future()
        taken = await evidence.take(LocksToo(), "hung", actions.recorder, {"cf-1": late}, tmp_path)
        assert taken is not None
        assert [missing for missing in taken.missing if "locks" in missing.what] == [
            Missing("locks of cf-1", "its thread dump took longer than 2 s", late=True)
        ]
        assert not late.cancelled()

    acted(tmp_path, collect)


def test_a_service_that_was_dumped_before_is_asked_again_because_of_that_dump(tmp_path: Path) -> None:
    """Evidence of a later moment of the same hang has the locks of all services."""

    async def collect(actions: Actions, _: FakeBuilder) -> None:
        actions.facility.questions = LocksToo()
        add_stuck_samples(actions, "cf-1")
        await actions.dump("cf-1")
        await actions.collect_evidence("end")

    journal = acted(tmp_path, collect)
    (taken,) = journal.of(EvidenceTaken)
    assert sorted(dump.service for dump in journal.of(Threads)) == ["cf-1", "cf-2", "kiosk"]
    assert [found.service for found in journal_evidence.read(tmp_path / taken.file).thread_locks] == ["cf-1"]


def test_a_restart_waits_for_no_part_that_does_not_answer(tmp_path: Path) -> None:
    """Restoring service comes first (O9): no longer than for a dump or so."""

    async def collect(actions: Actions, _: FakeBuilder) -> None:
        actions.facility.questions = ThreeQuestions()
        await actions.collect_evidence("restart")

    (taken,) = acted(tmp_path, collect).of(EvidenceTaken)
    assert taken.took_s < evidence.RESTART_WITHIN_S + 0.1
    assert "database server: no answer within 0.5 s" in taken.missing


def test_evidence_of_the_same_hang_is_taken_once(tmp_path: Path) -> None:
    """A second one would show nothing new, and make the outage longer (O9)."""
    journal = acted(tmp_path, collected_twice)
    assert len(journal.of(EvidenceTaken)) == 1
    assert len(journal.of(Threads)) == 3


def test_evidence_that_a_step_asks_for_has_a_file_of_its_own(tmp_path: Path) -> None:
    """Steps act through a copy, which counts on with the others: no evidence is in the way of another's."""

    async def collect(actions: Actions, _: FakeBuilder) -> None:
        actions.facility.questions = ThreeQuestions()
        await replace(actions, word="collect_evidence", id=1).collect_evidence("asked")
        await replace(actions, word="collect_evidence", id=2).collect_evidence("asked")

    journal = acted(tmp_path, collect)
    assert [(taken.file, taken.error) for taken in journal.of(EvidenceTaken)] == [
        ("original/evidence/1.json", None),
        ("original/evidence/2.json", None),
    ]


def test_a_facility_that_cannot_be_asked_has_dumps_and_no_other_evidence(tmp_path: Path) -> None:
    """The do-nothing twin asks nothing."""

    async def collect(actions: Actions, _: FakeBuilder) -> None:
        actions.facility.questions = NoQuestions()
        await actions.collect_evidence("end")

    journal = acted(tmp_path, collect)
    assert journal.of(EvidenceTaken) == ()
    assert len(journal.of(Threads)) == 3


def test_evidence_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    """And the replay goes on."""

    async def collect(actions: Actions, _: FakeBuilder) -> None:
        actions.facility.questions = ThreeQuestions()
        (tmp_path / "original").mkdir()
        (tmp_path / "original" / "evidence").write_text("in the way")
        await actions.collect_evidence("end")

    (taken,) = acted(tmp_path, collect).of(EvidenceTaken)
    assert taken.error is not None
    assert taken.error.startswith("the evidence cannot be written to ")
