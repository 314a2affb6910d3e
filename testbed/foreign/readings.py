"""Reads what a service that is not ours tells of its pool and its threads: Prometheus' text or JSON, by the names that its table gives.

Nothing is believed that is not there: a number that is missing, cannot be, or is too old is unknown, with a reason.
"""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from testbed.errors import bounded
from testbed.foreign.metric_name import MetricName
from testbed.journal.events import REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.facility.address import Address
    from testbed.plan.service import Readings

WITHIN_S = 2.0  # as of all monitoring: a later answer counts as none
MOST_BYTES = 4 << 20  # of an answer; a big service of Java's has 0.2 MB
MOST_COUNT = 10_000_000  # of connections, threads or requests: more is no count
OLD_S = 10.0  # a number with a time of its own that is older is not of this moment
NAMES = ("pool_size", "pool_in", "pool_out", "pool_waiting", "request_threads", "busy", "waiting")
NOT_GIVEN = "the service's table gives no name for it"


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a service told at one moment, by the names of its table; and of what it did not tell, why (`unknown`).

    `error` says why there is nothing at all: no answer, no answer in time, one that is too long.
    """

    numbers: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    error: str = ""

    def of(self, name: str) -> int | None:
        """Return a number; None where it is unknown."""
        return self.numbers.get(name)


async def read(readings: Readings, address: Address, wall_s: float, within_s: float = WITHIN_S) -> Numbers:
    """Ask a service, on a connection of its own, and return its numbers; `wall_s`: the time in seconds since the epoch.

    Nothing is raised for what the service does: an answer that does not come in `within_s`, or never ends, gives an error.
    """
    try:
        async with asyncio.timeout(within_s):
            text = await _ask(f"{address.url}{readings.path}")
    except TimeoutError:
        return nothing(f"{readings.path}: no answer within {within_s:g} s")
    except aiohttp.ClientConnectorError as error:
        return nothing(REFUSED if isinstance(error.os_error, ConnectionRefusedError) else str(error))
    except (aiohttp.ClientError, _AnswerError) as error:
        return nothing(bounded(f"{readings.path}: {error or type(error).__name__}"))
    return parse(readings, text, wall_s)


def nothing(error: str) -> Numbers:
    """Return that nothing was told, and why."""
    return Numbers(unknown=dict.fromkeys(NAMES, error), error=error)


def parse(readings: Readings, text: str, wall_s: float) -> Numbers:
    """Return the numbers in an answer."""
    try:
        found = (_in_prometheus if readings.format == "prometheus" else _in_json)(text, wall_s)
    except (ValueError, KeyError, OverflowError, RecursionError) as error:
        return nothing(bounded(f"{readings.path}: the answer is not in the format {readings.format}: {error}"))
    numbers: dict[str, int] = {}
    unknown: dict[str, str] = {}
    for name in NAMES:
        given = getattr(readings, name)
        try:
            if given is None:
                raise _AnswerError(NOT_GIVEN)
            numbers[name] = _count(found(given))
        except _AnswerError as error:
            unknown[name] = bounded(f"{given}: {error}" if given else str(error))
    _compare(numbers, unknown)
    return Numbers(numbers, unknown)


class _AnswerError(Exception):
    """Why an answer, or a number of it, is unknown."""


async def _ask(url: str) -> str:
    """Return the text of an answer; its connection is its own, because one that is kept takes a thread of many a service."""
    timeout = aiohttp.ClientTimeout(total=None)  # whoever asks has a bound
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True), timeout=timeout) as session,
        session.get(url, headers={"Accept": "text/plain, application/json;q=0.9, */*;q=0.1"}) as answer,
    ):
        if answer.status != HTTPStatus.OK:
            raise _AnswerError(f"status {answer.status}")
        body = bytearray()
        async for part in answer.content.iter_any():
            body += part
            if len(body) > MOST_BYTES:
                raise _AnswerError(f"more than {MOST_BYTES} bytes")
        return body.decode(errors="replace")


def _in_prometheus(text: str, wall_s: float) -> Callable[[str], float]:
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def find(given: str) -> float:
        try:
            name = MetricName.parse(given)
        except ValueError as error:
            raise _AnswerError(str(error)) from error
        fitting = [sample for sample in samples if name.fits(sample.name, sample.labels)]
        if not fitting:
            raise _AnswerError("the metrics do not have it")
        for sample in fitting:
            if sample.timestamp is not None and wall_s - float(sample.timestamp) > OLD_S:
                raise _AnswerError(f"{wall_s - float(sample.timestamp):.0f} s old")
            _count(sample.value)  # in a sum, one that is negative would hide in the others
        return math.fsum(sample.value for sample in fitting)

    return find


def _in_json(text: str, wall_s: float) -> Callable[[str], float]:  # noqa: ARG001 - JSON has no times
    whole = json.loads(text)

    def find(given: str) -> float:
        value: Any = whole
        for step in given.split("."):
            if isinstance(value, dict) and step in value:
                value = value[step]
            elif isinstance(value, list) and step.isascii() and step.isdecimal() and int(step[:9]) < len(value):
                value = value[int(step[:9])]
            else:
                raise _AnswerError(f"the answer has no {step!r}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _AnswerError(f"{json.dumps(value)[:100]} is no number")
        return value

    return find


def _count(value: float) -> int:
    """Return a number as a count; raises _AnswerError for one that is none."""
    if math.isnan(value):
        raise _AnswerError("not a number (NaN)")
    if value < 0:
        raise _AnswerError(f"{value:g} is negative")
    if value > MOST_COUNT:
        raise _AnswerError(f"{value:g} is more than there can be")
    if value != int(value):
        raise _AnswerError(f"{value:g} is no whole number")
    return int(value)


def _compare(numbers: dict[str, int], unknown: dict[str, str]) -> None:
    """Take back what contradicts itself: more threads at work than there are. A pool may have more out than its size, by its overflow."""
    if (busy := numbers.get("busy", 0)) > (threads := numbers.get("request_threads", busy)):
        for name in ("busy", "request_threads"):
            del numbers[name]
            unknown[name] = f"{busy} busy of {threads} threads cannot be"
