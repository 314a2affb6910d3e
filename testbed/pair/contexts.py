"""A fault as a block: it takes effect where the block begins, and is healed where that ends, however it ends."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING

from testbed.concurrency import shield

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType
    from typing import Self

    from testbed.facility.facility import ActiveFault
    from testbed.pair.control import Control
    from testbed.replay.actions import Fault


class Done(str):
    """What was done, in a line. It can stand in a `with` as faults do; there is nothing to heal, because it is over."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None


class FaultBlock(AbstractContextManager[str]):
    """A fault that is active inside `with`, which gives the line that says what was seen of it."""

    def __init__(self, control: Control, word: str, fault: Fault) -> None:
        self._control = control
        self._word = word
        self._fault = fault
        self._active: ActiveFault | None = None
        control.unused[id(self)] = f"with facility.{word}(…):"

    def __enter__(self) -> str:
        self._control.unused.pop(id(self), None)
        told, self._active = self._control.run(lambda pair: pair.begin(self._word, self._fault))
        return told

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        active, self._active = self._active, None
        if active is not None:
            self._control.run(lambda pair: pair.heal(active))


class AsyncFaultBlock(AbstractAsyncContextManager[str]):
    """A fault that is active inside `async with`; one that is over at once can be awaited, too."""

    def __init__(self, control: Control, word: str, fault: Fault) -> None:
        self._control = control
        self._word = word
        self._fault = fault
        self._active: ActiveFault | None = None
        control.unused[id(self)] = f"async with facility.{word}(…):" if hasattr(fault, "heal") else f"await facility.{word}(…)"

    async def __aenter__(self) -> str:
        self._control.unused.pop(id(self), None)
        told, self._active = await self._control.run_async(lambda pair: pair.begin(self._word, self._fault))
        return told

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        active, self._active = self._active, None
        if active is not None:
            await shield(self._control.run_async(lambda pair: pair.heal(active)))


class AsyncAction(AsyncFaultBlock):
    """What is over at once: `await` it."""

    def __await__(self) -> Generator[None, None, str]:
        return self.__aenter__().__await__()
