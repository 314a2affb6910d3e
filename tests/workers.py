"""Which tests run in workers of pytest-xdist, beside each other, and which in the main process, alone, when the workers have ended.

A replay is timed, and so is a test marked `alone`: what runs beside it would be measured too. Of the tests below scenarios/, those marked
`beside` judge no real time.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path


def in_worker(config: pytest.Config) -> bool:
    """Return whether this process is a worker."""
    return hasattr(config, "workerinput")


def has_workers(config: pytest.Config) -> bool:
    """Return whether this process has workers that run the tests."""
    return getattr(config.option, "dist", "no") != "no" and not config.option.collectonly


def chosen_below(directory: Path, config: pytest.Config) -> list[str]:
    """Return the parts of the command line's arguments that are in a directory; empty if none is."""
    return [part for argument in config.args if (part := _part(directory, config, argument))]


def _part(directory: Path, config: pytest.Config, argument: str) -> str:
    path = (config.invocation_params.dir / argument.partition("::")[0]).resolve()
    if path.is_relative_to(directory):
        return argument
    return str(directory) if directory.is_relative_to(path) else ""


@dataclass(frozen=True, slots=True)
class Part:
    """Tests that run in the main process: what to collect for them, and which of the items they are."""

    arguments: tuple[str, ...]
    is_wanted: Callable[[pytest.Item], bool] = lambda _: True


class MainProcess:
    """Runs its parts when the workers have ended. All are collected at once: a second collection would know no fixture of a conftest."""

    def __init__(self) -> None:
        self.parts: list[Callable[[], Part]] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Run the parts after the workers, if there are any; raise what ends a session early, as pytest's own loop does."""
        result = yield
        if has_workers(session.config):
            self._run(session, [part() for part in self.parts])
        return result

    def _run(self, session: pytest.Session, parts: Sequence[Part]) -> None:
        arguments = [argument for part in parts for argument in part.arguments]
        if not arguments:
            return
        before = session.testscollected
        collected = session.perform_collect(arguments)
        items = [item for item in collected if any(part.is_wanted(item) for part in parts)]
        session.testscollected = before + len(items)
        for item, following in pairwise([*items, None]):
            assert item is not None
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)


def run_in_main_process(config: pytest.Config, part: Callable[[], Part]) -> None:
    """Add a part, which is asked for when the workers have ended."""
    name = "main_process"
    if not config.pluginmanager.has_plugin(name):
        config.pluginmanager.register(MainProcess(), name)
    plugin = config.pluginmanager.get_plugin(name)
    assert isinstance(plugin, MainProcess)
    plugin.parts.append(part)
