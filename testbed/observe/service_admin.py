"""Asks a service over HTTP what it is, and an application server who has its connections: `/admin/about` and `/admin/pool`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import aiohttp
from pydantic import TypeAdapter, ValidationError

from testbed.errors import FacilityError
from testbed.journal.evidence import About, PoolTable

if TYPE_CHECKING:
    from testbed.facility.address import Address

Answer = TypeVar("Answer")
_about: TypeAdapter[About] = TypeAdapter(About)
_pool_table: TypeAdapter[PoolTable] = TypeAdapter(PoolTable)


async def about(service: str, address: Address) -> About:
    """Return what a service is; raises FacilityError when it does not say so. It is not bounded: the caller has a bound."""
    return await _read(service, f"{address.url}/admin/about", _about)


async def pool_table(server: str, address: Address) -> PoolTable:
    """Return the pool of an application server, as `about` does."""
    return await _read(server, f"{address.url}/admin/pool", _pool_table)


async def _read(service: str, url: str, adapter: TypeAdapter[Answer]) -> Answer:
    try:
        async with aiohttp.ClientSession() as session, session.get(url, timeout=aiohttp.ClientTimeout(total=None)) as answer:
            answer.raise_for_status()
            return adapter.validate_json(await answer.read())
    except (aiohttp.ClientError, ValidationError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise FacilityError(f"{service} does not answer: {first or type(error).__name__}") from error
