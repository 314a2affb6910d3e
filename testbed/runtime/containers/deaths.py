"""How the containers of a project ended, as the engine's events say: to ask again and again would be slow.

A thread reads the events. Where their stream breaks, it opens another and asks for the state of every container, because what ended
in between is in neither; until that is done, nothing is known, and whoever asks has to wait.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from testbed.errors import EngineError
from testbed.runtime.containers.engine_client import CLIENT_ERRORS, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import docker

REOPENED_WITHIN_S = 5.0
POLL_S = 0.1
NO_CODE = -1  # of a container that has ended, where nobody says how
ENDED = ("exited", "dead")


@dataclass(slots=True)
class Deaths:
    """The exit codes of the containers that have ended, by the container's own id: a new one of the same name has not ended.

    `label` chooses the containers. `known` returns the ids of those that were there: what the engine no longer has, has ended.
    """

    client: docker.DockerClient
    label: str
    known: Callable[[], Collection[str]]
    _codes: dict[str, int] = field(default_factory=dict)
    _stream: Any = None
    _heard: threading.Event = field(default_factory=threading.Event)  # cleared while events may be lost
    _closed: threading.Event = field(default_factory=threading.Event)
    _lost: str = ""  # why the events are not read any more

    def __post_init__(self) -> None:
        self._heard.set()  # before `listen`, what is noted is all there is

    def listen(self) -> None:
        """Begin to read the events, unless that has begun already; raises EngineError. Nothing that ends from now on is missed."""
        if self._stream is None:
            with translated("the engine's events cannot be read"):
                self._stream = self._open()
            threading.Thread(target=self._run, name=f"events of {self.label}", daemon=True).start()

    @property
    def is_known(self) -> bool:
        """Whether `code` can answer at once."""
        return self._heard.is_set()

    def code(self, container: str) -> int | None:
        """Return the exit code of a container; None while it runs. While the events are opened anew, it blocks.

        Raises EngineError when they cannot be read any more: who ended then is not known.
        """
        if not self._heard.wait(2 * REOPENED_WITHIN_S):
            raise EngineError(f"the engine's events are not read anew after {2 * REOPENED_WITHIN_S:.0f} s, so what has ended is unknown")
        if self._lost:
            raise EngineError(f"what has ended is unknown: {self._lost}")
        return self._codes.get(container)

    def note(self, container: str, code: int | None) -> None:
        """Note what the caller knows before the engine's event comes: an exit code, or that it was started (None)."""
        if code is None:
            self._codes.pop(container, None)
        else:
            self._codes[container] = code

    def close(self) -> None:
        """Stop reading."""
        self._closed.set()
        self._close_stream()

    def _close_stream(self) -> None:
        if self._stream is not None:
            with suppress(*CLIENT_ERRORS):  # it has broken already
                self._stream.close()

    def _open(self) -> Any:
        return self.client.events(decode=True, filters={"label": self.label, "event": ["die", "start"]})

    def _run(self) -> None:
        lost = "the thread that reads the engine's events failed"
        try:
            lost = self._follow()
        finally:
            if not self._closed.is_set():
                self._lost = lost
            self._heard.set()

    def _follow(self) -> str:
        """Read the events until they are closed, or cannot be read any more; return why."""
        while True:
            broke = "their stream ended"
            try:
                for event in self._stream:
                    self._take(event)
            except (*CLIENT_ERRORS, KeyError, ValueError) as error:
                broke = f"{type(error).__name__}: {error}"
            self._heard.clear()
            if failed := self._open_again():
                return f"the engine's events broke ({broke}), and were not read again within {REOPENED_WITHIN_S:.0f} s ({failed})"
            if self._closed.is_set():
                return "closed"
            self._heard.set()

    def _take(self, event: dict[str, Any]) -> None:
        container = event["Actor"]["ID"]
        self.note(container, int(event["Actor"]["Attributes"].get("exitCode", NO_CODE)) if event["Action"] == "die" else None)

    def _open_again(self) -> str:
        """Open another stream and ask for every state, again and again for a while; return the last error, if all failed."""
        deadline = time.monotonic() + REOPENED_WITHIN_S
        failed = ""
        while not self._closed.is_set():
            self._close_stream()
            try:
                self._stream = self._open()
                self._ask()  # after it was opened: what ends from here on is in the stream
            except CLIENT_ERRORS as error:
                failed = f"{type(error).__name__}: {error}"
            else:
                return ""
            if time.monotonic() > deadline:
                return failed
            self._closed.wait(POLL_S)
        return ""

    def _ask(self) -> None:
        missing = set(self.known())
        for container in self.client.containers.list(all=True, filters={"label": self.label}):
            missing.discard(container.id)
            state = container.attrs["State"]
            if state["Status"] in ENDED:
                self._codes[container.id] = int(state["ExitCode"])
            elif state["Running"]:
                self._codes.pop(container.id, None)
        self._codes |= dict.fromkeys(missing - self._codes.keys(), NO_CODE)
