"""The live picture of a replay: the night's clock, the load, and pool and request threads of every service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from testbed.plan.clock import clock_text

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import RenderableType

    from testbed.journal.events import Sample
    from testbed.replay.load_tracker import LoadTracker
    from testbed.replay.state import FacilityState


BAR = 10  # characters: the picture fits 80 columns
MANY_WAITING = 20
REFRESH_PER_S = 10


class Pictures:
    """Draws all replays that go on, one below the other; called with the title of one, gives its picture.

    Where the output is not a terminal, a line is printed for each phase instead.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._shown: dict[Picture, RenderableType] = {}
        self._live: Live | None = None

    def __call__(self, title: str) -> Picture:
        """Return the picture of a replay."""
        return Picture(self, title)

    def show(self, picture: Picture, drawn: RenderableType) -> None:
        """Draw a replay in its place, below those that were shown before it."""
        self._shown[picture] = drawn
        if self._live is None:
            self._live = Live(console=self.console, refresh_per_second=REFRESH_PER_S, transient=True)
            self._live.start()
        self._live.update(Group(*self._shown.values()))

    def hide(self, picture: Picture) -> None:
        """Draw a replay no more; the terminal is restored after the last."""
        self._shown.pop(picture, None)
        if self._live is not None and not self._shown:
            self._live.stop()
            self._live = None


class Picture:
    """Draws one replay while it runs; a context manager, which restores the terminal in every case."""

    def __init__(self, pictures: Pictures, title: str) -> None:
        self._pictures = pictures
        self._title = title
        self._phase = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pictures.hide(self)

    def phase(self, text: str) -> None:
        """Show the phase that begins."""
        self._phase = text
        if self._pictures.console.is_terminal:
            self._pictures.show(self, Text(f"{self._title}: {text}"))
        else:
            self._pictures.console.print(f"{self._title}: {text}")

    def update(self, night_s: float, state: FacilityState, load: LoadTracker) -> None:
        """Draw the state after a round of samples."""
        if self._pictures.console.is_terminal:
            self._pictures.show(self, Group(self._headline(night_s, load), picture(state)))

    def quiet(self) -> None:
        """Draw nothing: a do-nothing method of the display protocol."""

    def _headline(self, night_s: float, load: LoadTracker) -> Text:
        return Text.assemble(
            (f"{clock_text(night_s)}  ", "bold"),
            f"{self._title}: {self._phase}\n",
            f"{load.sent} of {len(load.requests)} transactions sent, {load.answered} answered, ",
            (f"{load.failed} failed", "yellow" if load.failed else ""),
            ", ",
            (f"{load.in_flight} waiting", "red" if load.in_flight > MANY_WAITING else ""),
        )


def picture(state: FacilityState) -> Table:
    """Draw the request threads, the pool and the health check of every service."""
    table = Table(box=None, pad_edge=False)
    for heading in ("service", "request threads", "", "connections", "", "health"):
        table.add_column(heading)
    for name in (*state.application_servers, *state.callers):
        sample = state.last.get(name)
        if sample is not None:
            table.add_row(name, *_threads(sample, stuck=state.is_stuck(name)), *_pool(sample), _health(sample))
    return table


def _threads(sample: Sample, *, stuck: bool) -> tuple[Text, Text]:
    if sample.busy is None or not sample.request_threads:
        return Text("?"), Text("no answer", "red")
    note = f"{sample.busy} of {sample.request_threads}" + (" blocked" if stuck else " busy")
    return _bar(sample.busy, sample.request_threads, "red" if stuck else "green"), Text(note, "red" if stuck else "")


def _pool(sample: Sample) -> tuple[Text, Text]:
    if sample.pool is None:
        return Text(), Text()
    pool = sample.pool
    note = f"{pool.out} of {pool.size} out" + (f", {pool.leaked} leaked" if pool.leaked else "")
    return _bar(pool.out, pool.size, "red" if pool.leaked else "green"), Text(note, "red" if pool.leaked else "")


def _health(sample: Sample) -> Text:
    if sample.health is None:
        return Text("unknown", "yellow")
    return Text("green", "green") if sample.health else Text("red", "red")


def _bar(value: int, of: int, style: str) -> Text:
    full = round(BAR * min(value, of) / of) if of else 0
    return Text.assemble(("█" * full, style), ("·" * (BAR - full), "dim"))
