"""The remote stub: a flight search that looks local and sends HTTP."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flight_search.callers import Passenger
    from flight_search.settings import CallerSettings


class FacilityFailed(Exception):  # noqa: N818 - named for what happened
    """The facility answered with an error, or the connection to it failed; the message has its own words."""


class FacilityTimedOut(FacilityFailed):
    """The facility did not answer within the call's time-out."""


class NoSuchFlight(Exception):  # noqa: N818 - named for what happened
    """The facility does not know the passenger's flight, or one of its places."""


class RemoteFlightSearch:
    """The facility's flight search, called as if it were here. Thread-safe.

    Application servers (or balancers) are taken in turn, past those where nobody listens.
    Raises FacilityFailed, FacilityTimedOut and NoSuchFlight.
    """

    def __init__(self, settings: CallerSettings) -> None:
        # This is the hole that the crack goes through: `requests` has no time-out unless it is given one, and nobody who reads
        # `flights.lookup_by_city(…)` would think of giving it one. A call waits for as long as the other side likes (O6, S3).
        self._timeout = (settings.call_connect_timeout_s, settings.call_read_timeout_s)
        self._urls = settings.flight_search_urls
        self._turn = itertools.count()  # its next() is atomic in CPython: no lock is needed
        self._session = requests.Session()
        self._session.mount("http://", HTTPAdapter(pool_connections=len(self._urls), pool_maxsize=settings.request_threads))
        self._session.trust_env = False  # no proxy of the environment stands between a caller and the facility

    def lookup_by_city(self, origin: str, destination: str, date: str) -> list[dict[str, Any]]:
        """Look up the flights between two cities or airports on a date."""
        answer = self._call("GET", "/flights", params={"from": origin, "to": destination, "date": date})
        flights: list[dict[str, Any]] = answer["flights"]
        return flights

    def flight_status(self, passenger: Passenger) -> dict[str, Any]:
        """Ask for the status of the passenger's flight."""
        return self._call("GET", f"/flights/{passenger.date}/{passenger.carrier}/{passenger.flight}")

    def check_in(self, passenger: Passenger) -> int:
        """Check the passenger in; gives the sequence."""
        return int(self._call("POST", "/check-ins", json=_body(passenger))["sequence"])

    def book(self, passenger: Passenger) -> int:
        """Book the flight for the passenger; gives the reference."""
        return int(self._call("POST", "/bookings", json=_body(passenger))["reference"])

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Mapping[str, object] | None = None,
    ) -> dict[str, Any]:
        # One turn a call, and round from there: were every try a turn of its own, two calls at once could each be given the dead one twice.
        turn = next(self._turn)
        for left in reversed(range(len(self._urls))):
            url = self._urls[(turn - left) % len(self._urls)] + path
            try:
                response = self._session.request(method, url, params=params, json=json, timeout=self._timeout)
            except requests.Timeout as error:
                raise FacilityTimedOut(f"{url}: {error}") from error
            except requests.RequestException as error:
                # Nobody there, so nothing was sent: the next in turn is asked, or losing one of two balancers would cost half of all
                # calls. Whatever was sent is never sent again: it may have been done.
                if left and _is_refused(error):
                    continue
                raise FacilityFailed(f"{url}: {error}") from error
            break
        if response.status_code == requests.codes.not_found:
            raise NoSuchFlight(response.text)
        if not response.ok:
            raise FacilityFailed(f"{url}: {response.status_code}: {response.text[:300]}")
        answer: dict[str, Any] = response.json()
        return answer


def _is_refused(error: requests.RequestException) -> bool:
    """Whether no connection was made, so that nothing of the request has left."""
    return isinstance(getattr(error.args[0] if error.args else None, "reason", None), NewConnectionError)


def _body(passenger: Passenger) -> dict[str, object]:
    return {
        "passenger": passenger.passenger,
        "date": passenger.date,
        "carrier": passenger.carrier,
        "flight": passenger.flight,
    }


def find_own(flights: list[dict[str, Any]], passenger: Passenger) -> dict[str, Any]:
    """Find the passenger's own flight among those looked up; raises NoSuchFlight when it is not there."""
    for flight in flights:
        if (flight["carrier"], flight["flight"]) == (passenger.carrier, passenger.flight):
            return flight
    raise NoSuchFlight(
        f"{passenger.carrier} {passenger.flight} does not go from {passenger.origin} to {passenger.destination} on {passenger.date}"
    )
