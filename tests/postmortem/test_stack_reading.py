"""What a thread dump tells: of real dumps of programs that the testbed did not write (dumps/README.md), and of hand-written stacks."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from testbed.errors import DumpError
from testbed.postmortem import dump, protocols, stack_reading
from testbed.postmortem.dump import Call, Thread
from testbed.postmortem.libraries import installed_version
from testbed.postmortem.protocols import TABLE
from testbed.postmortem.stack_reading import StackReading
from testbed.postmortem.thread_kinds import Plain, Pool
from testbed.report import stacks
from testbed.report.terminal import plain_console
from tests.journals import NightBuilder

DUMPS = Path(__file__).parent / "dumps"
HTTP_SERVER, HTTP_CLIENT = ("HTTP", "server"), ("HTTP", "client")


@dataclass(frozen=True)
class Found:
    """What a dump must tell, and nothing else: protocols with their sides, libraries, pools (kind, threads, idle), and the background."""

    protocols: set[tuple[str, str]] = field(default_factory=set)
    libraries: set[str] = field(default_factory=set)
    pools: list[tuple[str, int, int]] = field(default_factory=list)
    background: dict[str, int] = field(default_factory=dict)
    plain: int = 0


SOCKETSERVER = "socketserver ThreadingMixIn, a thread a request"
PROGRAMS = {
    "http_server": Found({HTTP_SERVER}, set(), [(SOCKETSERVER, 2, 0)], {"socketserver: accepts connections": 1}),
    "thread_pool_executor": Found(pools=[("ThreadPoolExecutor", 4, 0), ("ThreadPoolExecutor", 3, 3)]),
    "multiprocessing_pool": Found(background={"handlers of a multiprocessing pool": 3}),
    "multiprocessing_worker": Found(background={"a worker process of a multiprocessing.Pool": 1}),
    "uvicorn_fastapi": Found(
        {HTTP_SERVER}, {"anyio", "click", "fastapi", "uvicorn"}, [("anyio worker threads", 5, 3)], {"event loop (uvicorn)": 1}
    ),
    "gunicorn_gthread": Found(
        {HTTP_SERVER}, {"flask", "gunicorn"}, [("gunicorn gthread", 4, 1)], {"gunicorn worker: accepts connections": 1}
    ),
    "gunicorn_master": Found(
        set(), {"gunicorn"}, [], {"gunicorn master: waits for its workers": 1, "gunicorn's control socket": 1}
    ),  # it answers nobody
    "waitress": Found(
        {HTTP_SERVER}, {"flask", "waitress"}, [("waitress task threads", 5, 2)], {"waitress: accepts and reads connections": 1}
    ),
    "cheroot": Found(
        {HTTP_SERVER},
        {"cheroot", "flask"},
        [("cheroot worker threads", 5, 2)],
        {"cheroot: accepts connections": 1, "cheroot: turns away what no thread is free for": 1},
    ),
    "celery_threads": Found(  # kombu is on the stack, and so would be AMQP if its broker spoke it
        set(), {"celery", "click", "kombu"}, [("Celery thread pool", 2, 0)], {"Celery: takes tasks from its broker": 1}
    ),
    "celery_prefork": Found(
        set(),
        {"billiard", "celery", "click", "kombu"},
        [],
        {"handlers of Celery's process pool": 4, "Celery: takes tasks from its broker": 1},
    ),
    "celery_worker": Found(set(), {"billiard", "celery", "click"}, [], {"a worker process of Celery": 1}),
    "apscheduler": Found(set(), {"apscheduler"}, [("APScheduler executor", 1, 0)], {"APScheduler: waits for the next job": 1}),
    "clients": Found({HTTP_CLIENT, ("Redis", "client"), ("AMQP", "client")}, {"pika", "redis", "requests", "urllib3"}, plain=3),
    "other_clients": Found(
        {
            ("MySQL", "client"),
            ("Kafka", "client"),
            ("gRPC", "client"),
            ("PostgreSQL", "client"),
            ("DNS", "client"),
            ("WebSocket", "client"),
            ("SMTP", "client"),
            ("FTP", "client"),
            ("TLS", ""),
        },  # and no HTTP, although a socketserver has a thread for each of its connections
        {"dns", "grpc", "kafka", "psycopg", "pymysql", "websockets"},
        [(SOCKETSERVER, 1, 0)],
        {"WebSocket receiver": 1, "socketserver: accepts connections": 1},
        plain=10,
    ),
    "threads_of_all_kinds": Found(
        {HTTP_CLIENT},
        set(),
        [("asyncio default executor", 3, 1), ("multiprocessing ThreadPool", 3, 2)],
        {"handlers of a multiprocessing pool": 3, "event loop": 1, "log listener": 1, "timer": 1},
        plain=2,
    ),
}


def reading_of(name: str) -> StackReading:
    """Return what a kept dump tells."""
    return stack_reading.of(dump.read(DUMPS / f"{name}.json"))


def stack(*calls: tuple[str, str], name: str = "Thread-1") -> dict[str, Any]:
    """Return a thread of a dump, with its calls (function and file) from the outermost."""
    frames = [{"name": function, "filename": file, "line": line} for line, (function, file) in enumerate(calls, start=1)]
    return {"thread_name": name, "thread_id": 1, "frames": frames[::-1]}


def reading(tmp_path: Path, *threads: dict[str, Any]) -> StackReading:
    """Return what a dump of some threads tells."""
    file = tmp_path / "dump.json"
    file.write_text(json.dumps(threads))
    return stack_reading.of(dump.read(file))


LIB, SITE = "/usr/lib/python3.11", "/venv/lib/python3.11/site-packages"
BEGIN = (("Thread._bootstrap", f"{LIB}/threading.py"), ("Thread._bootstrap_inner", f"{LIB}/threading.py"))
RUN = (*BEGIN, ("Thread.run", f"{LIB}/threading.py"))


def test_every_kept_dump_has_its_expectation() -> None:
    """And none is left out."""
    assert {path.stem for path in DUMPS.glob("*.json")} == set(PROGRAMS)


@pytest.mark.fact("P3")
@pytest.mark.parametrize("name", PROGRAMS)
def test_what_a_dump_of_another_program_tells(name: str) -> None:
    """Its protocols, libraries, pools and background, and no protocol that it does not speak."""
    found, expected = reading_of(name), PROGRAMS[name]
    assert {(protocol.name, protocol.side) for protocol in found.protocols} == expected.protocols
    assert {library.package for library in found.libraries} == expected.libraries
    assert [(pool.kind, pool.threads, pool.idle) for pool in found.kinds.pools] == expected.pools
    assert {work.what: work.threads for work in found.kinds.background} == expected.background
    assert sum(plain.threads for plain in found.kinds.plain) == expected.plain


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_thread_is_in_one_place(name: str) -> None:
    """In a pool, in the background, of no known kind, or the main one."""
    found = reading_of(name)
    kinds = found.kinds
    groups = (*kinds.pools, *kinds.background, *kinds.plain)
    assert sum(group.threads for group in groups) + (kinds.main is not None) == found.threads


@pytest.mark.parametrize("name", PROGRAMS)
def test_kept_dumps_name_no_machine(name: str) -> None:
    """Files are of an environment, of Python, or of the program."""
    files = {call.file for thread in dump.read(DUMPS / f"{name}.json") for call in thread.calls}
    assert {file for file in files if not re.match(r"/venv/|/usr/lib/python3\.11/|/srv/program/|<frozen \w+>$", file)} == set()


def test_threads_of_no_known_kind_are_told_by_their_outermost_call(tmp_path: Path) -> None:
    """With how many there are, and their names."""
    threads = [stack(*RUN, ("Crew.sail", "/srv/program/crew.py"), name=f"sailor-{number}") for number in range(12)]
    found = reading(tmp_path, *threads)
    assert found.kinds.plain == (Plain("Crew.sail (program/crew.py)", tuple(f"sailor-{number}" for number in range(12)), 12),)
    told = "12 threads (sailor-0, sailor-1, sailor-2, …): the outermost call is Crew.sail (program/crew.py)"
    assert ("kind not known", told) in list(stacks.lines(found))


@pytest.mark.parametrize(
    ("calls", "idle"),
    [
        ((("_worker", "thread.py"),), 1),
        ((("_worker", "thread.py"), ("_WorkItem.run", "thread.py")), 0),  # a function in C is the work
        ((("_worker", "thread.py"), ("_WorkItem.run", "thread.py"), ("Event.wait", "../../threading.py")), 0),
    ],
    ids=["waits", "works in C", "waits in its work"],
)
def test_a_thread_that_waits_in_its_work_is_not_idle(tmp_path: Path, calls: tuple[tuple[str, str], ...], idle: int) -> None:
    """Only one that waits for work is."""
    paths = {"thread.py": f"{LIB}/concurrent/futures/thread.py", "../../threading.py": f"{LIB}/threading.py"}
    found = reading(tmp_path, stack(*RUN, *((name, paths[file]) for name, file in calls), name="crew_0"))
    assert found.kinds.pools == (Pool("ThreadPoolExecutor", "crew", 1, idle),)


def test_who_only_asks_celery_for_a_task_is_no_thread_of_celery(tmp_path: Path) -> None:
    """An executor belongs to who gave it its work, and not to what the work calls."""
    executor = f"{LIB}/concurrent/futures/thread.py"
    calls = (("_worker", executor), ("_WorkItem.run", executor), ("order", "/srv/program/shop.py"))
    found = reading(tmp_path, stack(*RUN, *calls, ("Task.delay", f"{SITE}/celery/app/task.py"), name="shop_1"))
    assert [pool.kind for pool in found.kinds.pools] == ["ThreadPoolExecutor"]


@pytest.mark.parametrize(
    "calls",
    [
        (("parse_headers", f"{LIB}/http/client.py"),),
        (("create_default_context", f"{LIB}/ssl.py"), ("SSLContext.load_default_certs", f"{LIB}/ssl.py")),
        (("<module>", f"{SITE}/psycopg/__init__.py"),),
        (("QueuePool._do_get", f"{SITE}/sqlalchemy/pool/impl.py"),),
        (("get", "/srv/program/redis/client.py"),),
        (("get", "/srv/program/http/client.py"),),
        (("receive", f"{SITE}/redis_like/client.py"),),
        (("Connection._recv", f"{LIB}/multiprocessing/connection.py"),),
        (("SocketIO.readinto", f"{LIB}/socket.py"),),
    ],
    ids=lambda calls: f"{calls[-1][0]} of {'/'.join(Path(calls[-1][1]).parts[-2:])}",
)
def test_no_protocol_is_told_of_what_only_looks_like_one(tmp_path: Path, calls: tuple[tuple[str, str], ...]) -> None:
    """A parser that others use, a context, an import, a pool, the program's own modules, a library of a similar name, a pipe, a socket."""
    assert reading(tmp_path, stack(*RUN, *calls)).protocols == ()


