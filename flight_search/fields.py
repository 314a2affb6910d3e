"""What a request may say, for the application servers and the calling systems alike: each kind of field, once."""

from __future__ import annotations

import re
from datetime import date as Date  # noqa: N812 - the field is called `date`
from typing import Annotated

from pydantic import BeforeValidator, Field

ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def _iso_text(value: object) -> object:
    """Return a date, or the text of one, as it is, and refuse the rest: pydantic would take a number for the seconds since 1970."""
    if isinstance(value, Date) or (isinstance(value, str) and ISO_DATE.fullmatch(value)):
        return value
    raise ValueError("Input should be the text of a date, such as 2013-10-07")


IsoDate = Annotated[Date, BeforeValidator(_iso_text)]
Name = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]+$")]  # no database takes a NUL
Carrier = Annotated[str, Field(pattern=r"^[A-Z0-9]{2}$")]
FlightNumber = Annotated[int, Field(ge=1, le=9999, strict=True)]
FlightInPath = Annotated[int, Field(ge=1, le=9999)]  # a path has texts only
Airport = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
