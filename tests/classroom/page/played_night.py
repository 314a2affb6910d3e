"""A night as a class might play it, written by hand: messages for the page, without a facility."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import testbed
from testbed.classroom.saying import say
from testbed.classroom.web import page_files

if TYPE_CHECKING:
    from testbed.classroom.saying import Told

PAGE = Path(testbed.__file__).parent / "classroom/page"
CALLERS, SERVERS, HOSTS = ("kiosk", "ivr", "partner"), ("cf-1", "cf-2"), ("db-1", "db-2")
THREADS = SIZE = 40
FRAME_S, LASTS_S = 0.1, 60.0
FROM_NIGHT_S, PACE = 82_200.0, 380.0  # 22:50, and seconds of the night to a second
SWITCHED_S, LEAKS_S, HANGS_S, DUMPED_S, DECIDED_S, RESTARTED_S, REVEALED_S = 5.0, 35.0, 44.0, 50.0, 52.0, 55.0, 58.0
KINDS = {"kiosk": "check_in", "ivr": "flight_status", "partner": "search"}
STEPS = (
    say("switchover_step", step="stop", host="db-1"),
    say("switchover_step", step="unmount", host="db-1"),
    say("switchover_step", step="mount", host="db-2"),
    say("switchover_step", step="start", host="db-2"),
    say("switchover_step", step="point", host="db-2"),
)
STACK = (
    "python3.11/threading.py:1002 Thread._bootstrap",
    "_backends/_asyncio.py:1124 WorkerThread.run",
    "flight_search/endpoints.py:111 Endpoints.flights",
    "lookup/original.py:16 lookup_by_city",
    "flight_search/datasource.py:193 MonitoredDataSource.get_connection",
    "pool/impl.py:155 QueuePool._do_get",
    "python3.11/threading.py:327 Condition.wait",
)
ROLES = [
    {"id": "trainer", "orders": ["begin", "pause", "go_on", "step", "reveal", "end", "speed"]},
    {"id": "commander", "orders": ["collect", "decide", "note", "answer", "prevent"]},
    {"id": "operator", "orders": ["switchover", "next_step", "restart", "collect", "note"]},
    {"id": "owner", "orders": ["health", "metrics", "dump", "code"]},
    {"id": "database", "orders": ["sessions", "locks"]},
]
QUESTIONS = [
    {"id": "switchover", "kind": "one", "choices": ["no", "under_way"]},
    {"id": "cluster", "kind": "several", "choices": ["few_heartbeats", "address"]},
    {"id": "line", "kind": "line", "choices": []},
]
PREVENTIONS = [
    {"value": "fixed", "text": "Close each resource under its own guard"},
    {"value": "checkout_timeout", "text": "Wait only so long"},
]
NOTES = [
    {"night_s": 82_800, "when": "", "text": "Ask what could go wrong."},
    {"night_s": None, "when": "hung", "text": "Why is monitoring green?"},
]


def welcome(mode: str = "recorded", *, trainer: bool = False, roles: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the first message to a browser."""
    nodes = [("passengers", "passengers"), *((name, "caller") for name in CALLERS), ("lb-1", "balancer"), ("lb-2", "balancer")]
    nodes += [*((name, "server") for name in SERVERS), ("virtual IP", "virtual_ip"), *((name, "database") for name in HOSTS)]
    links = [("passengers", caller) for caller in CALLERS]
    links += [(caller, balancer) for caller in CALLERS for balancer in ("lb-1", "lb-2")]
    links += [(balancer, server) for balancer in ("lb-1", "lb-2") for server in SERVERS]
    links += [*((server, "virtual IP") for server in SERVERS), *(("virtual IP", host) for host in HOSTS)]
    return {
        "is": "welcome",
        "mode": mode,
        "you": {"trainer": trainer, "id": "secret-7", "number": 7, "name": "", "roles": list(roles)},
        "lesson": {"title": "The night", "introduction": "It is 22:50.\n\nThe database is moved at eleven.", "minutes": 20},
        "night": {"from_s": FROM_NIGHT_S, "to_s": 105_000, "date": "2013-10-07"},
        "map": {"nodes": [{"name": name, "kind": kind} for name, kind in nodes], "links": [list(link) for link in links]},
        "roles": ROLES,
        "questions": QUESTIONS,
        "preventions": PREVENTIONS,
        "switchover_steps": list(STEPS),
        **({"notes": NOTES, "trainer": "A page for the trainer."} if trainer else {}),
    }


