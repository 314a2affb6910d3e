"""Answers only those who have a token: a run's own fault proxy is for that run alone.

The API has no passwords, as Toxiproxy's has none; without this, every user of a machine could change what a replay does.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from pathlib import Path

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Scope]]
    Send = Callable[[Scope], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADER = b"authorization"


def only_with_token(app: App, file: Path) -> App:
    """Return an application that answers a request with 401 unless it brings the token of a file, as `Authorization: Bearer TOKEN`.

    The file is read for each request: where it does not exist yet, or cannot be read, nobody is answered.
    """

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_brought(scope, file):
            refusal = PlainTextResponse("this fault proxy belongs to a run, and answers only with its token\n", status_code=401)
            await refusal(scope, receive, send)
            return
        await app(scope, receive, send)

    return guarded


def _is_brought(scope: Scope, file: Path) -> bool:
    try:
        token = file.read_bytes().strip()
    except OSError:
        return False
    brought = dict(scope["headers"]).get(HEADER, b"")
    return bool(token) and hmac.compare_digest(brought, b"Bearer " + token)
