"""Keeps a program of somebody else's: starts it, takes its output, and leaves none of its processes behind, whatever becomes of whom.

    python -I -S keeper.py REPORT_FD LOG LAUNCH COMMAND [ARGUMENT …]

Run by its path, in the directory and the environment of the program. Its standard input is a pipe from the testbed. The kernel closes
that when the testbed ends, also by `kill -9`, and then everything is killed that the program has started: a keeper is the subreaper of
its descendants (prctl(2)), so a process that has left its parent, its group and its session is still found. The first line to REPORT_FD
is the process id of the program. The keeper ends when the program does, with its exit code or by its signal.

The output of the program goes to LOG. Beyond `MOST_LOG_BYTES` that becomes LOG.1, in the place of an earlier one, and LOG begins again:
logs lie in memory on many machines, and a program in trouble may write without end.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
MOST_LOG_BYTES = 16 << 20
READ_BYTES = 1 << 16
KILLED_WITHIN_S = 5.0
LAST_OUTPUT_WITHIN_S = 0.5


def main(argv: list[str]) -> None:
    """Keep the program until it ends, or the testbed does."""
    report_fd, log, launch, *command = argv
    become_subreaper()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    output, theirs = os.pipe()
    preparations = (os.getpid(), int(signal.SIGKILL), -1, -1, -1)
    program = subprocess.Popen(
        [sys.executable, "-I", "-S", launch, *map(str, preparations), "--", *command],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # only now, or the program would ignore them, too
        signal.signal(number, signal.SIG_IGN)
    os.close(theirs)
    os.write(int(report_fd), f"{program.pid}\n".encode())
    os.close(int(report_fd))
    lines = Log(log)
    ended = None
    watched = [0, woken, output]
    while ended is None:
        ready, _, _ = select.select(watched, [], [])
        if output in ready and not lines.copy(output):
            watched.remove(output)
        if woken in ready:
            os.read(woken, READ_BYTES)
            ended = reap(program.pid)
        if 0 in ready:  # the testbed wants the end, or has ended
            kill_all(program.pid)
            ended = reap(program.pid) or -int(signal.SIGKILL)
    kill_all(program.pid)
    until = time.monotonic() + LAST_OUTPUT_WITHIN_S
    while output in watched and select.select([output], [], [], max(0.0, until - time.monotonic()))[0] and lines.copy(output):
        pass
    end_as(ended)


def become_subreaper() -> None:
    """Become the parent of each descendant whose own parent ends, on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Log:
    """The log of the program, which never has more than `MOST_LOG_BYTES`, with as much before it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size_bytes = os.fstat(self._fd).st_size

    def copy(self, output: int) -> bool:
        """Copy what there is to read; return whether more may come. What cannot be written is lost, and the program goes on."""
        try:
            read = os.read(output, READ_BYTES)
        except OSError:
            return False
        if not read:
            return False
        if self._size_bytes > MOST_LOG_BYTES:
            os.close(self._fd)
            os.replace(self._path, f"{self._path}.1")  # noqa: PTH105 - pathlib takes as long to import as all the rest
            self.__init__(self._path)  # type: ignore[misc]
        with contextlib.suppress(OSError):
            os.write(self._fd, read)
            self._size_bytes += len(read)
        return True


def reap(program: int) -> int | None:
    """Wait for every process that has ended; return the exit code of the program, or minus its signal, if it is one of them."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == program:
            code = os.waitstatus_to_exitcode(status)


def kill_all(program: int) -> None:
    """Kill everything that the program has started, and what that starts meanwhile."""
    until = time.monotonic() + KILLED_WITHIN_S
    while time.monotonic() < until:
        living = descendants(os.getpid())
        with contextlib.suppress(OSError):
            os.killpg(program, signal.SIGKILL)  # where there is no /proc, this is all there is
        for pid in living:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not living:
            return
        time.sleep(0.005)


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those which they have, that still run; none where there is no /proc."""
    children: dict[int, list[int]] = {}
    try:
        entries = os.listdir("/proc")  # noqa: PTH208 - as above
    except OSError:
        return []
    for entry in entries:
        if entry.isdecimal():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", "rb") as file:  # noqa: PTH123 - as above
                state, parent = file.read().rpartition(b")")[2].split()[:2]
                if state not in (b"Z", b"X"):
                    children.setdefault(int(parent), []).append(int(entry))
    found, left = [], [pid]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found


def end_as(code: int) -> None:
    """End with an exit code, or by the signal that it stands for."""
    if code < 0:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
        signal.pause()
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