def test_every_row_of_the_table_is_read_from_its_module(tmp_path: Path) -> None:
    """Each protocol is found from a call in the module that its row names, and from the same call of a program's own never."""
    for row in TABLE:
        function = min(row.only, default="send_or_receive")
        path = f"{row.module.replace('.', '/')}.py"
        found = reading(tmp_path, stack(*RUN, (function, f"{SITE}/{path}"))).protocols
        assert (row.protocol, row.side, 1) in {(protocol.name, protocol.side, protocol.threads) for protocol in found}, row
        assert any(row.module in protocol.modules for protocol in found), row
        assert reading(tmp_path, stack(*RUN, (function, f"/srv/program/{path}"))).protocols == (), row


@pytest.mark.parametrize(
    ("file", "module", "installed_in"),
    [
        ("/venv/lib/python3.12/site-packages/flask/app.py", "flask.app", "/venv/lib/python3.12/site-packages"),
        ("/usr/lib/python3/dist-packages/six.py", "six", "/usr/lib/python3/dist-packages"),
        ("/usr/lib/python3.11/json/__init__.py", "json", ""),
        ("/usr/lib64/python3.13t/threading.py", "threading", ""),
        ("<frozen runpy>", "runpy", ""),
        ("/srv/python3.11/queue.py", "", ""),
        ("/srv/threading.py", "", ""),
        ("<string>", "", ""),
    ],
)
def test_a_file_is_of_python_of_a_library_or_of_neither(tmp_path: Path, file: str, module: str, installed_in: str) -> None:
    """By where it lies."""
    path = tmp_path / "dump.json"
    path.write_text(json.dumps([stack(("call", file))]))
    ((call,),) = [thread.calls for thread in dump.read(path)]
    assert (call.module, call.installed_in) == (module, installed_in)


