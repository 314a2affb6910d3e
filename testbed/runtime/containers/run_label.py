"""The label of a run's containers, from which another run of the same user can tell whether that run has ended.

It depends on no file: of two runs that share an engine, one may not see the other's directories (a private /tmp, a CI container). It names
the kernel's boot, the namespace of process ids, the process and when that started. Where one of the first two is another, nothing is known
of the process, and it is taken for living: after a restart of the machine, or in another container, nobody's containers are removed.
"""

from __future__ import annotations

import os
import platform
import secrets
from pathlib import Path

from testbed.runtime import run_directory

BOOT = Path("/proc/sys/kernel/random/boot_id")
NAMESPACE = Path("/proc/self/ns/pid")
SEPARATOR = ":"


def of_this_process() -> str:
    """Return a label that no other run has, or will have."""
    parts = (_machine(), _namespace(), str(os.getpid()), _started(os.getpid()), secrets.token_hex(8))
    return SEPARATOR.join(parts)


def has_ended(label: str) -> bool:
    """Return whether the process of a label is known to have ended."""
    try:
        machine, namespace, pid, started, _ = label.split(SEPARATOR)
        now = _started(int(pid))
    except ValueError:  # of something that belongs to no run
        return False
    return (machine, namespace) == (_machine(), _namespace()) and now != started


def _machine() -> str:
    """Return the name of this boot of this machine's kernel; without Linux, the machine's name."""
    try:
        return BOOT.read_text().strip()
    except OSError:
        return platform.node()


def _namespace() -> str:
    """Return the namespace of process ids, by its number; empty where there are none."""
    try:
        return str(NAMESPACE.stat().st_ino)
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Return when a process started, in words without the separator; empty when it has ended."""
    return run_directory.started(pid).replace(SEPARATOR, "-")
