"""A number of things, in English."""

from __future__ import annotations


def counted(count: int, noun: str, several: str = "") -> str:
    """Format a number of things: `1 thread`, `2 threads`; `several` is the plural where that is not the noun with an s."""
    return f"{count} {noun if count == 1 else several or f'{noun}s'}"
