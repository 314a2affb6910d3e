"""From a word and its parameters to a fault that a pair can carry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from testbed import faults
from testbed.errors import UsageError
from testbed.plan.decoding import found_text, suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.facility.facility import ActiveFault
    from testbed.replay.actions import Fault

# What needs more than a pair has: application servers, callers, balancers, disks, a kernel's firewall, or users of the flights.
NEED_MORE = ("backlog_full", "balancer_loss", "burst", "caller_restart", "disk_full", "packet_loss", "rack_loss", "slow_database")


def known() -> tuple[str, ...]:
    """Return the words of the faults that a pair can carry."""
    return tuple(word for word in faults.names() if word not in NEED_MORE)


def decode(word: str, parameters: Mapping[str, object]) -> Fault:
    """Return the fault of a word with these parameters; raises UsageError, which names what was found and what is allowed."""
    if word not in known():
        why = "it needs more than a database pair" if word in NEED_MORE else "there is no such fault"
        raise UsageError(f"found the fault {word!r}: {why}{suggestion(word, known())}; allowed: {', '.join(known())}")
    fault = faults.load(word)
    allowed = [name for name in fault.__dataclass_fields__ if name != "link"]
    for name in parameters:
        if name not in allowed:
            raise UsageError(f"{word}: unknown parameter {name!r}{suggestion(name, allowed)}; allowed: {', '.join(allowed) or 'none'}")
    try:
        return TypeAdapter(fault).validate_python(dict(parameters))
    except ValidationError as error:
        raise UsageError("; ".join(_mistake(word, dict(found)) for found in error.errors())) from error


def _mistake(word: str, found: Mapping[str, Any]) -> str:
    return f"{word}.{'.'.join(map(str, found['loc']))}: found {found_text(found['input'])}; {found['msg']}"


def require_room(word: str, active: list[ActiveFault]) -> None:
    """Raise UsageError where a fault cannot begin beside those that are active: nothing would show that it took effect."""
    for before in active:
        if before.word == word:
            raise UsageError(f"{word} is active already; allowed: one after the other")
        if getattr(getattr(before.heal, "__self__", None), "no_answer", False):
            raise UsageError(
                f"{word} cannot begin while {before.word} is active: no answer would show it; allowed: {word} first, or after it"
            )
