"""Becomes another program, after the preparations that only the process itself can make.

    python -I -S launch.py PARENT_PID DEATH_SIGNAL UID GID LOCK_FD -- COMMAND [ARGUMENT …]

Run by its path and not as a module: it must start in a few milliseconds and must not depend on what the command's
user may read. A number of -1 skips a preparation. In this order:

1. Become the user: PostgreSQL refuses to run as root.
2. Ask the kernel for a signal when the parent dies, and permit other processes of this user to read this one: see `bind_to_parent`.
   After step 1, because a change of user clears both settings.
3. Leave the lock open across the exec. The lock on the array is then held by the server itself and by every process it forks, and
   the kernel releases it when the last of them has ended: no crash can leave it locked, and none can release it too early.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_PTRACER = 0x59616D61  # the same
PR_SET_PTRACER_ANY = ctypes.c_ulong(-1)


def bind_to_parent(parent: int, death_signal: int) -> None:
    """Make this process die with its parent, on Linux; exits when the parent is dead already.

    So not even `kill -9` of the testbed leaves a process behind. The parent is checked last: it may have died before the first call.
    The second call permits others to read this process (Linux with Yama permits only ancestors by default): thread dumps are taken by
    a sibling. Without Yama it is refused, and nothing is lost.
    """
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the testbed ended while this process was being started")


def main(argv: list[str]) -> None:
    """Prepare and exec; on failure write one line to stderr and exit with code 127, as a shell does."""
    parent, death_signal, uid, gid, lock_fd = (int(value) for value in argv[:5])
    command = argv[6:]
    if uid != -1:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    bind_to_parent(parent, death_signal)
    if lock_fd != -1:
        os.set_inheritable(lock_fd, True)
    try:
        os.execv(command[0], command)  # noqa: S606 - a list, no shell
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
