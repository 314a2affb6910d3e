"""The thread pools of a dump, with how many threads each has and how many of those wait for work; and what works in the background (P3)."""

from __future__ import annotations

import functools
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from testbed.postmortem.dump import Call, Thread

NUMBER = re.compile(r"[_-]\d+$")  # at the end of a thread's name


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of thread pool: the call that every thread of it is in, by module and function.

    `waits`: the functions of that module within which a thread waits for work. `in_c`: it waits in a function that is written in C, which
    no stack shows; a function in C that is the work itself cannot be told from it where the pool calls both from the same one.
    """

    name: str
    module: str
    function: str
    waits: frozenset[str] = frozenset()
    in_c: bool = False


EXECUTOR = Kind("ThreadPoolExecutor", "concurrent.futures.thread", "_worker", in_c=True)
KINDS = (
    Kind("anyio worker threads", "anyio._backends", "run"),
    EXECUTOR,
    Kind("multiprocessing ThreadPool", "multiprocessing.pool", "worker", in_c=True),
    Kind("waitress task threads", "waitress.task", "handler_thread"),
    Kind("cheroot worker threads", "cheroot.workers.threadpool", "run", frozenset({"_process_connections_until_interrupted"})),
    Kind("socketserver ThreadingMixIn, a thread a request", "socketserver", "process_request_thread"),
)
# Who has a ThreadPoolExecutor, by the module of the function that it was given, or by the name that asyncio gives its threads.
EXECUTOR_USERS = (
    ("gunicorn gthread", "gunicorn.workers.gthread"),
    ("Celery thread pool", "celery.concurrency"),
    ("APScheduler executor", "apscheduler.executors"),
    ("gRPC server", "grpc._server"),
    ("asgiref (Django)", "asgiref.sync"),
)
GIVEN = 2  # calls of the pool before that function: `_worker` and `_WorkItem.run`
ASYNCIO = "asyncio"  # the default executor of a loop, which `asyncio.to_thread` uses, too


@dataclass(frozen=True, slots=True)
class Task:
    """What works in the background, by a module and, if given, functions that its thread is in."""

    what: str
    module: str
    functions: frozenset[str] = frozenset()

    def shows_in(self, call: Call) -> bool:
        """Whether a call does it."""
        return call.is_in(self.module) and (not self.functions or bool(self.functions & {call.name, call.function}))


# The first that fits: a process that was forked has the calls of its parent on its stack, so what a child does comes first.
TASKS = (
    Task("a worker process of a multiprocessing.Pool", "multiprocessing.pool", frozenset({"worker"})),
    Task("a worker process of Celery", "billiard.pool", frozenset({"workloop"})),
    Task("handlers of a multiprocessing pool", "multiprocessing.pool", frozenset({"_handle_workers", "_handle_tasks", "_handle_results"})),
    Task("handlers of Celery's process pool", "billiard.pool", frozenset({"body"})),
    Task("feeder of a multiprocessing queue", "multiprocessing.queues", frozenset({"_feed"})),
    Task("manager of a ProcessPoolExecutor", "concurrent.futures.process", frozenset({"run"})),
    Task("gunicorn's control socket", "gunicorn.ctl"),
    Task("gunicorn worker: accepts connections", "gunicorn.workers"),
    Task("gunicorn master: waits for its workers", "gunicorn.arbiter"),
    Task("waitress: accepts and reads connections", "waitress.server"),
    Task("cheroot: turns away what no thread is free for", "cheroot.server", frozenset({"_serve_unservicable"})),
    Task("cheroot: accepts connections", "cheroot.server", frozenset({"serve"})),
    Task("socketserver: accepts connections", "socketserver", frozenset({"serve_forever"})),
    Task("APScheduler: waits for the next job", "apscheduler.schedulers", frozenset({"_main_loop"})),
    Task("Celery: takes tasks from its broker", "celery.worker"),
    Task("timer", "threading", frozenset({"Timer.run"})),
    Task("log listener", "logging.handlers", frozenset({"_monitor"})),
    Task("WebSocket receiver", "websockets.sync", frozenset({"recv_events"})),
    Task("event loop (uvicorn)", "uvicorn.server"),
    Task("event loop", "asyncio.runners"),
    Task("event loop", "asyncio.base_events", frozenset({"run_forever", "run_until_complete"})),
)


@dataclass(frozen=True, slots=True)
class Pool:
    """A thread pool: its kind, its name (empty: it has none), how many threads it has, and how many of them wait for work."""

    kind: str
    name: str
    threads: int
    idle: int


@dataclass(frozen=True, slots=True)
class Background:
    """What works in the background, on so many threads."""

    what: str
    threads: int


@dataclass(frozen=True, slots=True)
class Plain:
    """Threads of no kind that is known, by their outermost call (empty: no stack shows any) and their names."""

    call: str
    names: tuple[str, ...]
    threads: int


@dataclass(frozen=True, slots=True)
class Sorted:
    """All threads of a dump, each in one place. `main`: what the main thread calls, where it does nothing that is known."""

    pools: tuple[Pool, ...]
    background: tuple[Background, ...]
    plain: tuple[Plain, ...]
    main: str | None


def sort(threads: Iterable[Thread]) -> Sorted:
    """Return the pools, the work in the background, and the threads of no kind that is known."""
    pooled: defaultdict[tuple[Kind, str], list[Thread]] = defaultdict(list)
    tasks: Counter[str] = Counter()
    plain: defaultdict[str, list[str]] = defaultdict(list)
    main = None
    task_of = functools.cache(_task)  # of forty threads with the same stack, one is read
    for thread in threads:
        kind = None if thread.is_main else _kind(thread)
        task = task_of(thread.calls)
        if kind is not None:
            pooled[kind, NUMBER.sub("", thread.name) if kind is EXECUTOR else ""].append(thread)
        elif task is not None:
            tasks[task] += 1
        elif thread.is_main and main is None:  # a thread may be given any name
            main = _outermost(thread)
        else:
            plain[_outermost(thread)].append(thread.name)
    pools = [_pool(kind, name, members) for (kind, name), members in pooled.items()]
    return Sorted(
        tuple(sorted(pools, key=lambda pool: (-pool.threads, pool.kind, pool.name))),
        tuple(Background(what, count) for what, count in sorted(tasks.items(), key=lambda task: (-task[1], task[0]))),
        tuple(
            Plain(call, tuple(dict.fromkeys(names)), len(names))
            for call, names in sorted(plain.items(), key=lambda group: (-len(group[1]), group[0]))
        ),
        main,
    )


def _task(calls: tuple[Call, ...]) -> str | None:
    """Return the work in the background that a stack shows; None where it shows none that is known."""
    return next((task.what for task in TASKS if any(map(task.shows_in, calls))), None)


def _outermost(thread: Thread) -> str:
    return str(thread.own_calls[0]) if thread.own_calls else ""


def _kind(thread: Thread) -> Kind | None:
    """Return the kind of pool by the call that a thread begins with."""
    begins = thread.own_calls[:1]
    return next((kind for kind in KINDS for call in begins if call.is_in(kind.module) and call.function == kind.function), None)


def _pool(kind: Kind, name: str, members: Sequence[Thread]) -> Pool:
    idle = sum(_waits_for_work(kind, thread) for thread in members)
    if kind is not EXECUTOR:
        return Pool(kind.name, name, len(members), idle)
    given = [call for thread in members for call in thread.own_calls[GIVEN : GIVEN + 1]]
    user = next((user for user, module in EXECUTOR_USERS if any(call.is_in(module) for call in given)), None)
    if user is None and name == ASYNCIO:
        user = "asyncio default executor"
    return Pool(user or kind.name, name, len(members), idle)


def _waits_for_work(kind: Kind, thread: Thread) -> bool:
    """Whether a thread of a pool is in nothing but the pool's own waiting."""
    inner = list(thread.own_calls[1:])
    locked = False
    while inner and (inner[-1].is_in("queue") or inner[-1].is_in("threading")):
        inner.pop()
        locked = True
    return (locked or kind.in_c) and all(call.is_in(kind.module) and call.function in kind.waits for call in inner)
