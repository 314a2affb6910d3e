"""Builders of the facility of one replay: the protocols that every backend's builder fulfils."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from testbed.facility.facility import Facility


class FacilityBuilder(Protocol):
    """Builds the facility of one replay."""

    async def build(self) -> Facility:
        """Start everything; return the facility when its services are ready."""

    async def tear_down(self) -> None:
        """Stop everything that `build` started, also when it failed half way."""


class Builder(FacilityBuilder, Protocol):
    """A builder that can begin before it is asked for the facility."""

    def begin(self) -> None:
        """Start to build; `build` then waits for the rest."""
