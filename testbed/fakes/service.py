"""A fake service: its request threads, what each does, and the requests that wait for one. Subclasses answer the requests."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from testbed.errors import UsageError
from testbed.journal.events import REFUSED, Counts, Sample, ThreadGroup
from testbed.journal.thread_states import IDLE, RUNNING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from testbed.journal.events import BreakerSample, PoolSample
    from testbed.plan.settings import StrictRecord

START_S = 0.4  # from its start until it answers
LAST_WORDS = "connection reset: the service is gone"


def require_modelled(role: str, settings: StrictRecord, not_modelled: Sequence[str]) -> None:
    """Raise UsageError when a setting is changed that fakes do not model: the night would come out as if it were not."""
    changed = [name for name in not_modelled if getattr(settings, name) != type(settings).model_fields[name].default]
    if changed:
        raise UsageError(f"fakes do not model the settings {', '.join(changed)} of {role}; replay this variant on real parts")


class FakeService:
    """A process with `request_threads` request threads, which answers `START_S` seconds after its start."""

    def __init__(self, name: str, request_threads: int) -> None:
        self.name = name
        self.request_threads = request_threads
        self.ready = asyncio.Event()
        self.alive = True
        self.arrived = 0  # requests with a thread or waiting for one
        self.doing: Counter[tuple[str, str]] = Counter()  # busy threads by state and operation
        self._threads = asyncio.Semaphore(request_threads)
        self._started_threads = 0
        self._answered: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._requests: dict[asyncio.Task[None], asyncio.Future[str]] = {}
        asyncio.get_running_loop().call_later(START_S, self.ready.set)

    def refuse(self) -> str:
        """Return the error of a request that is refused before it has a thread; an empty text when it is accepted."""
        return ""

    async def answer(self, operation: str) -> str:
        """Carry out an operation in a request thread; return its error, or an empty text."""
        raise NotImplementedError

    def pool(self) -> PoolSample | None:
        """Return the state of its connection pool; None when it has none."""
        return None

    def breaker(self) -> BreakerSample | None:
        """Return what its monitoring tells of its circuit breaker; None when it has none."""
        return None

    def ask(self, operation: str) -> asyncio.Future[str]:
        """Send a request; the future gets its error, or an empty text, when it is answered: perhaps never."""
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        if not self.alive:
            answer.set_result(LAST_WORDS)
            return answer
        request = asyncio.create_task(self._handle(operation, answer))
        self._requests[request] = answer
        request.add_done_callback(lambda ended: self._requests.pop(ended, None))
        return answer

    async def _handle(self, operation: str, answer: asyncio.Future[str]) -> None:
        await self.ready.wait()
        refused = self.refuse()
        if refused:
            answer.set_result(refused)
            return
        self.arrived += 1
        try:
            async with self._threads:
                self._started_threads = max(self._started_threads, self.busy)
                error = await self.answer(operation)
                (self._failed if error else self._answered)[operation] += 1
        finally:
            self.arrived -= 1
        if not answer.done():
            answer.set_result(error)

    @property
    def busy(self) -> int:
        """Request threads at work, or blocked."""
        return min(self.arrived, self.request_threads)

    @contextmanager
    def thread(self, state: str, operation: str) -> Iterator[None]:
        """Record what a request thread does while the block runs."""
        self.doing[state, operation] += 1
        try:
            yield
        finally:
            self.doing[state, operation] -= 1

    def die(self) -> None:
        """End at once: every request in flight gets an error."""
        self.alive = False
        for request, answer in list(self._requests.items()):
            request.cancel()
            if not answer.done():
                answer.set_result(LAST_WORDS)

    def sample(self, t_s: float, night_s: float) -> Sample:
        """Return a sample of its monitoring; without numbers while it is not ready."""
        if not (self.alive and self.ready.is_set()):
            return Sample(t_s=t_s, night_s=night_s, service=self.name, health=False, health_s=0.0, error=REFUSED)
        return Sample(
            t_s=t_s,
            night_s=night_s,
            service=self.name,
            health=True,
            health_s=0.0,
            request_threads=self.request_threads,
            busy=self.busy,
            waiting=self.arrived - self.busy,
            pool=self.pool(),
            results={name: Counts(self._answered[name], self._failed[name]) for name in sorted({*self._answered, *self._failed})},
            breaker=self.breaker(),
        )

    def groups(self) -> tuple[ThreadGroup, ...]:
        """Return its request threads as a dump would have them, the largest group first."""
        groups = [
            ThreadGroup(count, state, operation, (f"fake.py:1 {operation}", f"fake.py:2 {state}"))
            for (state, operation), count in self.doing.items()
            if count
        ]
        recorded = sum(group.count for group in groups)
        groups += [ThreadGroup(self.busy - recorded, RUNNING, "", ())] if self.busy > recorded else []
        groups += [ThreadGroup(self._started_threads - self.busy, IDLE, "", ())] if self._started_threads > self.busy else []
        return tuple(sorted(groups, key=lambda group: -group.count))
