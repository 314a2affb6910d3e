"""A number of things, in English."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Format a number of things: `1 thread`, `2 threads`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
