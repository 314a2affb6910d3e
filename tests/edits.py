"""Ways to spoil a complete journal: to cut it, edit it, write it twice or empty it. After none of them may it be `held`.

Each takes the lines of a journal as objects, the header first, and returns them spoiled.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Line = dict[str, Any]
    Lines = list[Line]
    Edit = Callable[[Lines], Lines]

EDITS: dict[str, Edit] = {}
OF_FAILED = ("all that failed was answered", "one answer too many", "failed with a good status")  # they need a request that failed
SERVERS, CALLERS = ("cf-1", "cf-2"), ("kiosk", "ivr", "partner")


def spoiled(text: str, edit: str) -> str:
    """Return the text of a journal after an edit; raises AssertionError if the edit changed nothing."""
    lines = [json.loads(line) for line in text.splitlines()]
    before = copy.deepcopy(lines)
    after = EDITS[edit](lines)
    assert after != before, f"{edit} changes nothing"
    return "".join(json.dumps(line) + "\n" for line in after)


def is_of(line: Line, **fields: Any) -> bool:
    """Whether a line has these values."""
    return all(line.get(name) == value for name, value in fields.items())


def fault_s(lines: Lines) -> float:
    """Return when the first fault was done."""
    return next(float(line["t_s"]) for line in lines if is_of(line, event="operation", state="end"))


def closed_s(lines: Lines) -> float:
    """Return when the closing window ended: what is seen later is of no use."""
    return next(float(line["until_s"]) for line in lines if line["event"] == "observed")


def drop(name: str, unwanted: Callable[[Line, Lines], bool]) -> None:
    """Add an edit that removes lines."""
    EDITS[name] = lambda lines: [line for line in lines if not unwanted(line, lines)]


def change(name: str, wanted: Callable[[Line, Lines], bool], **to: Any) -> None:
    """Add an edit that changes fields of lines: to a value, or to what a function of the line returns."""

    def edit(lines: Lines) -> Lines:
        chosen = [line for line in lines if wanted(line, lines)]
        for line in chosen:
            line.update({field: value(line) if callable(value) else value for field, value in to.items()})
        return lines

    EDITS[name] = edit


def change_header(name: str, do: Callable[[Line], Any]) -> None:
    """Add an edit of the header."""

    def edit(lines: Lines) -> Lines:
        do(lines[0])
        return lines

    EDITS[name] = edit


def twice(name: str, wanted: Callable[[Line], bool]) -> None:
    """Add an edit that writes lines a second time, right after the first."""
    EDITS[name] = lambda lines: [copied for line in lines for copied in ([line, line] if wanted(line) else [line])]


def first_of(lines: Lines, **fields: Any) -> Line:
    """Return the first line with these values."""
    return next(line for line in lines if is_of(line, **fields))


def _is_sample(line: Line, *services: str) -> bool:
    return line["event"] == "sample" and (not services or line["service"] in services)


# Cut.
EDITS["no end"] = lambda lines: lines[:-1]
EDITS["cut in the middle"] = lambda lines: lines[: len(lines) // 2]
EDITS["nothing but the header"] = lambda lines: lines[:1]
EDITS["the header and the end"] = lambda lines: [lines[0], lines[-1]]
drop("no samples", lambda line, _: _is_sample(line))
drop("no samples after the fault", lambda line, lines: _is_sample(line) and line["t_s"] > fault_s(lines))
drop("no samples before the fault", lambda line, lines: _is_sample(line) and line["t_s"] < fault_s(lines))
for _service in (*SERVERS, *CALLERS):
    drop(f"no samples of {_service}", lambda line, _, service=_service: _is_sample(line, service))
for _service in ("cf-2", "ivr"):
    drop(
        f"no samples of {_service} after the fault",
        lambda line, lines, service=_service: _is_sample(line, service) and line["t_s"] > fault_s(lines),
    )
drop("no samples of callers after the fault", lambda line, lines: _is_sample(line, *CALLERS) and line["t_s"] > fault_s(lines))
drop("no samples of the last two seconds", lambda line, lines: _is_sample(line) and line["t_s"] > closed_s(lines) - 2.5)
drop("no samples of cf-1 at the end", lambda line, lines: _is_sample(line, "cf-1") and line["t_s"] > closed_s(lines) - 2.5)
drop("a hole of seven seconds", lambda line, lines: _is_sample(line) and 0 < line["t_s"] - fault_s(lines) < 7)
drop("a hole of seven seconds in a caller", lambda line, lines: _is_sample(line, "partner") and 0 < line["t_s"] - fault_s(lines) < 7)


def _one_sample_each(lines: Lines) -> Lines:
    seen: set[str] = set()
    kept = []
    for line in lines:
        if not _is_sample(line) or line["service"] not in seen:
            kept.append(line)
        if _is_sample(line):
            seen.add(line["service"])
    return kept


EDITS["one sample of each service"] = _one_sample_each
drop("no requests", lambda line, _: line["event"] == "request")
drop("no requests and no responses", lambda line, _: line["event"] in ("request", "response"))
drop("no responses", lambda line, _: line["event"] == "response")
drop("every second response", lambda line, _: line["event"] == "response" and line["id"] % 2 == 0)
drop("no response after the fault", lambda line, lines: line["event"] == "response" and line["t_s"] > fault_s(lines))
drop("one response", lambda line, lines: line is first_of(lines, event="response", ended="answered"))
drop("one request", lambda line, lines: line is first_of(lines, event="request"))
drop("one request and its response", lambda line, _: line["event"] in ("request", "response") and line["id"] == 1)
drop("no operation began", lambda line, _: is_of(line, event="operation", state="begin"))
drop("no operation ended", lambda line, _: is_of(line, event="operation", state="end"))
drop("one step never ended", lambda line, _: is_of(line, event="step", state="end", number=2))
drop("one step never began", lambda line, _: is_of(line, event="step", state="begin", number=2))
drop("steps without their operation", lambda line, _: line["event"] == "operation")
drop("nobody was ready", lambda line, _: line["event"] == "service")
drop("one service was not ready", lambda line, _: is_of(line, event="service", service="kiosk"))
drop("no closing window", lambda line, _: line["event"] == "observed")
drop("no healing", lambda line, _: line["event"] == "healed")

# Edited: what monitoring saw.
change("no pools", lambda line, _: _is_sample(line, *SERVERS), pool=None)
change("no pools after the fault", lambda line, lines: _is_sample(line, *SERVERS) and line["t_s"] > fault_s(lines), pool=None)
change("no numbers", lambda line, _: _is_sample(line), busy=None, waiting=None, request_threads=None, pool=None)
change("no busy threads told after the fault", lambda line, lines: _is_sample(line) and line["t_s"] > fault_s(lines), busy=None)
change("numbers of one server gone", lambda line, _: _is_sample(line, "cf-2"), busy=None, waiting=None, request_threads=None, pool=None)
change("nothing counted by callers", lambda line, _: _is_sample(line, *CALLERS), results={})
change("more threads than there are", lambda line, _: _is_sample(line, "cf-1"), busy=10_000)
change("another number of threads", lambda line, _: _is_sample(line, "cf-1"), request_threads=7)
change("a stranger's samples", lambda line, _: _is_sample(line, "cf-1"), service="cf-9")

# Edited: requests and responses.
change(
    "all that failed was answered", lambda line, _: is_of(line, event="response", ended="failed"), ended="answered", status=200, error=""
)
change("all that was answered failed", lambda line, _: is_of(line, event="response", ended="answered"), ended="failed", status=500)
change("one answer too many", lambda line, lines: line is first_of(lines, event="response", ended="failed"), ended="answered", status=200)
change("answered with an error's status", lambda line, _: is_of(line, event="response", ended="answered"), status=500)
change("failed with a good status", lambda line, _: is_of(line, event="response", ended="failed"), status=200)
change("a response to nothing", lambda line, lines: line is first_of(lines, event="response"), id=1_000_000)
change("answered before it was sent", lambda line, _: line["event"] == "response", answered_s=lambda line: line["answered_s"] - 1_000)
change("sent before it was due", lambda line, _: line["event"] == "request", sent_s=lambda line: line["sent_s"] - 1_000)
change("taken up before it was due", lambda line, _: line["event"] == "request", begun_s=lambda line: line["begun_s"] - 1_000)
change("sent before it was taken up", lambda line, _: line["event"] == "request", begun_s=lambda line: line["sent_s"] + 1)
change("due before the start", lambda line, _: line["event"] == "request", due_s=-1.0)
change("due long after it was sent", lambda line, _: line["event"] == "request", due_s=lambda line: line["due_s"] + 1_000)
change("all of an unknown caller", lambda line, _: line["event"] == "request", caller="boat")
change("all of an unknown kind", lambda line, _: line["event"] == "request", transaction="sail")
change("one id for all requests", lambda line, _: line["event"] == "request", id=1)
change("one id for all responses", lambda line, _: line["event"] == "response", id=1)


def _all_copies(lines: Lines) -> Lines:
    first = first_of(lines, event="request")
    answer = first_of(lines, event="response")
    return [{"request": first, "response": answer}.get(line["event"], line) for line in lines]


EDITS["all requests but one are copies"] = _all_copies

# Edited: times.
change("samples a thousand seconds later", lambda line, _: _is_sample(line), t_s=lambda line: line["t_s"] + 1_000)
change("no time of the night", lambda line, _: line["event"] == "response", night_s=0.0)
change("the night goes backwards", lambda line, _: line["event"] == "sample", night_s=lambda line: -line["night_s"])
change("a time before the start", lambda line, lines: line is first_of(lines, event="sample"), t_s=-5.0)
change("an infinite time", lambda line, lines: line is first_of(lines, event="sample"), t_s=float("inf"))
change("a time that is no number", lambda line, lines: line is first_of(lines, event="response"), answered_s=float("nan"))
change("the fault begins after its end", lambda line, _: is_of(line, event="operation", state="begin"), t_s=lambda line: line["t_s"] + 1)
change("the fault begins at the end", lambda line, _: is_of(line, event="operation", state="begin"), t_s=1_000_000.0)
change("the end comes first", lambda line, _: line["event"] == "end", t_s=0.0)
change("the closing window closes before the load", lambda line, _: line["event"] == "observed", since_s=0.0, until_s=0.1)

# Edited: operations and the end.
change("the fault failed", lambda line, _: is_of(line, event="operation", state="end"), state="failed", detail="the disk is gone")
change("another operation ended", lambda line, _: is_of(line, event="operation", state="end"), id=9)
change("interrupted", lambda line, _: line["event"] == "end", reason="interrupted")
change("something is left", lambda line, _: line["event"] == "healed", left=["silence on the link to kiosk"])

# Edited: the header.
change_header("a trace of nothing", lambda header: header["trace"].update(requests=0))
change_header("a longer trace", lambda header: header["trace"].update(requests=header["trace"]["requests"] + 1))
change_header("a shorter trace", lambda header: header["trace"].update(requests=header["trace"]["requests"] - 1))
change_header("no callers", lambda header: header["facility"].update(callers=[]))
change_header("no servers", lambda header: header["facility"].update(application_servers=[]))
change_header("a server more", lambda header: header["facility"]["application_servers"].append("cf-3"))
change_header("a service twice", lambda header: header["facility"]["callers"].append("kiosk"))
change_header("more request threads", lambda header: header["facility"].update(request_threads=1_000))
change_header("a larger pool", lambda header: header["facility"].update(pool_size=1_000))
change_header("no transactions", lambda header: header.update(transactions={}))
change_header("nothing expected", lambda header: header.update(expect={}))
change_header("an outcome that there is not", lambda header: header.update(expect={"outcome": ["well"]}))
change_header("another format", lambda header: header.update(journal=99))

# Written twice.
EDITS["all of it twice"] = lambda lines: [*lines, *lines[1:]]
EDITS["two journals in one file"] = lambda lines: [*lines, *lines]
EDITS["two ends"] = lambda lines: [*lines[:-1], {**lines[-1], "reason": "interrupted"}, lines[-1]]
EDITS["something after the end"] = lambda lines: [*lines, lines[1]]
twice("every request twice", lambda line: line["event"] == "request")
twice("every response twice", lambda line: line["event"] == "response")
twice("every sample twice", lambda line: line["event"] == "sample")
twice("every operation twice", lambda line: line["event"] == "operation")
twice("the closing window twice", lambda line: line["event"] == "observed")

# What one witness says, and another contradicts: found by trying to deceive the verdict.


def _callers_restarted(lines: Lines) -> Lines:
    """All that failed was answered, and callers are said to have been replaced, so that their counts would not matter."""
    at = {name: value for name, value in first_of(lines, event="operation", state="end").items() if name in ("t_s", "night_s")}
    later = {name: value + 0.5 for name, value in at.items()}
    events = [
        {"event": "service", "service": caller, "state": state, "pid": 1, "detail": "", **when}
        for caller in CALLERS
        for state, when in (("stopped", later), ("ready", later))
    ]
    place = next(number for number, line in enumerate(lines) if line["t_s"] > later["t_s"]) if len(lines) > 1 else 1
    return [*lines[:place], *events, *lines[place:]]


def _sparse(lines: Lines) -> Lines:
    """Monitoring looked once in three and a half seconds, never long enough apart to be a silence."""
    last: dict[str, float] = {}
    kept = []
    for line in lines:
        if _is_sample(line):
            if line["t_s"] - last.get(line["service"], -9.0) < 3.5 and line["t_s"] < closed_s(lines) - 1.0:
                continue
            last[line["service"]] = line["t_s"]
        kept.append(line)
    return kept


def _shorter_trace_without_unanswered(lines: Lines) -> Lines:
    """The first request is gone, and was never in the trace."""
    kept = [line for line in lines if line["event"] not in ("request", "response") or line["id"] != 1]
    kept[0]["trace"]["requests"] -= 1
    return kept


EDITS["callers are said to be restarted"] = lambda lines: [lines[0], *_callers_restarted(lines[1:])]
EDITS["looked at once in three and a half seconds"] = _sparse
EDITS["one request less, and a shorter trace"] = _shorter_trace_without_unanswered
change("fewer than no threads at work", lambda line, _: _is_sample(line), busy=-5)
change("no number of threads", lambda line, _: _is_sample(line), request_threads=None)
change("more connections than a pool may open", lambda line, _: _is_sample(line, *SERVERS), pool=lambda line: {**line["pool"], "in": 500})
change("fewer than no connections", lambda line, _: _is_sample(line, *SERVERS), pool=lambda line: {**line["pool"], "out": -1})
change("more leaked than are out", lambda line, _: _is_sample(line, *SERVERS), pool=lambda line: {**line["pool"], "leaked": 999})
change(
    "refused at the end, and healthy",
    lambda line, lines: _is_sample(line, *SERVERS) and line["t_s"] > closed_s(lines) - 1.5,
    busy=None,
    waiting=None,
    request_threads=None,
    pool=None,
    results={},
    error="connection refused",
)
change(
    "refused all night",
    lambda line, lines: _is_sample(line, "kiosk") and line["t_s"] > fault_s(lines),
    busy=None,
    waiting=None,
    request_threads=None,
    results={},
    health=False,
    error="connection refused",
)
change("answered when it was sent", lambda line, _: line["event"] == "response", answered_s=lambda line: line["answered_s"] - 0.5)
change(
    "answered long after it was written", lambda line, _: line["event"] == "response", answered_s=lambda line: line["answered_s"] + 1_000
)
change("a status that there is not", lambda line, _: line["event"] == "response", status=lambda line: line["status"] + 600)
change("every time a tenth", lambda line, _: "t_s" in line, t_s=lambda line: line["t_s"] / 10)
change("a closing window of the whole night", lambda line, _: line["event"] == "observed", since_s=0.0)
change("the fault took an hour", lambda line, _: is_of(line, event="operation", state="end"), duration_s=3_600.0)
change("every step failed", lambda line, _: is_of(line, event="step", state="end"), state="failed")
change("another fault", lambda line, _: line["event"] in ("operation", "step"), operation="sorcery")
change("healed what never began", lambda line, _: line["event"] == "healed", faults=["silence"])
drop("the fault was never done", lambda line, _: line["event"] in ("operation", "step"))
change_header("a day that there is not", lambda header: header["night"].update(date="2013-99-99"))
change_header("a night without an end", lambda header: header["night"].update(to_s=1e308))
change_header("no repetition", lambda header: header.update(repetition=-5))
change_header("a lookup that there is not", lambda header: header["settings"].update(application_server={"lookup": "magic"}))
EDITS["a part of a line after the end"] = lambda lines: [*lines, {"event": "torn"}]
