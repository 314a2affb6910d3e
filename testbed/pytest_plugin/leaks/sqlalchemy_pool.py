"""SQLAlchemy's pools, by their events: of an Engine, of an AsyncEngine, or a pool alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Callable


def watch(pool: Any, taken: Callable[[object], None], given: Callable[[object], None]) -> Callable[[], None]:
    """Listen to a pool; the key of a connection is its record, which stays when the connection itself is replaced."""
    target = getattr(getattr(pool, "sync_engine", pool), "pool", getattr(pool, "sync_engine", pool))

    def on_checkout(_connection: object, record: object, _proxy: object) -> None:
        taken(record)

    def on_given(_connection: object, record: object) -> None:
        given(record)

    listeners = (("checkout", on_checkout), ("checkin", on_given), ("detach", on_given))
    for name, listener in listeners:
        event.listen(target, name, listener)

    def end() -> None:
        for name, listener in listeners:
            event.remove(target, name, listener)

    return end
