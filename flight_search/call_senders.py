"""Who sends the calls of an application server, and how often: each caller says its name, and which attempt at a call it makes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from flight_search import request_context
from flight_search.request_context import ATTEMPT, CALLER, Sender
from flight_search.settings import CallerName
from flight_search.stability.admission import MONITORING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

CALLERS: tuple[str, ...] = get_args(CallerName)
UNKNOWN = ""  # whoever does not say so: a caller of another version, or somebody by hand
MOST_DIGITS = 6


@dataclass(slots=True)
class SentCalls:
    """How many calls a caller has sent, and how many of them were no repetition of an earlier one."""

    calls: int = 0
    first: int = 0


class CallSenders:
    """Counts the calls of each caller, those that are refused or wait for a thread as well. Used in the event loop alone: no lock."""

    def __init__(self) -> None:
        self._sent = {caller: SentCalls() for caller in (*CALLERS, UNKNOWN)}

    def count(self, sender: Sender) -> None:
        """Count a call that has arrived."""
        sent = self._sent[sender.caller]
        sent.calls += 1
        sent.first += sender.attempt <= 1

    def shown(self) -> dict[str, object]:
        """Return the calls at which threads are, the longest first, and the counts of each caller that has called, for `/admin/pool`."""
        running = sorted(request_context.running(), key=lambda context: context.since_s)
        return {
            "running": [
                {
                    "thread_id": context.thread_id,
                    "operation": context.operation,
                    "running_s": round(time.monotonic() - context.since_s, 3),
                    "caller": context.sender.caller,
                    "attempt": context.sender.attempt,
                }
                for context in running
            ],
            "sent": [{"caller": caller, "calls": sent.calls, "first": sent.first} for caller, sent in self._sent.items() if sent.calls],
        }


class TellSender:
    """Middleware that reads off each service call who sent it, for the thread that will work on it, and has it counted."""

    def __init__(self, app: ASGIApp, senders: CallSenders) -> None:
        self._app = app
        self._senders = senders

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "http" and not scope["path"].startswith(MONITORING):
            sender = sender_of(dict(scope["headers"]))
            self._senders.count(sender)
            request_context.sent_by.set(sender)  # anyio gives the thread that works on it a copy of this context
        await self._app(scope, receive, send)


def sender_of(headers: dict[bytes, bytes]) -> Sender:
    """Return who sent a call by its headers; nobody that is known, and no attempt (0), where they do not say so or say something else."""
    caller = headers.get(CALLER.lower().encode(), b"").decode("latin-1")
    attempt = headers.get(ATTEMPT.lower().encode(), b"").decode("latin-1")
    known = attempt.isascii() and attempt.isdigit() and len(attempt) <= MOST_DIGITS
    return Sender(caller if caller in CALLERS else UNKNOWN, int(attempt) if known else 0)
