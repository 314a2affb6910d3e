"""Asks an application server to log a line, and whether that line was lost (W7)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import requests

from testbed.errors import FacilityError

if TYPE_CHECKING:
    from testbed.facility.address import Address

WITHIN_S = 5.0


async def ask_to_log(server: str, address: Address) -> str:
    """Return why a server lost a line that it was asked over HTTP to log, or `""`; raises FacilityError when it does not answer."""

    def ask() -> str:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(f"{address.url}/admin/log", timeout=WITHIN_S)
            answer.raise_for_status()
            return str(answer.json()["lost"])

    try:
        return await asyncio.to_thread(ask)
    except (requests.RequestException, ValueError, KeyError) as error:
        raise FacilityError(f"{server} does not answer whether it can log: {error}") from error