def test_a_version_is_read_from_beside_the_package(tmp_path: Path) -> None:
    """By the name that it is imported by, which is not the name that it is installed by."""
    directory = tmp_path / "site-packages"
    info = directory / "Sailing_Boats-1.2.dist-info"
    info.mkdir(parents=True)
    (directory / "~ars-2.0.dist-info").mkdir()
    (directory / "~ars-2.0.dist-info" / "RECORD").write_text("oars/__init__.py,,\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Sailing-Boats\nVersion: 1.2\n")
    (info / "RECORD").write_text("boats/__init__.py,,\nrudder.py,,\nSailing_Boats-1.2.dist-info/RECORD,,\n")
    assert installed_version(str(directory), "boats") == "1.2"
    assert installed_version(str(directory), "rudder") == "1.2"
    assert installed_version(str(directory), "anchor") is None
    assert installed_version(str(directory), "oars") is None
    assert installed_version(str(tmp_path / "nowhere"), "boats") is None


def test_an_unknown_version_is_said_to_be_unknown() -> None:
    """Nothing is installed where the kept dumps say."""
    told = dict(stacks.lines(reading_of("waitress")))
    assert told["libraries"] == "flask (version unknown), waitress (version unknown)"


@pytest.mark.parametrize(
    ("text", "named"),
    [("[{]", "is no dump"), ("{}", "is no dump"), ('[{"thread_id": 1}]', "0.frames"), ('[{"thread_id": 1, "frames": [1]}]', "frames.0")],
)
def test_what_is_no_dump_is_refused(tmp_path: Path, text: str, named: str) -> None:
    """In one error, which names the file and the place."""
    path = tmp_path / "dump.json"
    path.write_text(text)
    with pytest.raises(DumpError, match=rf"dump\.json is no dump.*{re.escape(named)}" if named != "is no dump" else named):
        dump.read(path)


