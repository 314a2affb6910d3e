"""The remote stub: a flight search that looks local and sends HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import EmptyPoolError, NewConnectionError

from flight_search.callers.connections import BoundedAdapter
from flight_search.callers.declared_call import DeclaredCall
from flight_search.callers.patterns_chain import patterns_chain
from flight_search.callers.round_robin import CHECK_TIMEOUT_S, RoundRobin
from flight_search.callers.seeded_leaks import SeededLeaks
from flight_search.declared_requests import DeclaredHealth
from flight_search.request_context import ATTEMPT, CALLER
from flight_search.stability import call_deadline, deadline
from flight_search.stability.call import Call, FacilityAnswer, FacilityFailed, FacilityTimedOut, NoSuchFlight

if TYPE_CHECKING:
    from flight_search.callers.passenger import Passenger
    from flight_search.settings import CallerSettings


@dataclass(frozen=True, slots=True)
class FoundFlights:
    """The flights that a lookup found; `age_s` is the age of a cached answer, None for one fetched just now."""

    flights: list[dict[str, Any]]
    age_s: float | None = None

    def flight_of(self, passenger: Passenger) -> dict[str, Any]:
        """Return the passenger's own flight; raise NoSuchFlight if it is not among them."""
        for flight in self.flights:
            if (flight["carrier"], flight["flight"]) == (passenger.carrier, passenger.flight):
                return flight
        raise NoSuchFlight(
            f"{passenger.carrier} {passenger.flight} does not go from {passenger.origin} to {passenger.destination} on {passenger.date}"
        )


@dataclass(frozen=True, slots=True)
class FlightStatus:
    """A flight's status and scheduled departure; `age_s` is the age of a cached answer, None for one fetched just now."""

    status: str
    departure: str
    age_s: float | None = None


