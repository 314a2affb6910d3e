"""A call to a service that is not this one: the request that was declared for a transaction, with a passenger's values in it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flight_search.stability.call import Call, FacilityAnswer, FacilityFailed, NoSuchFlight

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import requests

    from flight_search.callers.passenger import Passenger
    from flight_search.declared_requests import DeclaredRequest

FIELD = re.compile(r"\{\{([A-Za-z_]\w*)\}\}|\{([A-Za-z_]\w*)\}")  # `{{name}}` is the text `{name}` itself
MOST_CHARACTERS = 300  # of an answer that is told in an error
FIRST_OK, LAST_OK = 200, 299
OF_PASSENGER = ("passenger", "date", "carrier", "flight", "origin", "destination", "request")


@dataclass(frozen=True, slots=True)
class DeclaredCall(Call):
    """A call with the passenger's values in it: its method, its body as it is sent, and how its answers are read."""

    verb: str = "GET"
    text: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    declared: DeclaredRequest | None = field(default=None, compare=False)

    @property
    def is_read(self) -> bool:
        """Whether the call only reads."""
        return self.verb == "GET"

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.verb

    def read(self, response: requests.Response) -> FacilityAnswer:
        """Return the answer; raise NoSuchFlight for a refusal, and FacilityFailed for everything that was not declared to be one."""
        declared = self.declared
        assert declared is not None
        told = f"{response.url}: {response.status_code}: {response.text[:MOST_CHARACTERS]}"
        if response.status_code in declared.refused:
            raise NoSuchFlight(told)
        answered = declared.answered
        if not (FIRST_OK <= response.status_code <= LAST_OK if answered is None else response.status_code in answered):
            raise FacilityFailed(told)
        if declared.answered_field is not None and not _has(response, declared.answered_field):
            raise FacilityFailed(f"{told} (without the field {declared.answered_field} that an answer must have)")
        return FacilityAnswer({})


def call_of(name: str, declared: DeclaredRequest, passenger: Passenger) -> DeclaredCall:
    """Return the call of a transaction for a passenger. In a path, what a URL gives a meaning is quoted."""
    values = {key: getattr(passenger, key) for key in OF_PASSENGER}
    headers = {key: _filled(value, values) for key, value in declared.headers.items()}
    text = None
    if isinstance(declared.body, str):
        text = _filled(declared.body, values)
    elif declared.body is not None:
        text = json.dumps(_filled_table(declared.body, values))
        headers = {"Content-Type": "application/json", **headers}
    path = _filled(declared.path, values, partial(quote, safe=""))
    return DeclaredCall(name, path, verb=declared.method, text=text, headers=tuple(headers.items()), declared=declared)


def _filled(text: str, values: Mapping[str, object], quoted: Callable[[str], str] = str) -> str:
    return FIELD.sub(lambda found: f"{{{found[1]}}}" if found[1] else quoted(str(values[found[2]])), text)


def _filled_table(value: Any, values: Mapping[str, object]) -> Any:
    """Fill each text in a table or list; one that is a single template gets the value itself: a flight is a number."""
    if isinstance(value, str):
        whole = FIELD.fullmatch(value)
        return values[whole[2]] if whole is not None and whole[2] else _filled(value, values)
    if isinstance(value, dict):
        return {name: _filled_table(inner, values) for name, inner in value.items()}
    return [_filled_table(inner, values) for inner in value] if isinstance(value, list) else value


def _has(response: requests.Response, path: str) -> bool:
    """Whether an answer is JSON with something at a path such as `flights.0`; null is nothing."""
    try:
        value = response.json()
        for part in path.split("."):
            value = value[int(part)] if isinstance(value, list) else value[part]
    except (ValueError, LookupError, TypeError):
        return False
    return value is not None