def _between(t_s: float, from_s: float, to_s: float) -> float:
    """Return how much of a span is over, from 0 to 1."""
    return min(1.0, max(0.0, (t_s - from_s) / (to_s - from_s)))


def service(name: str, t_s: float) -> dict[str, Any]:
    """Return the value of a service's key."""
    server, restarted = name in SERVERS, t_s >= RESTARTED_S
    out = 0 if restarted else round(SIZE * _between(t_s, LEAKS_S, LEAKS_S + 7))
    hung = 0 if restarted else round(THREADS * _between(t_s, HANGS_S - (2 if server else 0), HANGS_S + (1 if server else 4)))
    stuck = hung == THREADS
    pool = {"size": SIZE, "out": out, "waiting": hung, "leaked": out if t_s >= REVEALED_S else None} if server else None
    results = {"lookup": {"answered": round(t_s * 2), "failed": out}}
    return {
        "threads": THREADS,
        "busy": hung,
        "waiting": round(9 * _between(t_s, HANGS_S + 4, DUMPED_S)) if stuck else 0,
        "health": True,
        "runs": True,
        "stuck": stuck,
        "seen": True,
        "pool": pool,
        "results": results,
    }


def graph(*, blamed: bool) -> dict[str, Any]:
    """Return a graph of who waits for whom: three callers, two servers, two pools, of which one is blamed."""
    names = ["passengers", *CALLERS, *SERVERS, *(f"pool of {server}" for server in SERVERS)]
    kinds = ["", *["calling system"] * 3, *["application server"] * 2, *["connection pool"] * 2]
    lost = [{"threads": 120, "text": "all 40 connections were lost at lookup/original.py:24, where a close raised"}]
    root = "pool of cf-1" if blamed else ""
    nodes = [
        {"name": name, "kind": kind, "does": [], "blamed": lost if name == root else [], "root": name == root}
        for name, kind in zip(names, kinds, strict=True)
    ]
    edges = [{"from": 0, "to": caller, "count": THREADS, "how": "waiting for an answer"} for caller in (1, 2, 3)]
    edges += [{"from": caller, "to": server, "count": 20, "how": "blocked reading a socket"} for caller in (1, 2, 3) for server in (4, 5)]
    edges += [{"from": server, "to": server + 2, "count": THREADS, "how": "waiting for a connection from the pool"} for server in (4, 5)]
    return {"kind": "graph", "nodes": nodes, "edges": edges}


def dump(name: str = "cf-1", night_s: float = 101_200.0) -> dict[str, Any]:
    """Return a dump of forty threads that all stand at one line."""
    waits = [{"count": 40, "kind": "lock", "call": "futex", "peer": "", "detail": ""}]
    group = {
        "count": 40,
        "state": "waiting for a connection from the pool",
        "within": "lookup_by_city",
        "stack": list(STACK),
        "waits": waits,
    }
    return {"service": name, "night_s": night_s, "error": None, "groups": [group]}


