"""The fork server: a process that has imported what the services need, and forks a service in milliseconds.

    python -m testbed.runtime.processes.fork_server CONTROL_FD MODULE …

Every service of a facility is a Python program that spends most of its start on the same imports. This process imports
them once (the named modules) and then forks for each service that is ordered; the fork becomes `python -m` of its
module, with an environment, a log and a listening socket of its own. It is a process like any other, with its own
memory and threads, and may end at any time. One whose environment has a PYTHONPATH becomes a new interpreter, with that first.

The control socket carries lines of JSON. An order has `module`, `arguments`, `environment` and `log`, and the listening
socket comes with it. Each order is answered in turn, `{"forked": pid}` or `{"refused": reason}`, and whenever a service
ends there is `{"ended": pid, "code": exit code, or minus the signal}`. The services end with the fork server, and it
ends with the testbed: on Linux by the kernel, and everywhere when the control socket closes.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import runpy
import selectors
import signal
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from testbed.runtime import launch

if TYPE_CHECKING:
    from collections.abc import Sequence

ORDER_BYTES = 1 << 16
OPEN_FILES = 16_384  # for ten thousand connections at once (W6); the default of many systems is 256 or 1,024
FD = "{fd}"
PATH = "PYTHONPATH"


def main(argv: Sequence[str]) -> None:
    """Import, then fork until the control socket closes."""
    control = socket.socket(fileno=int(argv[0]))
    for module in argv[1:]:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # imported modules are shared with every fork; a collection would write to all of their pages, and so copy them
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if 0 <= soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    waking, wake = socket.socketpair()
    waking.setblocking(False)
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    waiting = selectors.DefaultSelector()
    waiting.register(control, selectors.EVENT_READ)
    waiting.register(waking, selectors.EVENT_READ)
    living: set[int] = set()
    try:
        while True:
            for key, _ in waiting.select():
                if key.fileobj is waking:
                    waking.recv(4096)
                    _report_ended(control, living)
                elif not _take_order(control, living):
                    return
    finally:
        for pid in living:
            os.kill(pid, signal.SIGKILL)


def _take_order(control: socket.socket, living: set[int]) -> bool:
    """Read an order and fork; return False when the control socket has closed."""
    order, fds, _, _ = socket.recv_fds(control, ORDER_BYTES, 1)
    while not order.endswith(b"\n"):
        more = control.recv(ORDER_BYTES)
        if not more:
            return False
        order += more
    parent = os.getpid()  # taken before the fork: one that is killed right after it would be nobody's parent
    try:
        pid = os.fork()
    except OSError as error:
        _report(control, refused=error.strerror)
    else:
        if pid == 0:
            _exec(json.loads(order), fds[0], parent)
        living.add(pid)
        _report(control, forked=pid)
    os.close(fds[0])
    return True


def _report_ended(control: socket.socket, living: set[int]) -> None:
    while living:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        living.discard(pid)
        _report(control, ended=pid, code=os.waitstatus_to_exitcode(status))


def _report(control: socket.socket, **message: object) -> None:
    control.sendall(json.dumps(message).encode() + b"\n")


def _exec(order: dict[str, Any], listener: int, parent: int) -> None:
    """Run the service that was ordered, in the forked process; does not return."""
    code = 1
    try:
        os.setsid()
        launch.bind_to_parent(parent, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        fd = os.dup(listener)
        os.closerange(3, fd)
        os.closerange(fd + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])  # the control socket: only the fork server may write to it
        path = os.environ.get(PATH, "")
        os.environ.update({name: value.replace(FD, str(fd)) for name, value in order["environment"].items()})
        sys.argv = [order["module"], *(word.replace(FD, str(fd)) for word in order["arguments"])]
        if PATH in order["environment"]:  # other packages than those that are imported here
            os.environ[PATH] = os.pathsep.join(filter(None, (order["environment"][PATH], path)))
            os.set_inheritable(fd, True)
            os.execv(sys.executable, [sys.executable, "-P", "-m", *sys.argv])  # noqa: S606 - a list, no shell
        runpy.run_module(order["module"], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - the border of a process: any error goes to the log, and ends it
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(OSError):  # without space for its last lines it must end all the same
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
