"""The nursery: a process that has imported what the services need, and forks a service in milliseconds.

    python -m testbed.runtime.nursery CONTROL_FD MODULE …

Every service of a facility is a Python program that spends most of its start on the same imports. This process makes
them once (the modules named) and then forks for each service asked for; the fork becomes `python -m` of its module,
with an environment, a log and a listening socket of its own. It is a process like any other: with its own memory,
threads and fate.

Over the control socket comes one datagram for each birth: JSON with `module`, `arguments`, `environment` and `log`,
and the listening socket itself. Back go `{"born": pid}` for each, in order, and `{"dead": pid, "code": exit code, or
minus the signal}` whenever a service ends. The kernel ends the services with the nursery, and the nursery with the
testbed.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_PTRACER = 0x59616D61  # the same
PR_SET_PTRACER_ANY = ctypes.c_ulong(-1)
MESSAGE_BYTES = 1 << 16
FD = "{fd}"


def main(argv: Sequence[str]) -> None:
    """Import, then give birth until the control socket closes."""
    control = socket.socket(fileno=int(argv[0]))
    for module in argv[1:]:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # what is imported is shared with every fork; a collection would touch, and so copy, all of it
    waking, wake = socket.socketpair()
    waking.setblocking(False)
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    waiting = selectors.DefaultSelector()
    waiting.register(control, selectors.EVENT_READ)
    waiting.register(waking, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.fileobj is waking:
                waking.recv(4096)
                _tell_dead(control)
                continue
            message, fds, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 1)
            if not message:
                return
            pid = os.fork()
            if pid == 0:
                _become(json.loads(message), fds[0])
            os.close(fds[0])
            control.send(json.dumps({"born": pid}).encode())


def _tell_dead(control: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        control.send(json.dumps({"dead": pid, "code": os.waitstatus_to_exitcode(status)}).encode())


def _become(order: dict[str, Any], listener: int) -> None:
    """Be the service that was ordered, in the fork; does not return."""
    code = 1
    try:
        parent = os.getppid()
        os.setsid()
        if sys.platform == "linux":
            prctl = ctypes.CDLL(None).prctl
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        fd = os.dup(listener)
        os.closerange(3, fd)  # the control socket above all: nobody but the nursery speaks there
        os.environ.update({name: value.replace(FD, str(fd)) for name, value in order["environment"].items()})
        sys.argv = [order["module"], *(word.replace(FD, str(fd)) for word in order["arguments"])]
        runpy.run_module(order["module"], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - the border of a process: whatever it is goes to the log, and ends it
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
