"""Numbers of the system calls that threads wait in, by machine (Linux's `syscall_64.tbl` and `asm-generic/unistd.h`)."""

from __future__ import annotations

import platform

NUMBERS = {
    "x86_64": {
        0: "read",
        1: "write",
        7: "poll",
        19: "readv",
        20: "writev",
        23: "select",
        34: "pause",
        35: "nanosleep",
        40: "sendfile",
        42: "connect",
        43: "accept",
        44: "sendto",
        45: "recvfrom",
        46: "sendmsg",
        47: "recvmsg",
        61: "wait4",
        72: "fcntl",
        73: "flock",
        74: "fsync",
        75: "fdatasync",
        128: "rt_sigtimedwait",
        130: "rt_sigsuspend",
        202: "futex",
        219: "restart_syscall",
        230: "clock_nanosleep",
        232: "epoll_wait",
        247: "waitid",
        257: "openat",
        270: "pselect6",
        271: "ppoll",
        281: "epoll_pwait",
        288: "accept4",
        299: "recvmmsg",
        441: "epoll_pwait2",
        449: "futex_waitv",
    },
    "aarch64": {
        22: "epoll_pwait",
        25: "fcntl",
        32: "flock",
        56: "openat",
        63: "read",
        64: "write",
        65: "readv",
        66: "writev",
        71: "sendfile",
        72: "pselect6",
        73: "ppoll",
        82: "fsync",
        83: "fdatasync",
        95: "waitid",
        98: "futex",
        101: "nanosleep",
        115: "clock_nanosleep",
        128: "restart_syscall",
        133: "rt_sigsuspend",
        137: "rt_sigtimedwait",
        202: "accept",
        203: "connect",
        206: "sendto",
        207: "recvfrom",
        211: "sendmsg",
        212: "recvmsg",
        242: "accept4",
        243: "recvmmsg",
        260: "wait4",
        441: "epoll_pwait2",
        449: "futex_waitv",
    },
}
OF_ONE_DESCRIPTOR = frozenset(
    {"read", "readv", "write", "writev", "recvfrom", "recvmsg", "recvmmsg", "sendto", "sendmsg", "sendfile", "connect", "accept", "accept4"}
    | {"fcntl", "flock", "fsync", "fdatasync"}
)
SLEEPS = frozenset({"nanosleep", "clock_nanosleep", "pause", "rt_sigsuspend", "rt_sigtimedwait"})
CHILDREN = frozenset({"wait4", "waitid"})
POLLS, SELECTS, EPOLLS = (
    frozenset({"poll", "ppoll"}),
    frozenset({"select", "pselect6"}),
    frozenset({"epoll_wait", "epoll_pwait", "epoll_pwait2"}),
)
# What a thread waits in that was interrupted and goes on, by the kernel function it sleeps in (/proc/PID/wchan).
RESTARTED = (("futex", "futex"), ("nanosleep", "clock_nanosleep"), ("poll", "poll"))


def call_name(number: int, machine: str = "") -> str:
    """Return the name of a system call of this machine; `system call N` for one that nothing here waits in, and on another machine."""
    return NUMBERS.get(machine or platform.machine(), {}).get(number, f"system call {number}")
