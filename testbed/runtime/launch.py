"""Becomes another program, after the preparations that only the process itself can make.

    python -I -S launch.py PARENT_PID DEATH_SIGNAL UID GID LOCK_FD -- COMMAND [ARGUMENT …]

Run by its path and not as a module: it must start in a few milliseconds and must not depend on what the command's
user may read. A number of -1 leaves a preparation out. In this order:

1. Become the user: PostgreSQL refuses to run as root.
2. Ask the kernel for a signal when the parent dies, and let others of this user read the process: see `bind_to_parent`. After step 1,
   because a change of user clears both wishes.
3. Leave the lock open across the exec. The lock on the array is then held by the server itself and by every process it forks, and
   the kernel lets go of it when the last of them is gone: no crash can leave it taken, and none can free it too early.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_PTRACER = 0x59616D61  # the same
PR_SET_PTRACER_ANY = ctypes.c_ulong(-1)


def bind_to_parent(parent: int, death_signal: int) -> None:
    """Die with the parent, on Linux; exits when it is dead already.

    So not even `kill -9` of the testbed leaves a process behind. The look at the parent comes last: it may have died before the wish.
    And be readable (Linux with Yama, where by default only ancestors may read): thread dumps are taken by a sibling. Where there is no
    Yama that request is refused, and nothing is lost.
    """
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the testbed ended while this process was being started")


def main(argv: list[str]) -> None:
    """Prepare and exec; on failure one line on stderr and exit code 127, as a shell would."""
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