def _passengers(t_s: float) -> dict[str, Any]:
    """Return the keys that tell of passengers, and what was lost."""
    found: dict[str, Any] = {}
    total = dict.fromkeys(("sent", "answered", "failed", "waiting"), 0)
    for number, caller in enumerate(CALLERS):
        sent = round(t_s * (3 + number))
        waiting = round(60 * _between(t_s, HANGS_S, RESTARTED_S)) if t_s < RESTARTED_S else 0
        failed = round(SIZE * _between(t_s, LEAKS_S, LEAKS_S + 7))
        counts = {"sent": sent, "answered": sent - waiting - failed, "failed": failed, "waiting": waiting}
        found[f"passengers.{caller}"] = {**counts, "kinds": {KINDS[caller]: counts}}
        total = {name: total[name] + counts[name] for name in total}
    found["passengers"] = total
    if total["failed"]:
        per_minute = {kind: 4.0 + number for number, kind in enumerate(KINDS.values())}
        found["cost"] = {"per_minute": per_minute, "total_per_minute": sum(per_minute.values()), "lost": total["failed"] + total["waiting"]}
    return found


def state(t_s: float) -> dict[str, Any]:
    """Return the whole state at a second of the night."""
    night_s = FROM_NIGHT_S + t_s * PACE
    step = int(_between(t_s, SWITCHED_S, SWITCHED_S + 3) * 5)
    moved = "db-1" if step < 3 else "unknown" if step < 5 else "db-2"
    found: dict[str, Any] = {
        "phase": "night" if t_s < LASTS_S - FRAME_S else "over",
        "clock": {"night_s": night_s, "t_s": t_s, "speed": PACE, "held": ""},
        "virtual_ip": moved,
        "hosts.db-1": {"state": "active" if step < 1 else "stopped" if step < 5 else "standby"},
        "hosts.db-2": {"state": "standby" if step < 4 else "active"},
        **{f"services.{name}": service(name, t_s) for name in (*CALLERS, *SERVERS)},
        **{
            f"balancers.lb-{number}": {"servers": [{"server": name, "status": "UP", "sessions": 3} for name in SERVERS]}
            for number in (1, 2)
        },
        **_passengers(t_s),
        "notes_due": [number for number, at_s in enumerate((SWITCHED_S, HANGS_S + 4)) if t_s >= at_s],
        "people.1": {"name": "Ada", "roles": ["operator"], "here": True},
    }
    begun, done = say("operation_begins", operation="switchover"), say("operation_done", operation="restart")
    log: list[tuple[float, Told, str, Told]] = [(0.0, say("role", role="operator"), "operation", begun)]
    log += [(SWITCHED_S + 0.6 * n, "", "step", say("step_done", number=n, step=step, took="0.60")) for n, step in enumerate(STEPS, start=1)]
    log += [(LEAKS_S, "", "fault", say("operation_begins", operation="latency")), (DUMPED_S, "", "dump", say("dumped", service="cf-1"))]
    log += [(DECIDED_S, "Ada", "decision", say("decided", choice="look"))]
    log += [(DECIDED_S, "Ada", "answer", say("answered", question="switchover", values=["switchover.no"]))]
    log += [(DECIDED_S, "Ada", "answer", say("answered_with", question="line", value="lookup/original.py:24"))]
    log += [(DECIDED_S, "Ada", "answer", say("answered_with", question="prevention", value="fixed"))]
    restarted = say("with", what=done, detail=say("restarted", services=list(SERVERS)))
    log += [(DECIDED_S, "Ada", "note", "We look first."), (RESTARTED_S, say("role", role="operator"), "operation", restarted)]
    for number, (at_s, who, kind, text) in enumerate(log):
        if at_s <= t_s:
            found[f"log.{number + 1}"] = {"night_s": FROM_NIGHT_S + at_s * PACE, "who": who, "kind": kind, "text": text}
    if t_s < SWITCHED_S:
        found["task"] = {"text": "Move the database to db-2.", "role": "operator", "order": "switchover"}
    elif step < 5:
        found["switchover"] = {"step": step + 1, "of": 5, "done": list(STEPS[:step]), "next": STEPS[step], "running": False}
    if t_s >= HANGS_S + 4:
        found["choice"] = {
            "open": t_s < DECIDED_S,
            "chosen": "look" if t_s >= DECIDED_S else None,
            "night_s": FROM_NIGHT_S + (HANGS_S + 4) * PACE,
            **({"chosen_at_s": FROM_NIGHT_S + DECIDED_S * PACE} if t_s >= DECIDED_S else {}),
        }
        undumped = SERVERS[1:] if t_s >= DUMPED_S else SERVERS
        found["at_risk"] = [{"service": name, "what": say("where_threads_stand")} for name in undumped] if t_s < RESTARTED_S else []
    if t_s >= DUMPED_S:
        found["dumps.1"] = dump()
        found["waits"] = {"night_s": 101_200.0, "graph": graph(blamed=t_s >= REVEALED_S), "missing": ["locks of db-1: it is stopped"]}
    if t_s >= DECIDED_S:
        found["answers.switchover"] = {"value": "no", "by": "Ada", "night_s": 102_000.0}
        found["answers.line"] = {"value": "lookup/original.py:24", "by": "Ada", "night_s": 102_100.0}
    if t_s >= REVEALED_S:
        found |= told()
    return found