def journal_with_dumps(tmp_path: Path, **header: Any) -> tuple[stack_reading.ServiceDump, ...]:
    """Return what the dumps of a journal tell: one that is there, one that failed, and one whose file is gone."""
    night = NightBuilder()
    night.dump(1.0, "cf-1", "idle")
    night.dump(2.0, "cf-2", "idle", error="no permission")
    night.dump(3.0, "kiosk", "idle")
    (tmp_path / "cf-1.json").write_text((DUMPS / "uvicorn_fastapi.json").read_text())
    return stack_reading.of_journal(replace(night.journal(**header), path=tmp_path / "a_night.jsonl"))


def test_the_dumps_of_a_journal_lie_beside_it(tmp_path: Path) -> None:
    """What cannot be read is told, with why; versions are those of the journal."""
    first, failed, gone = journal_with_dumps(tmp_path, versions={"uvicorn": "0.54.0"})
    assert first.reading is not None
    assert {library.package: library.version for library in first.reading.libraries} == {
        "anyio": None,
        "click": None,
        "fastapi": None,
        "uvicorn": "0.54.0",
    }
    assert (failed.reading, failed.error) == (None, "no permission")
    assert gone.reading is None
    assert "kiosk.json cannot be read: No such file or directory" in gone.error


def test_files_of_a_container_are_not_looked_for_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version may be installed under the same path here."""
    monkeypatch.setattr(stack_reading, "installed_version", lambda *_: "9.9")
    for runtime, version in (("processes", "9.9"), ("containers", None)):
        found = journal_with_dumps(tmp_path, runtime=runtime)[0].reading
        assert found is not None
        assert {library.version for library in found.libraries} == {version}


def test_the_table_has_each_dump_and_what_is_not_known(tmp_path: Path) -> None:
    """Also of a dump that failed."""
    console = plain_console(width=200)
    with console.capture() as printed:
        console.print(stacks.table(journal_with_dumps(tmp_path)))
    text = printed.get()
    for told in (
        "cf-1 at 22:01",
        "anyio worker threads: 5 threads, 3 of them idle",
        "event loop (uvicorn)",
        "no permission",
        "kiosk at 22:05",
    ):
        assert told in text


def test_of_threads_with_the_same_stack_one_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hung service has forty of them in each dump: what each call shows is looked up once, and every thread is counted."""
    looks = 0
    shows_in = protocols.Row.shows_in

    def counted(row: protocols.Row, call: Call) -> bool:
        nonlocal looks
        looks += 1
        return shows_in(row, call)

    monkeypatch.setattr(protocols.Row, "shows_in", counted)
    calls = (Call("send", "/x/http/client.py", 1, "http.client", ""), Call("work", "/x/work.py", 1, "", ""))
    (one,) = protocols.protocols([Thread("a", calls)])
    of_one = looks
    (forty,) = protocols.protocols([Thread(f"thread {number}", calls) for number in range(40)])
    assert (one.threads, forty.threads, looks) == (1, 40, 2 * of_one)
