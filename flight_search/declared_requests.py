"""What to send to a service in the place of this one, as whoever has it declared it: a caller's setting, in JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, JsonValue


class DeclaredHealth(BaseModel):
    """The request by which the service says how it is, and the statuses that say well."""

    method: Literal["GET", "POST", "HEAD"]
    path: str
    status: tuple[int, ...]


class DeclaredRequest(BaseModel):
    """The request of a transaction, in which `{flight}` and the like stand for the passenger's; what of its answers is one.

    `answered`: statuses; None: every one from 200 to 299. `answered_field`: the path of a field that the answer must have, as JSON.
    `refused`: statuses by which the service says no, and is well.
    """

    method: str
    path: str
    headers: dict[str, str] = {}
    body: dict[str, JsonValue] | str | None = None
    answered: tuple[int, ...] | None = None
    answered_field: str | None = None
    refused: tuple[int, ...] = ()


class Declared(BaseModel):
    """What was declared of a service: the request of each transaction, and that of its health (None: it has none)."""

    requests: dict[str, DeclaredRequest]
    health: DeclaredHealth | None = None
