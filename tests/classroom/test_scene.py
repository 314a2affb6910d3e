from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.classroom import log_lines
from testbed.classroom.board import Board
from testbed.classroom.facility_map import VIRTUAL_IP
from testbed.classroom.saying import say
from testbed.classroom.scene import MOST_DUMPS, MOST_LINES, Scene
from testbed.journal.events import Note, OperationEvent, Sample, Service, Step, Threads
from tests.journals import contained_night

if TYPE_CHECKING:
    from testbed.classroom.saying import Told

HEADER = contained_night().journal().header


def shown() -> Scene:
    """Return a scene of which nothing has come yet, in the middle of a night."""
    return Scene(Board(), HEADER, began=True)


def log_of(made: Scene) -> list[Told]:
    """Return the lines of the log, in order."""
    lines = {int(key.removeprefix("log.")): value["text"] for key, value in made.board.values.items() if key.startswith("log.")}
    return [lines[number] for number in sorted(lines)]


def test_what_is_done_in_secret_keeps_its_place_in_the_log_until_it_is_revealed() -> None:
    """And is then where it belongs; what comes after the reveal is shown at once."""
    made = shown()
    made.take(OperationEvent(t_s=1.0, night_s=10.0, operation="switchover", id=1, state="begin"))
    made.take(OperationEvent(t_s=2.0, night_s=20.0, operation="latency", id=2, state="begin"))
    made.take(Note(t_s=3.0, night_s=30.0, who="Ann", role="commander", kind="note", text="it is slow"))
    made.take(OperationEvent(t_s=3.5, night_s=35.0, operation="heal", id=3, state="end", detail="latency: 2 ms"))
    assert log_of(made) == [say("operation_begins", operation="switchover"), "it is slow"]
    made.reveal()
    healed = say("with", what=say("operation_done", operation="heal"), detail="latency: 2 ms")
    begun = [say("operation_begins", operation=word) for word in ("switchover", "latency")]
    assert log_of(made) == [*begun, "it is slow", healed]
    made.take(OperationEvent(t_s=4.0, night_s=40.0, operation="latency", id=2, state="end", detail="200 ms"))
    assert log_of(made)[-1] == say("with", what=say("operation_done", operation="latency"), detail="200 ms")


def test_a_secret_line_that_is_older_than_the_log_goes_back_does_not_come_back_at_the_reveal() -> None:
    """It would stand alone before lines that are much newer; one that is as old as the oldest of the log has its place."""
    made = shown()
    for number in range(MOST_LINES + 3):
        made.take(OperationEvent(t_s=0.0, night_s=0.0, operation="latency", id=number, state="begin", detail=str(number)))
        made.take(Note(t_s=0.0, night_s=0.0, who="Eve", role="commander", kind="note", text=str(number)))
    made.reveal()
    begun = say("operation_begins", operation="latency")
    assert log_of(made) == [each for number in range(MOST_LINES // 2 + 3, MOST_LINES + 3) for each in (begun, str(number))]


def test_what_was_not_seen_of_a_service_is_null_and_a_killed_one_does_not_run() -> None:
    """Neither is zero."""
    made = shown()
    made.take(Sample(t_s=1.0, night_s=1.0, service="cf-1", health=True, health_s=0.1, error="no numbers"))
    assert {name: made.board.values["services.cf-1"][name] for name in ("threads", "busy", "waiting", "pool", "seen")} == {
        "threads": None,
        "busy": None,
        "waiting": None,
        "pool": None,
        "seen": False,
    }
    made.take(Service(t_s=2.0, night_s=2.0, service="cf-1", state="died", pid=7))
    assert (made.board.values["services.cf-1"]["runs"], made.board.values["services.cf-1"]["health"]) == (False, False)
    assert log_of(made) == [say("service", service="cf-1", state="died")]


def test_the_board_holds_no_more_than_a_page_can() -> None:
    """Of the log and of dumps the newest, however many came."""
    made = shown()
    for number in range(MOST_LINES + MOST_DUMPS):
        made.take(Note(t_s=float(number), night_s=0.0, who="Eve", role="commander", kind="note", text=str(number)))
    assert log_of(made) == [str(number) for number in range(MOST_DUMPS, MOST_LINES + MOST_DUMPS)]
    for number in range(MOST_DUMPS + 5):
        made.take(Threads(t_s=float(number), night_s=float(number), service="cf-1", file="x.json", request_threads=40))
    dumps = [value["night_s"] for key, value in made.board.values.items() if key.startswith("dumps.")]
    assert dumps == [float(number) for number in range(5, MOST_DUMPS + 5)]


def test_the_steps_of_a_switchover_move_the_database_on_the_map() -> None:
    """Each of them is told as it is done, and what comes next; the virtual IP follows at the last."""
    made = shown()
    made.take(OperationEvent(t_s=0.0, night_s=0.0, operation="switchover", id=1, state="begin"))
    texts = (
        "stop the database server on db-1",
        "unmount the array on db-1",
        "mount the array on db-2",
        "start the database server on db-2",
    )
    steps = [
        say("switchover_step", step=step, host=host)
        for step, host in zip(("stop", "unmount", "mount", "start"), ("db-1", "db-1", "db-2", "db-2"), strict=True)
    ]
    for number, text in enumerate(texts, start=1):
        made.take(Step(t_s=0.0, night_s=0.0, operation="switchover", id=1, number=number, step=text, state="begin"))
        assert made.board.values["switchover"]["next"] == steps[number - 1]
        made.take(Step(t_s=0.0, night_s=0.0, operation="switchover", id=1, number=number, step=text, state="end", duration_s=0.5))
        assert made.board.values["switchover"]["done"] == steps[:number]
        hosts = tuple(made.board.values[f"hosts.{host}"]["state"] for host in ("db-1", "db-2"))
        assert hosts == (("stopped", "standby") if number < 4 else ("standby", "active"))
    assert (made.board.values["hosts.db-2"]["state"], made.board.values[VIRTUAL_IP]) == ("active", "db-1")
    last = "give the virtual IP to db-2"
    assert log_lines.switchover_steps("db-1") == [*steps, log_lines.step_text(last)]
    made.take(Step(t_s=0.0, night_s=0.0, operation="switchover", id=1, number=5, step=last, state="end", duration_s=0.1))
    made.take(OperationEvent(t_s=0.0, night_s=0.0, operation="switchover", id=1, state="end", detail="the database runs on db-2"))
    assert made.board.values[VIRTUAL_IP] == "db-2"
    assert "switchover" not in made.board.values
