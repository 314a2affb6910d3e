"""Settings and parameters in words: `pool_recycle_s` of None is `pool recycle: never`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan.conflicts import HEAL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# The units of settings and expectations, by the last word of their names.
REAL_S = {"s": 1.0, "ms": 0.001}
SIZES = {"kib": "KiB", "mib": "MiB"}

EVERY_FAULT = "of: every active fault"  # of a healing that names none


def given(word: str, parameters: Mapping[str, object], text: Callable[[str, object], str] | None = None) -> list[str]:
    """Format the parameters of a fault or an operation; what it was not given is left out. `text`: how each is formatted."""
    told = [(text or setting_text)(name, value) for name, value in parameters.items() if value is not None]
    return told or ([EVERY_FAULT] if word == HEAL else [])


def setting_text(name: str, value: object) -> str:
    """Format a setting, with its unit where it has one."""
    stem, _, unit = name.rpartition("_")
    if value is None and unit in REAL_S:
        return f"{name_text(stem)}: never"
    if unit in {*REAL_S, *SIZES} and isinstance(value, int | float):
        return f"{name_text(stem)}: {value:g} {SIZES.get(unit, unit)}"
    return f"{name_text(name)}: {value_text(value)}"


def name_text(name: str) -> str:
    """Format the name of a setting."""
    return name.replace("_", " ")


def value_text(value: object) -> str:
    """Format a value that has no unit; None is a limit that is not set, or a thing that is not there."""
    match value:
        case None:
            return "off"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case tuple() | list():
            return ", ".join(map(str, value))
        case {"code": code, "at": at}:  # of a root
            return f"{code} at {at}" if at else str(code)
    return str(value)
