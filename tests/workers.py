"""Which tests run in workers of pytest-xdist, beside each other, and which in the main process, alone, when the workers have ended.

A replay is timed, and so is a test marked `alone`: what runs beside it would be measured too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pytest


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


def run_here(session: pytest.Session, arguments: Sequence[str], is_wanted: Callable[[pytest.Item], bool] = lambda _: True) -> None:
    """Collect and run tests in this process; raise what ends a session early, as pytest's own loop does."""
    if not arguments:
        return
    before = session.testscollected
    items = [item for item in session.perform_collect(arguments) if is_wanted(item)]
    session.testscollected = before + len(items)
    for item, following in zip(items, [*items[1:], None], strict=True):
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
