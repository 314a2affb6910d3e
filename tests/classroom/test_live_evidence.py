from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from testbed.classroom import waits
from testbed.classroom.board import Board
from testbed.classroom.live.evidence import LiveEvidence
from testbed.classroom.scene import Scene
from testbed.journal import evidence as evidence_file
from testbed.journal.events import EvidenceTaken, Pressure, Threads
from testbed.journal.reader import Journal
from testbed.verdict import who_waits
from tests.classroom.test_waits import CALLERS, LOST, NAMES, SERVERS
from tests.journals import header

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TAKEN = EvidenceTaken(t_s=5.1, night_s=5.1, why="hung", file="evidence/1.json", took_s=0.1)
LATE = tuple(replace(dump, t_s=7.5, took_s=2.5) for dump in CALLERS)
LATER = tuple(replace(dump, t_s=9.0, took_s=0.5) for dump in CALLERS)


def shown(directory: Path) -> tuple[LiveEvidence, Path]:
    """Return evidence of a night that goes on, and the path of its journal."""
    evidence_file.write(LOST, directory / "evidence" / "1.json")
    board = Board()
    return LiveEvidence(board, Scene(board, header(facility=NAMES))), directory / "a_night.jsonl"


def names(evidence: LiveEvidence) -> set[str]:
    """Return the names in the graph that pages show."""
    value: dict[str, Any] = evidence.board.values["waits"]
    return {node["name"] for node in value["graph"]["nodes"]}


async def test_a_dump_that_was_begun_with_the_evidence_and_came_after_it_is_in_the_graph(tmp_path: Path) -> None:
    """As in the recorded night, which has all dumps from the begin; one that was begun later shows another moment."""
    evidence, path = shown(tmp_path)
    for event in (*SERVERS, TAKEN):
        evidence.take(event, path)
    await evidence.settle()
    assert not names(evidence) & {"kiosk", "ivr"}
    for event in LATER:
        evidence.take(event, path)
    await evidence.settle()
    assert not names(evidence) & {"kiosk", "ivr"}
    for event in LATE:
        evidence.take(event, path)
    await evidence.settle()
    assert {"kiosk", "ivr"} <= names(evidence)
    recorded = waits.of_evidence(TAKEN, Journal(path, header(facility=NAMES), (*SERVERS, TAKEN, *LATER, *LATE)))
    assert evidence.board.values["waits"] == {**recorded.hidden(), "t_s": TAKEN.t_s}


async def test_after_the_reveal_the_graph_has_the_names_of_what_is_blamed(tmp_path: Path) -> None:
    """That which is shown already, too."""
    evidence, path = shown(tmp_path)
    for event in (*SERVERS, *CALLERS, TAKEN):
        evidence.take(event, path)
    await evidence.settle()
    assert any(name.startswith(waits.UNNAMED) for name in names(evidence))
    evidence.scene.reveal()
    evidence.show()
    assert not any(name.startswith(waits.UNNAMED) for name in names(evidence))
    assert any(".py" in name for name in names(evidence))


async def test_a_long_night_keeps_what_its_reading_needs_and_sees_what_all_events_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each evidence, and each dump that belongs to it; dumps that failed count, and how busy the machine was."""
    evidence, path = shown(tmp_path)
    rng, events = random.Random(7), list[Threads | Pressure | EvidenceTaken]()
    of_evidence, read = waits.of_evidence, list[who_waits.Look]()

    def compared(taken: EvidenceTaken, journal: Journal) -> waits.Waits:
        read.append(who_waits.at(journal, taken))
        assert read[-1] == who_waits.at(replace(journal, events=tuple(events)), taken)
        return of_evidence(taken, journal)

    monkeypatch.setattr(waits, "of_evidence", compared)
    for number in range(900):
        t_s = number / 3
        if number % 3 == 0:
            events.append(Pressure(t_s=t_s, night_s=t_s, cpu_stalled_s=t_s / 2 + rng.random() / 2))
        elif number % 70 == 10:
            evidence_file.write(replace(LOST, t_s=t_s - 1.5, took_s=1.4), tmp_path / "evidence" / f"{number}.json")
            events.append(replace(TAKEN, t_s=t_s, took_s=1.4, file=f"evidence/{number}.json"))
        else:
            dump = rng.choice((*SERVERS, *CALLERS))
            failed = rng.random() < 0.1
            events.append(
                replace(
                    dump, t_s=t_s, took_s=rng.choice((None, 2.0, 9.0)), groups=() if failed else dump.groups, error="x" if failed else None
                )
            )
        evidence.take(events[-1], path)
        await evidence.settle()
    assert len(read) > 50
    assert all(look.busy_s > 0.0 and not look.unread for look in read)
    assert kept_events(evidence) < 150


def kept_events(evidence: LiveEvidence) -> int:
    """Return how many events of a night are kept."""
    dumps, busy = (evidence._dumps, evidence._dumps_then), (evidence._busy, evidence._busy_then)  # noqa: SLF001 - only this test asks
    return 2 * sum(map(len, dumps)) + sum(map(len, busy))
