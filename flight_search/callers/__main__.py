"""Starts a caller: `python -m flight_search.callers`, with its settings in the environment (settings.py)."""

from __future__ import annotations

import sys

from flight_search import http_service
from flight_search.callers.app import create_app
from flight_search.settings import CallerSettings, SettingsError, from_environment


def main() -> int:
    """Serve until a signal ends the process; return exit code 2 for wrong settings, 3 for a port that is taken."""
    try:
        settings = from_environment(CallerSettings)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    http_service.serve(create_app(settings), settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