def told() -> dict[str, Any]:
    """Return the keys that come with the reveal."""
    sure = {"right": True, "answer": "No: it was carried out by the book", "evidence": ["5 of 5 steps were done"], "sure": "certain"}
    unsure = {"right": None, "answer": say("cause_not_known"), "evidence": [say("no_check_seen")], "sure": "not told"}
    held = {"running": False, "outcome": "unharmed", "crack": 1, "verdict": "held", "text": "Every connection came back."}
    first = {"running": False, "outcome": "grounded", "crack": 6, "verdict": "held", "text": "All callers stood still."}
    return {
        "revealed": {
            "title": "The exception",
            "variant": "original",
            "root": "lookup/original.py:24",
            "certain": True,
            "explanation": "The move closed every connection.\n\nClosing a statement then raised, and its connection never came back.",
        },
        "compared.switchover": sure,
        "compared.line": sure,
        "compared.cluster": unsure,
        "replays.original": first,
        "replays.fixed": held,
        "score": {"points": 70, "of": 100, "parts": [{"id": "evidence", "points": 10, "of": 10, "text": say("in_time")}]},
    }


def recording() -> dict[str, Any]:
    """Return what data.js holds."""
    frames: list[tuple[float, dict[str, Any]]] = []
    before: dict[str, Any] = {}
    for number in range(round(LASTS_S / FRAME_S) + 1):
        t_s = round(number * FRAME_S, 3)
        now = state(t_s)
        changes = {key: value for key, value in now.items() if before.get(key) != value}
        frames.append((t_s, changes | dict.fromkeys(before.keys() - now.keys())))
        before = now
    moments = {
        SWITCHED_S: say("operation", operation="switchover"),
        LEAKS_S: say("first_failure"),
        HANGS_S: say("threads_of", service="cf-1"),
        RESTARTED_S: say("operation", operation="restart"),
    }
    told_at = [{"t_s": t_s, "night_s": FROM_NIGHT_S + t_s * PACE, "text": text} for t_s, text in moments.items()]
    files = {"code": {"lookup/original.py": code()}, "code_revealed": {"lookup/original.py": [*code(), REVEALED_LINE]}}
    return {"welcome": welcome(), "frames": frames, "moments": told_at, **files}


REVEALED_LINE = "# what only a file that is revealed says"


def code() -> list[str]:
    """Return the lines of a file of the service."""
    return (PAGE.parents[2] / "flight_search/lookup/original.py").read_text(encoding="utf-8").splitlines()


def write(folder: Path, recorded: dict[str, Any] | None) -> Path:
    """Write the page with a recorded night, or none, into a folder; return its index.html."""
    (folder / "vendor").mkdir(parents=True, exist_ok=True)
    for name in page_files.names():
        (folder / name).write_bytes(page_files.read(name) or b"")
    data = "" if recorded is None else f"window.RECORDING = {json.dumps(recorded)};"
    (folder / "data.js").write_text(data, encoding="utf-8")
    return folder / "index.html"
