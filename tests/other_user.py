"""Another user of this machine, as whom a test tries what only the testbed's own may do. Root alone can become one."""

from __future__ import annotations

import os
import pickle
import pwd
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

OTHER = "nobody"
Answer = TypeVar("Answer")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def as_other_user(ask: Callable[[], Answer]) -> Answer:
    """Return what a function returns in a process of the other user: a fork of this one, which has all modules already."""
    reading_fd, writing_fd = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            user = pwd.getpwnam(OTHER)
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            told = pickle.dumps((ask(), None))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test has to hear of it
            told = pickle.dumps((None, repr(error)))
        with os.fdopen(writing_fd, "wb") as pipe:
            pipe.write(told)
        os._exit(0)
    os.close(writing_fd)
    with os.fdopen(reading_fd, "rb") as pipe:
        answer, error = pickle.loads(pipe.read())  # noqa: S301 - of our own child
    os.waitpid(pid, 0)
    assert error is None, error
    return answer  # type: ignore[no-any-return]
