"""Traces: the requests of a night, each with its time. The same trace is sent to every variant."""

from __future__ import annotations

import errno
import hashlib
import json
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from pydantic import FiniteFloat, TypeAdapter, ValidationError

from testbed.errors import ScenarioError, TestbedError, UsageError
from testbed.plan import given_file
from testbed.plan.clock import clock_text
from testbed.plan.topology import TRANSACTIONS

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from testbed.plan.scenario import Scenario


FORMAT = 1
MOST_MISTAKES = 1_000  # of which twenty are told
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # no mistake of whoever gave the file


@dataclass(frozen=True, slots=True)
class TraceRequest:
    """A passenger's transaction; `due_night_s` in seconds of the night, `date` ISO, `origin` and `destination` airports."""

    id: int
    due_night_s: FiniteFloat
    caller: str
    transaction: str
    passenger: str
    date: str
    carrier: str
    flight: int
    origin: str
    destination: str


FIELDS = tuple(field.name for field in fields(TraceRequest))
VALUES = attrgetter(*FIELDS)


@dataclass(frozen=True, slots=True)
class TraceHeader:
    """The first line of a trace file: its format, where it came from, and the checksum of the lines that follow."""

    trace: int
    scenario: str
    seed: int
    rate_per_minute: float
    requests: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Trace:
    """The requests of a night, in the order in which they are due."""

    header: TraceHeader
    requests: tuple[TraceRequest, ...]


def header_of(scenario: Scenario, requests: Sequence[TraceRequest]) -> TraceHeader:
    """Return the header of a trace of these requests."""
    workload = scenario.workload
    return TraceHeader(FORMAT, scenario.name, workload.seed, workload.rate_per_minute, len(requests), _checksum(_lines(requests)))


def _lines(requests: Sequence[TraceRequest]) -> list[str]:
    # Not `asdict`: it copies what cannot change, and a night may have hundreds of thousands of requests.
    return [json.dumps(dict(zip(FIELDS, VALUES(request), strict=True))) for request in requests]


def _checksum(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write(trace: Trace, path: Path) -> None:
    """Write a trace file: a header line, then a line for each request. Raises UsageError if it cannot be; TestbedError: a full disk."""
    lines = [json.dumps(asdict(trace.header)), *_lines(trace.requests)]
    try:
        with given_file.open_to_write(path) as file:
            file.write("\n".join(lines) + "\n")
    except OSError as error:
        kind = TestbedError if error.errno in FULL else UsageError
        raise kind(f"the trace cannot be written to {path}: {error.strerror}; give another file") from error


def read(path: Path, scenario: Scenario) -> Trace:
    """Read a trace file for a scenario; raises ScenarioError with every mistake, by line.

    Its requests must lie in the scenario's night and go to callers of its facility. After `MOST_MISTAKES` the rest is not read. A trace is
    a regular file of at most 4 GiB, which is read line by line.
    """
    mistakes: list[str] = []
    with closing(_read_lines(path)) as lines:
        header = _decoded(TypeAdapter(TraceHeader), next(lines, ""), 1, mistakes)
        adapter = TypeAdapter(TraceRequest)
        requests: list[TraceRequest] = []
        line_of: dict[int, int] = {}
        checksum, separator = hashlib.sha256(), ""
        for number, line in enumerate(lines, start=2):
            checksum.update(f"{separator}{line}".encode())  # as `_checksum` joins them
            separator = "\n"
            request = _decoded(adapter, line, number, mistakes)
            if len(mistakes) >= MOST_MISTAKES:
                break
            if request is None:
                continue
            requests.append(request)
            mistakes += [f"line {number}: {mistake}" for mistake in _misfits(request, scenario)]
            if (first := line_of.setdefault(request.id, number)) != number:
                mistakes.append(f"line {number}: id: found {request.id}, which line {first} has; allowed: an id of its own")
    if header is not None and header.trace != FORMAT:
        mistakes.append(f"line 1: trace: found format {header.trace}; allowed: {FORMAT}; make the trace again with `testbed trace`")
    if not mistakes and header is not None and header.sha256 != checksum.hexdigest():
        mistakes.append("sha256: the lines do not match the checksum of the header; make the trace again with `testbed trace`")
    if header is None or mistakes:
        raise ScenarioError(str(path), tuple(mistakes))
    return Trace(header, tuple(sorted(requests, key=lambda request: request.due_night_s)))


def _read_lines(path: Path) -> Generator[str, None, None]:
    """Yield the lines of a trace; raises ScenarioError when it cannot be read."""
    try:
        for line in given_file.lines(path):
            yield line.decode().rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise ScenarioError(str(path), (f"cannot be read: {getattr(error, 'strerror', None) or error}",)) from error


def _decoded(adapter: TypeAdapter[Any], line: str, number: int, mistakes: list[str]) -> Any:
    try:
        return adapter.validate_json(line, strict=True)
    except ValidationError as error:
        mistakes += [f"line {number}: {'.'.join(map(str, detail['loc'])) or 'line'}: {detail['msg']}" for detail in error.errors()]
        return None


def _misfits(request: TraceRequest, scenario: Scenario) -> list[str]:
    """Return what in a request does not fit the scenario."""
    night = scenario.night
    misfits = []
    if not night.from_s <= request.due_night_s <= night.to_s:
        misfits.append(f"due_night_s: {clock_text(request.due_night_s)} is not in the night; allowed: {night.from_} to {night.to}")
    if request.caller not in scenario.facility.callers:
        misfits.append(f"caller: found {request.caller!r}; allowed: {', '.join(scenario.facility.callers)}")
    elif request.transaction not in TRANSACTIONS[request.caller]:
        misfits.append(f"transaction: found {request.transaction!r}; allowed: {', '.join(TRANSACTIONS[request.caller])}")
    return misfits
