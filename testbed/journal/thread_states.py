"""What a request thread does, in the words of the journal's `threads` events: dumps write them, and checks compare them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.journal.events import ThreadGroup

CHECKOUT = "waiting for a connection from the pool"
HTTP_CONNECTION = "waiting for an HTTP connection of its own"
SOCKET = "blocked reading a socket"
DATABASE = "waiting for the database"
LOCK = "waiting for a lock"
IDLE = "idle"
RUNNING = "running"


def may_wait_for_lock(group: ThreadGroup) -> bool:
    """Whether the threads of a group may wait for a lock: the kernel has one in a futex, and no pool or notification explains it.

    `with lock:` is no call of its own, so the stack alone looks like work; where nobody asked the kernel, work may be a wait for a lock.
    """
    if not group.waits:
        return group.state in (LOCK, RUNNING)
    return any(wait.kind == "lock" and not wait.detail for wait in group.waits)
