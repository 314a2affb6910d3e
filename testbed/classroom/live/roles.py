"""The roles of a class, and what each may do. Who plays all of them is a class of one."""

from __future__ import annotations

from typing import Literal, get_args

ClassRole = Literal["commander", "operator", "owner", "database"]
Role = Literal["trainer", "commander", "operator", "owner", "database"]
CLASS_ROLES: tuple[ClassRole, ...] = get_args(ClassRole)
TRAINER: Role = "trainer"

# By the word of an order, whose it is. The trainer may do everything, and whoever has come may join.
ORDERS: dict[str, tuple[Role, ...]] = {
    "begin": (TRAINER,),
    "pause": (TRAINER,),
    "go_on": (TRAINER,),
    "step": (TRAINER,),
    "speed": (TRAINER,),
    "reveal": (TRAINER,),
    "end": (TRAINER,),
    "switchover": ("operator",),
    "next_step": ("operator",),
    "restart": ("operator",),
    "collect": ("operator", "commander"),
    "health": ("owner",),
    "metrics": ("owner",),
    "dump": ("owner",),
    "code": ("owner",),
    "sessions": ("database",),
    "locks": ("database",),
    "decide": ("commander",),
    "note": ("commander", "operator"),
    "answer": ("commander",),
    "prevent": ("commander",),
}


def may(order: str, roles: frozenset[Role]) -> bool:
    """Return whether somebody with these roles may give an order."""
    return order == "join" or TRAINER in roles or not roles.isdisjoint(ORDERS[order])


def orders_of(role: Role) -> tuple[str, ...]:
    """Return what a role may order, beside `join`."""
    return tuple(order for order in ORDERS if may(order, frozenset({role})))
