from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console

from testbed.cli import interactive_display
from testbed.interactive import protocol
from testbed.journal.events import GroupWait, PoolSample, Step, ThreadGroup, Threads

if TYPE_CHECKING:
    from testbed.journal.events import Progress

WIDTH = 80
POOL = PoolSample(size=40, in_=40, out=40, waiting=99_999, leaked=40)
SERVER = protocol.ServiceStatus("cf-16", "http://127.0.0.1:65535", True, True, 40, 40, 99_999, True, POOL)
CALLER = protocol.ServiceStatus("partner", "http://127.0.0.1:65534", True, True, 40, 7, 0, False, None)
DEAD = protocol.ServiceStatus("kiosk", "http://127.0.0.1:65533", False, False, None, None, None, False, None)
LOAD = protocol.LoadStatus(100_000, 99_000, 98_000, 80, 920)
WHOSE = ("facility", "somebody", "/here", "2013-10-07T22:00:00+00:00", 18_720.0)
STATUS = protocol.FacilityStatus(*WHOSE, "checkout_timeout", "containers", "db-2", "runs/original.jsonl", (SERVER, CALLER, DEAD), LOAD)


def printed(reply: protocol.Reply) -> str:
    """Print a reply as the commands do, on a terminal of 80 columns; return the text."""
    console = Console(file=io.StringIO(), width=WIDTH)
    console.print(interactive_display.reply_text(reply), soft_wrap=True)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_status_fits_eighty_columns_and_cuts_no_address() -> None:
    """With the longest names and the largest numbers that there can be, no line is wider, and every address can be pasted."""
    lines = printed(STATUS).splitlines()
    assert max(map(len, lines)) <= WIDTH
    text = " ".join(lines)
    assert all(f" {service.url} " in text for service in (SERVER, CALLER, DEAD))
    assert "…" not in text.replace("cf-…", "")


def test_the_status_tells_blocked_from_busy_and_dead_from_red() -> None:
    """What a class is to see is a word, and not a colour alone."""
    rows = {line.split()[0]: line.split() for line in printed(STATUS).splitlines() if "127.0.0.1" in line and "curl" not in line}
    assert rows["cf-16"][2:5] == ["green", "40/40", "blocked"]
    assert rows["partner"][2:5] == ["green", "7/40", "busy"]
    assert rows["kiosk"][2:5] == ["dead", "no", "answer"]


def test_the_status_tells_whose_facility_it_is() -> None:
    """Its name, its owner, since when it is up, and which checkout has built it."""
    assert printed(STATUS).splitlines()[-2:] == [
        "facility facility of somebody, up since 2013-10-07T22:00:00+00:00 (5 h 12 min)",
        "built by /here",
    ]


def test_the_path_of_the_journal_is_on_one_line_however_long_it_is() -> None:
    """A path that is broken over two lines cannot be pasted."""
    path = "/a/very/long/way" * 10 + "/original.jsonl"
    assert f"journal: {path}\n" in printed(protocol.FacilityStatus(*WHOSE, "original", "processes", "db-1", path, (CALLER,), None))


def test_the_database_of_a_service_of_ones_own_is_told_and_of_the_cases_it_is_not() -> None:
    """With the URL that the service has; and nobody is sent to the pages that only the case's application servers have."""
    dsn = "postgresql://flights:secret@127.0.0.1:5432/flights"
    told = printed(replace(STATUS, dsn=dsn))
    assert dsn in told
    assert "/admin/pool" not in told
    assert "postgresql://" not in printed(STATUS)


def test_a_step_is_printed_when_it_ends_and_with_its_reason_when_it_fails() -> None:
    """A begin prints nothing; an end has its number, name and seconds; a failure also why."""

    def step(state: Progress, duration_s: float | None, detail: str = "") -> protocol.StepReply:
        return protocol.StepReply(
            Step(
                t_s=1.0,
                night_s=2.0,
                operation="switchover",
                id=1,
                number=3,
                step="mount",
                state=state,
                detail=detail,
                duration_s=duration_s,
            )
        )

    assert interactive_display.reply_text(step("begin", None)) is None
    assert interactive_display.reply_text(step("end", 0.254)) == "3. mount  0.25 s"
    assert interactive_display.reply_text(step("failed", 0.1, "no disk")) == "3. mount  0.10 s  failed: no disk"


def test_a_dump_shows_the_innermost_calls_first_and_how_many_are_left_out() -> None:
    """Of a deep stack the line at which it stands is on top, and what is not shown is counted; so are threads that were never started."""
    deep = tuple(f"f.py:{number} f{number}" for number in range(1, 11))
    groups = (ThreadGroup(30, "waiting", "lookup_by_city", deep),)
    dump = Threads(t_s=1.0, night_s=2.0, service="cf-1", file="f", request_threads=40, groups=groups)
    lines = printed(protocol.ThreadsReply(dump, "/f")).splitlines()
    assert lines[0] == "30 of 40 request threads: waiting, within lookup_by_city"
    assert lines[1].strip() == "f.py:10 f10"
    assert lines[-2].strip() == "… and 2 calls further out"
    assert lines[-1] == "10 were never needed, so never started"


def test_a_dump_shows_what_its_threads_wait_for() -> None:
    """With the other end, where there is one, and counted: threads at one line may wait for different servers."""
    waits = (
        GroupWait(2, "socket", "recvfrom", "127.0.0.1:80", ""),
        GroupWait(1, "running", "", "", ""),
        GroupWait(1, "unknown", "", "", "why"),
    )
    dump = Threads(t_s=1.0, night_s=2.0, service="kiosk", file="f", request_threads=4, groups=(ThreadGroup(4, "s", "w", ("f",), waits),))
    lines = printed(protocol.ThreadsReply(dump, "/f")).splitlines()
    assert [line.strip() for line in lines[1:4]] == [
        "2 of them: socket (recvfrom) 127.0.0.1:80",
        "1 of them: running",
        "1 of them: unknown: why",
    ]


def test_done_with_nothing_to_say_prints_nothing() -> None:
    """After the status there is no empty line for its end."""
    assert interactive_display.reply_text(protocol.DoneReply("")) is None
    assert interactive_display.reply_text(protocol.DoneReply("restarted cf-1")) == "restarted cf-1"
