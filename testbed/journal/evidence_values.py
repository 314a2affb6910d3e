"""The types of single values in evidence: each refuses what no part of a facility could have told, and what its readers could not bear."""

from __future__ import annotations

import ast
import math
import re
import textwrap
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from testbed.journal.thread_states import CHECKOUT, DATABASE, HTTP_CONNECTION, IDLE, LOCK, RUNNING, SOCKET

MOST_COUNT, MOST_ID, MOST_SECONDS = 2**31 - 1, 2**64 - 1, 1e9
LINE_DIGITS = 9
LONG_LINE = re.compile(rf":\d{{{LINE_DIGITS + 1},}} ")
STATES = (CHECKOUT, DATABASE, HTTP_CONNECTION, IDLE, LOCK, RUNNING, SOCKET)
SET_BACK_S = 60.0  # by which the clock of a database's host may be set back while it is asked


def _call(text: str) -> str:
    if LONG_LINE.search(text):
        raise ValueError(f"allowed: a line's number of at most {LINE_DIGITS} digits")
    return text


def _code(text: str) -> str:
    """Return the source of a function; what is no Python is no mistake, as its file may have changed, but nobody could look at this."""
    try:
        ast.parse(textwrap.dedent(text))
    except SyntaxError:
        return text
    except (RecursionError, MemoryError, ValueError) as error:  # ValueError: a null character, in some versions of Python
        raise ValueError(f"allowed: the source of a function, not what cannot be parsed: {error}") from error
    return text


def _state(text: str) -> str:
    if text not in STATES:
        raise ValueError(f"allowed: {', '.join(STATES)}")
    return text


def _settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a service; raises ValueError for one that is looked at and is of another type."""
    for name, value in settings.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name} is {value}; allowed: finite numbers")
    for name in ("call_read_timeout_s", "call_deadline_s"):
        limit_s = settings.get(name)
        if limit_s is not None and (isinstance(limit_s, bool) or not isinstance(limit_s, int | float) or limit_s < 0):
            raise ValueError(f"{name} is {limit_s!r}; allowed: a number of seconds, and null")
    database = settings.get("database")
    if database is not None and not isinstance(database, str):
        raise ValueError(f"database is {database!r}; allowed: text, and null")
    urls = settings.get("flight_search_urls", [])
    if not isinstance(urls, list | tuple) or not all(isinstance(url, str) and _is_url(url) for url in urls):
        raise ValueError(f"flight_search_urls is {urls!r}; allowed: a list of URLs such as http://127.0.0.1:8080")
    return settings


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


Count = Annotated[int, Field(ge=0, le=MOST_COUNT)]
Overflow = Annotated[int, Field(ge=-1, le=MOST_COUNT)]  # -1: without a limit
Id = Annotated[int, Field(ge=0, le=MOST_ID)]  # of a process, a thread, or a connection; 0: none
Seconds = Annotated[float, Field(ge=0, le=MOST_SECONDS, allow_inf_nan=False)]
ReportedSeconds = Annotated[float, Field(ge=-SET_BACK_S, le=MOST_SECONDS, allow_inf_nan=False)]  # by a database's own clock
Call = Annotated[str, AfterValidator(_call)]  # such as `lookup/original.py:18 lookup_by_city`
Code = Annotated[str, AfterValidator(_code)]
State = Annotated[str, AfterValidator(_state)]
ServiceSettings = Annotated[dict[str, Any], AfterValidator(_settings)]
WaitKind = Literal["", "running", "socket", "lock", "pool", "sleep", "process", "file", "unknown"]
