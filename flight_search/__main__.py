"""Starts an application server: `python -m flight_search`, with its settings in the environment (`settings.py`)."""

from __future__ import annotations

import sys

import psycopg

from flight_search import http_service
from flight_search.app import create_app
from flight_search.datasource import MonitoredDataSource
from flight_search.settings import ServerSettings, SettingsError, from_environment


def main() -> int:
    """Serve until a signal ends the process; return exit code 2 for wrong settings, 3 if database or port cannot be had."""
    try:
        settings = from_environment(ServerSettings)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    pool = MonitoredDataSource(settings)
    try:
        if settings.pool_fill:
            pool.fill()  # before the first request and the first health check: a service is ready when its pool is
    except psycopg.Error as error:
        sys.stderr.write(f"{settings.name}: no connection within {settings.start_timeout_s:.2f} s: {error}\n")
        return 3
    http_service.serve(create_app(settings, pool), settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
