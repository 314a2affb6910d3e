"""What a section of the page is: a function of the judged nights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.report.html.judged import JudgedNight
    from testbed.report.html.markup import Markup


@dataclass(frozen=True, slots=True)
class Fragment:
    """A section: its anchor, its heading, and the HTML below it."""

    anchor: str
    title: str
    body: Markup


class Section(Protocol):
    """Makes a section of the page; a pure function."""

    def __call__(self, nights: Sequence[JudgedNight]) -> Fragment | None:
        """Return the section; None where these nights have nothing to tell in it."""
