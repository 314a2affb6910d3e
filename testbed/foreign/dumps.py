"""Dumps the threads of a service that is not ours, by the means that its table names (P4)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.concurrency import cancel_and_wait, wait_until
from testbed.errors import DumpError, WaitError, bounded
from testbed.foreign import dump_text, go_dump, jvm_dump, program, python_dump
from testbed.foreign.log_part import LogPart
from testbed.foreign.thread import as_py_spy, group_threads, request_threads, table_of
from testbed.observe.proc import PROC
from testbed.observe.py_spy import run_py_spy
from testbed.observe.thread_waits import thread_waits
from testbed.plan.template import filled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from testbed.foreign.thread import ForeignDump
    from testbed.journal.events import ThreadGroup
    from testbed.plan.service import ServicePlan, ThreadDump

MOST_BYTES = 64 << 20  # of a dump
AS_WRITTEN = ".as_written"  # behind the name of a dump's file: what was written, where that is not what py-spy would have
QUIET_S = 0.2  # a dump without an end of its own has ended when nothing was added to the log for so long
LOOK_EVERY_S = 0.05
ENDED_WITHIN_S = 5.0  # of a command that was killed: until the kernel has closed its pipes


@dataclass(frozen=True, slots=True)
class ForeignDumper:
    """Dumps the threads of a service, as `Dump` in testbed/facility asks. `log_of`: the file that the program of a service writes to."""

    plan: ServicePlan
    log_of: Callable[[str], Path]

    async def __call__(self, service: str, pid: int, file: Path) -> tuple[ThreadGroup, ...]:
        """Dump the threads of a process to `file`, in py-spy's format, and return its request threads in groups.

        What was written in another format is kept beside it (`AS_WRITTEN`). Raises DumpError that says why it failed.
        """
        how = self.plan.dump
        if how is None:
            raise DumpError(f"the threads of {service} cannot be dumped: its table has no [service.dump], which would say how")
        printed, dumped = await self._take(how, service, pid, file)
        try:
            dump = await asyncio.to_thread(dump_text.parse, printed)
        except DumpError as error:
            raise DumpError(f"the threads of {service} (pid {pid}) cannot be dumped by {how.by}: {error}") from error
        await asyncio.to_thread(_keep, service, printed, dump, file)
        waits = await asyncio.to_thread(thread_waits, dumped) if any(thread.stack.os_id for thread in dump.threads) else {}
        return group_threads(request_threads(dump, how.request_threads), table_of(self.plan.waits), waits)

    async def _take(self, how: ThreadDump, service: str, pid: int, file: Path) -> tuple[bytes, int]:
        """Return what was written, and the process that was dumped: a Java or Python below the one that was started."""
        if how.by == "py_spy":
            process = program.find_process(pid, program.PYTHON)
            return await run_py_spy(service, process, within_s=how.within_s), process
        if how.by in ("jcmd", "jstack"):
            process = program.find_process(pid, program.JAVA)
            # Both begin with a SIGQUIT, which ends what is no JVM.
            program.require_handled(service, process, signal.SIGQUIT)
            tool = _tool(how.by, process)
            command = (tool, str(process), "Thread.print", "-l") if how.by == "jcmd" else (tool, "-l", str(process))
            return await _run(command, service, how.within_s), process
        if how.by == "signal":
            assert how.signal is not None
            process = program.find_process(pid, program.JAVA if how.signal == "SIGQUIT" else program.PYTHON)
            return await self._by_signal(service, process, signal.Signals[how.signal], how.within_s), process
        assert how.command is not None
        values = {"pid": pid, "file": file, "name": service}
        file.parent.mkdir(parents=True, exist_ok=True)
        printed = await _run([filled(word, values) for word in how.command], service, how.within_s)
        with contextlib.suppress(OSError):  # there is none: its standard output is the dump
            written = await asyncio.to_thread(_read, file)
            printed = written or printed
        return printed, pid

    async def _by_signal(self, service: str, pid: int, sig: signal.Signals, within_s: float) -> bytes:
        program.require_handled(service, pid, sig)
        part = LogPart.from_now(self.log_of(service))
        try:
            os.kill(pid, sig)
        except OSError as error:
            raise DumpError(f"the threads of {service} (pid {pid}) cannot be dumped: {sig.name}: {error.strerror}") from error
        failing = f"the threads of {service} (pid {pid}) cannot be dumped: no dump in its log after {sig.name}"
        return await wait_dumped(part, failing, within_s)


async def wait_dumped(part: LogPart, failing: str, within_s: float) -> bytes:
    """Wait until a dump is in the new part of a log, and return that part; raises DumpError that tells what was written last."""
    loop = asyncio.get_running_loop()
    written, changed_s = b"", loop.time()

    async def look() -> str | None:
        nonlocal written, changed_s
        try:
            now = await asyncio.to_thread(part.read)
        except OSError as error:
            return f"{part.path}: {error.strerror}"
        if now != written:
            written, changed_s = now, loop.time()
        text = written.decode(errors="replace")
        is_quiet = loop.time() - changed_s >= QUIET_S
        if is_quiet and (jvm_dump.is_complete(text) or python_dump.parse(text).threads or go_dump.parse(text).threads):
            return None
        last = text.rstrip().rpartition("\n")[2]
        return f"{len(written)} bytes, the last line {bounded(last)!r}" if written else f"nothing new in {part.path}"

    try:
        await wait_until(failing, look, within_s, every_s=LOOK_EVERY_S)
    except WaitError as error:
        raise DumpError(str(error)) from error
    return written


async def _run(command: Sequence[str], service: str, within_s: float) -> bytes:
    """Return the standard output of a command; raises DumpError when it fails, takes too long, or writes too much."""
    failing = f"the threads of {service} cannot be dumped: {command[0]}"
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise DumpError(f"{failing}: {getattr(error, 'strerror', None) or error}") from error
    assert process.stdout is not None
    assert process.stderr is not None
    readers = [asyncio.create_task(_bounded_read(stream, failing)) for stream in (process.stdout, process.stderr)]
    try:
        async with asyncio.timeout(within_s):
            out, err = await asyncio.gather(*readers)
            await process.wait()
    except TimeoutError as error:
        raise DumpError(f"{failing} did not end within {within_s:g} s") from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # also what it has started
        await cancel_and_wait(readers)
        with contextlib.suppress(TimeoutError):  # what left its group may hold the pipes for as long as it likes
            async with asyncio.timeout(ENDED_WITHIN_S):
                await process.communicate()  # and not wait(): with a full buffer nobody reads the end of the pipe, for which it waits
    if process.returncode is None:
        raise DumpError(f"{failing} has ended, but what it started still holds its output")
    if process.returncode:
        said = next((line for line in (err or out).decode(errors="replace").splitlines() if line.strip()), "and said nothing")
        raise DumpError(bounded(f"{failing} ended with {process.returncode}: {said}"))
    return out


async def _bounded_read(stream: asyncio.StreamReader, failing: str) -> bytes:
    read = bytearray()
    while part := await stream.read(1 << 16):
        read += part
        if len(read) > MOST_BYTES:
            raise DumpError(f"{failing} wrote more than {MOST_BYTES} bytes")
    return bytes(read)


def _tool(name: str, pid: int, proc: Path = PROC) -> str:
    """Return the path of a tool of the JDK: on the PATH, or beside the program that the JVM is; raises DumpError."""
    if found := shutil.which(name):
        return found
    with contextlib.suppress(OSError):
        beside = (proc / str(pid) / "exe").readlink().with_name(name)
        if os.access(beside, os.X_OK):
            return str(beside)
    raise DumpError(
        f"the threads of pid {pid} cannot be dumped: {name} is not installed; it comes with a JDK, not with a JRE; or dump by = 'signal'"
    )


def _keep(service: str, printed: bytes, dump: ForeignDump, file: Path) -> None:
    """Write a dump to its file in the format that every reader knows, and what it was made of beside it."""
    formatted = as_py_spy(dump)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        for path, content in ((file, formatted), (file.with_name(f"{file.name}{AS_WRITTEN}"), printed)):
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), "wb") as kept:  # as of a journal
                kept.write(content)
    except OSError as error:
        raise DumpError(f"the dump of {service} cannot be written to {file}: {error.strerror}") from error


def _read(file: Path) -> bytes:
    with file.open("rb") as kept:
        return kept.read(MOST_BYTES)
