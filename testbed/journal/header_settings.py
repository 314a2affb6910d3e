"""The settings of the variant, from a journal's header."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import ValidationError

from testbed.plan.settings import Settings

if TYPE_CHECKING:
    from testbed.journal.reader import Journal


def settings_of(journal: Journal) -> Settings:
    """Return the settings; those of the code that failed where the header has none, or some that there are not any more."""
    try:
        return Settings.model_validate_json(json.dumps(journal.header.settings))
    except ValidationError:
        return Settings()


def pool_limit(journal: Journal) -> float:
    """Return how many connections a pool may open, with its overflow; infinity without a limit."""
    return journal.header.facility.pool_size + settings_of(journal).application_server.overflow


def connections(journal: Journal) -> float:
    """Return how many connections all pools together may open; infinity without a limit."""
    return pool_limit(journal) * len(journal.header.facility.application_servers)
