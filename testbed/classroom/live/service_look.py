"""A look at one service over HTTP, as its owner would take it with a browser: its health check, and its metrics.

Of the metrics, connections that leaked are left out until all is revealed: in the case nobody saw them either.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import aiohttp

from testbed.classroom.saying import say

if TYPE_CHECKING:
    from testbed.classroom.board import Json
    from testbed.classroom.saying import Told

WITHIN_S = 5.0
MOST_BYTES = 65_536
NOT_SHOWN = "leaked"


async def ask(url: str, what: Literal["health", "metrics"], *, revealed: bool) -> Json:
    """Return the status (null: no answer), how long it took in seconds, and the text or the error; none waits longer than `WITHIN_S`.

    The text of metrics is `text`, that of a health check `body`.
    """
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    status: int | None
    body: Told
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WITHIN_S)) as session,
            session.get(f"{url}/{what}") as response,
        ):
            body = (await response.content.read(MOST_BYTES)).decode(errors="replace")
            status = response.status
    except TimeoutError:
        status, body = None, say("no_answer", within=WITHIN_S)
    except (aiohttp.ClientError, OSError) as error:
        status, body = None, f"{type(error).__name__}: {error}"
    if what == "metrics" and not revealed and isinstance(body, str):
        body = "".join(line for line in body.splitlines(keepends=True) if NOT_SHOWN not in line)
    return {"status": status, "took_s": loop.time() - started_s, "text" if what == "metrics" else "body": body}