class RemoteFlightSearch:
    """The facility's flight search, called as if it were local. Thread-safe. Raises FacilityFailed, FacilityTimedOut and NoSuchFlight.

    Calls go to application servers (or balancers) in turn, and past addresses where nothing listens. `round_robin`, as a context
    manager, also leaves out servers whose health is red, if `health_check_every_s` is set. Each call goes through the stability
    patterns that the settings turn on (`patterns_chain.py`); by default, none. `circuit_breaker` and `retry_budget` are those among them,
    or None.
    `connections`: the table of its connections, where there are only so many; None otherwise.
    """

    def __init__(self, settings: CallerSettings) -> None:
        # This is the hole that the crack goes through: `requests` has no time-out unless it is given one, and nobody who reads
        # `flights.lookup_by_city(…)` would think of giving it one. A call waits for as long as the other side likes (O6, S3).
        self._timeout = (settings.call_connect_timeout_s, settings.call_read_timeout_s)
        urls, self._name = settings.flight_search_urls, settings.name
        adapter = HTTPAdapter(pool_connections=len(urls), pool_maxsize=settings.request_threads)
        if settings.call_connections is not None:
            adapter = BoundedAdapter(len(urls), settings.call_connections)
        self.connections = adapter.table if isinstance(adapter, BoundedAdapter) else None
        if settings.call_deadline_s is not None:
            call_deadline.bind(adapter)
        self._session = _session(adapter)
        chain = patterns_chain(self._send, settings)
        self._call, self.circuit_breaker, self.retry_budget = chain.send, chain.circuit_breaker, chain.retry_budget
        checked = settings.health_check_every_s
        health = None
        if settings.declared_requests is not None:
            health = settings.declared_requests.health
            checked = None if health is None else checked  # nobody knows how such a service is
        self.round_robin = RoundRobin(urls, checked, _HealthCheck(len(urls), health))
        self._leaks = SeededLeaks(self._session, self.round_robin, settings.leak_connection_every)

    def lookup_by_city(self, origin: str, destination: str, date: str) -> FoundFlights:
        """Look up the flights between two cities or airports on a date."""
        answer = self._call(Call("lookup_by_city", "/flights", params=(("from", origin), ("to", destination), ("date", date))))
        self._leaks.after_lookup()
        return FoundFlights(answer.content["flights"], answer.age_s)

    def flight_status(self, passenger: Passenger) -> FlightStatus:
        """Ask for the status of the passenger's flight."""
        answer = self._call(Call("flight_status", f"/flights/{passenger.date}/{passenger.carrier}/{passenger.flight}"))
        return FlightStatus(answer.content["status"], answer.content["scheduled_departure"], answer.age_s)

    def check_in(self, passenger: Passenger) -> int:
        """Check the passenger in; return the sequence number."""
        return int(self._call(Call("check_in", "/check-ins", body=_body(passenger))).content["sequence"])

    def book(self, passenger: Passenger) -> int:
        """Book the flight for the passenger; return the booking reference."""
        return int(self._call(Call("book", "/bookings", body=_body(passenger), key=passenger.request)).content["reference"])

    def ask(self, call: DeclaredCall) -> FacilityAnswer:
        """Send the request that was declared for a transaction, to a service that is not this one."""
        return self._call(call)

    def _send(self, call: Call) -> FacilityAnswer:
        response = self._respond(call)
        if isinstance(call, DeclaredCall):
            return call.read(response)
        if response.status_code == requests.codes.not_found:
            raise NoSuchFlight(response.text)
        if not response.ok:
            raise FacilityFailed(f"{response.url}: {response.status_code}: {response.text[:300]}")
        try:
            return FacilityAnswer(response.json())
        except requests.JSONDecodeError as error:  # cut off within its headers, an answer has no length that would tell
            raise FacilityFailed(f"{response.url}: {response.status_code}, but the answer was cut off, or is no JSON: {error}") from error

    def _respond(self, call: Call) -> requests.Response:
        headers = {CALLER: self._name, ATTEMPT: str(call.attempt), **deadline.header()}
        if call.key is not None:
            headers["Idempotency-Key"] = call.key
        data = None
        if isinstance(call, DeclaredCall):
            headers |= dict(call.headers)
            data = None if call.text is None else call.text.encode()
        refused, url = None, ""
        for base in self.round_robin.in_turn():
            url = base + call.path
            if deadline.is_over():
                raise FacilityTimedOut(f"{url}: not called, the deadline of the call is over") from refused
            try:
                return self._session.request(
                    call.method, url, params=call.params, json=call.body, data=data, headers=headers, timeout=self._timeout
                )
            except (requests.Timeout, EmptyPoolError) as error:
                raise FacilityTimedOut(f"{url}: {error}") from error
            except requests.RequestException as error:
                # No connection was made, so nothing was sent: try the next address, or losing one of two balancers would cost half of
                # all calls. A request that was sent is never sent again here: the facility may have done it.
                if not _is_refused(error):
                    raise FacilityFailed(f"{url}: {error}") from error
                refused = error
        raise FacilityFailed(f"{url}: {refused}") from refused


class _HealthCheck:
    """Checks the health of a base URL. It has connections of its own: those for calls may all be in use, and hang."""

    def __init__(self, urls: int, declared: DeclaredHealth | None) -> None:
        self._session = _session(HTTPAdapter(pool_connections=urls))
        self._health = declared or DeclaredHealth(method="GET", path="/health", status=(200,))

    def __call__(self, url: str) -> bool:
        health = self._health
        try:
            return bool(self._session.request(health.method, url + health.path, timeout=CHECK_TIMEOUT_S).status_code in health.status)
        except requests.RequestException:
            return False


def _session(adapter: HTTPAdapter) -> requests.Session:
    session = requests.Session()
    session.mount("http://", adapter)
    session.trust_env = False  # no proxy from the environment may stand between a caller and the facility
    return session


def _is_refused(error: requests.RequestException) -> bool:
    """Return whether no connection was made, so that nothing of the request was sent."""
    return isinstance(getattr(error.args[0] if error.args else None, "reason", None), NewConnectionError)


def _body(passenger: Passenger) -> dict[str, object]:
    return {
        "passenger": passenger.passenger,
        "date": passenger.date,
        "carrier": passenger.carrier,
        "flight": passenger.flight,
    }
