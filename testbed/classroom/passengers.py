"""How the passengers fare, live: how many were answered, failed or wait, and what the outage costs a minute of the night.

**The clocks.** Whether a request hangs is a matter of real seconds (`t_s`): answers are made by real parts, and time-outs are real seconds,
whatever the night's clock does. It may go a hundred times as fast, or stand still while a class thinks, and neither makes a passenger lost.
What is lost belongs to the night's minute in which the passenger asked: a restart at which forty old requests fail costs nothing anew.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from testbed.journal.events import Request, Response
from testbed.plan.clock import MINUTE_S
from testbed.verdict.latency import IN_TIME_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HANGS_AFTER_S = IN_TIME_S  # real seconds without an answer: from then on the verdict calls it late; calls that are well take milliseconds
WINDOW_MINUTES = 10  # of the night


class Passengers:
    """Folds requests and responses, in whatever order they come, into the state keys `passengers`, `passengers.CALLER` and `cost`.

    `transactions`: the kinds of each caller, such as `Header.transactions`, which are then there from the start. `from_s`: when the night
    begins, in its own seconds; the cost of a younger night than ten minutes is that of its minutes. An event costs the same
    however many there were; a look at the cost goes over the ten minutes of it, and over what was sent within `HANGS_AFTER_S` of the last.
    """

    def __init__(self, transactions: Mapping[str, Iterable[str]] | None = None, from_s: float = -math.inf) -> None:
        kinds = {} if transactions is None else transactions
        self._counts = {caller: {kind: Counter[str]() for kind in asked} for caller, asked in kinds.items()}
        self._under_way: dict[int, Request] = {}  # sent, without an answer, and not known to hang
        self._hanging: dict[int, Request] = {}
        self._early: dict[int, Response] = {}  # responses whose request has not come yet
        self._lost: defaultdict[int, Counter[str]] = defaultdict(Counter)  # by the second of the night in which it was sent, by kind
        self._lost_total = 0
        self._from_s = from_s

    def take(self, event: Request | Response) -> None:
        """Take in a request or a response; the other one may have come before."""
        if isinstance(event, Request):
            self._counts_of(event)["sent"] += 1
            early = self._early.pop(event.id, None)
            if early is None:
                self._under_way[event.id] = event
            else:
                self._end(event, early)
            return
        request = self._under_way.pop(event.id, None)
        if request is not None:
            self._end(request, event)
        elif (request := self._hanging.pop(event.id, None)) is not None:
            self._counts_of(request)[event.ended] += 1  # it is lost already
        else:
            self._early[event.id] = event

    def _end(self, request: Request, response: Response) -> None:
        self._counts_of(request)[response.ended] += 1
        if response.ended == "failed" or response.answered_s - request.sent_s > HANGS_AFTER_S:
            self._lose(request)

    def _lose_all(self, requests: Iterable[Request]) -> None:
        for request in requests:
            self._hanging[request.id] = self._under_way.pop(request.id)
            self._lose(request)

    def _lose(self, request: Request) -> None:
        self._lost[math.floor(request.night_s)][request.transaction] += 1
        self._lost_total += 1

    def _counts_of(self, request: Request) -> Counter[str]:
        return self._counts.setdefault(request.caller, {}).setdefault(request.transaction, Counter())

    def state(self) -> dict[str, dict[str, Any]]:
        """Return the state keys `passengers` and `passengers.CALLER`: how many were sent, answered, failed, and wait for an answer."""
        callers = {caller: sum(kinds.values(), Counter()) for caller, kinds in self._counts.items()}
        state: dict[str, dict[str, Any]] = {"passengers": _shown(sum(callers.values(), Counter()))}
        for caller, counts in callers.items():
            kinds = {kind: _shown(of_kind) for kind, of_kind in self._counts[caller].items()}
            state[f"passengers.{caller}"] = {**_shown(counts), "kinds": kinds}
        return state

    def lose_all_of(self, caller: str) -> None:
        """Take for lost who waits at a caller all of whose threads are stuck: nobody there answers, however soon it is."""
        self._lose_all([request for request in self._under_way.values() if request.caller == caller])

    def cost(self, t_s: float, night_s: float) -> dict[str, Any] | None:
        """Return the state value `cost` at a moment on both clocks; None before anything was lost. Moments must not go back.

        Lost is a request that failed, or that had no answer within `HANGS_AFTER_S` real seconds, or none when its caller was stuck. It
        stays so when it is answered in the end: whoever asked has gone. `per_minute`: by kind, those sent within the last ten minutes of
        the night, or since its begin, for each of these minutes.
        """
        self._lose_all([request for request in self._under_way.values() if t_s - request.sent_s > HANGS_AFTER_S])
        if not self._lost_total:
            return None
        last = math.floor(night_s)
        recent: Counter[str] = Counter()
        for second in range(last - WINDOW_MINUTES * MINUTE_S + 1, last + 1):
            if second in self._lost:
                recent.update(self._lost[second])
        minutes = min(WINDOW_MINUTES, max(1.0, (night_s - self._from_s) / MINUTE_S))
        per_minute = {kind: count / minutes for kind, count in sorted(recent.items()) if count}
        return {"per_minute": per_minute, "total_per_minute": sum(recent.values()) / minutes, "lost": self._lost_total}


def _shown(counts: Mapping[str, int]) -> dict[str, int]:
    sent, answered, failed = (counts.get(name, 0) for name in ("sent", "answered", "failed"))
    return {"sent": sent, "answered": answered, "failed": failed, "waiting": sent - answered - failed}
