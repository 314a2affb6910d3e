"""Answers only this user: on loopback, Linux tells whose socket is at the other end (proc_net_tcp(5)).

The API has no passwords, as Toxiproxy's has none; without this, every user of a machine could change what a replay does.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Scope]]
    Send = Callable[[Scope], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

CAN_TELL = sys.platform == "linux"
TABLES = {socket.AF_INET: Path("/proc/net/tcp"), socket.AF_INET6: Path("/proc/net/tcp6")}
LOCAL, REMOTE, USER = 1, 2, 7  # the columns


def user_of(end: tuple[str, int], peer: tuple[str, int]) -> int | None:
    """Return the number of the user whose socket at `end` is connected to `peer`, both addresses of this machine; None if there is none."""
    family = socket.AF_INET6 if ":" in end[0] else socket.AF_INET
    wanted = [_as_in_table(family, *end), _as_in_table(family, *peer)]
    for line in TABLES[family].read_text().splitlines()[1:]:
        columns = line.split()
        if [columns[LOCAL], columns[REMOTE]] == wanted:
            return int(columns[USER])
    return None


def _as_in_table(family: socket.AddressFamily, host: str, port: int) -> str:
    """Return an address as the kernel prints it: words of four bytes, each in the machine's own order."""
    packed = socket.inet_pton(family, host)
    words = (packed[start : start + 4] for start in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words) + f":{port:04X}"


def only_own_user(app: App) -> App:
    """Return an application that refuses the requests of other users with 403; where the system does not tell, it is `app` itself."""
    if not CAN_TELL:
        return app

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            client, server = (tuple(scope[end]) for end in ("client", "server"))
            if user_of(client, server) != os.getuid():
                refusal = PlainTextResponse("this fault proxy belongs to a run of another user\n", status_code=403)
                await refusal(scope, receive, send)
                return
        await app(scope, receive, send)

    return guarded
