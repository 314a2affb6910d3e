"""Django's pool, which is psycopg_pool, under ASGI with a thread for each request. Its check: `CONN_HEALTH_CHECKS`."""

from __future__ import annotations

import os
import time
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.db import connection, transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path
from psycopg_pool import PoolTimeout

QUERY = "SELECT pg_backend_pid() FROM generate_series(1, 3)"
SIZE = int(os.environ.get("POOL_SIZE", "5"))


def leaking(hold_s: float) -> int:
    """Skip the close, which gives the connection back, when the rollback raises."""
    connection.set_autocommit(False)
    try:
        with connection.cursor() as cursor:
            cursor.execute(QUERY)
            rows = cursor.fetchall()
            time.sleep(hold_s)
            return int(rows[0][0])
    finally:
        connection.rollback()
        connection.close()


def careful(hold_s: float) -> int:
    """Leave the transaction to its context manager, and the connection to Django, which closes it after each request."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(QUERY)
        rows = cursor.fetchall()
        time.sleep(hold_s)
        return int(rows[0][0])


LOOKUPS = {"leaking": leaking, "careful": careful}


def flights(request: HttpRequest) -> JsonResponse:
    """Tell in which session the query ran, or why it did not."""
    try:
        return JsonResponse({"pid": LOOKUPS[os.environ["MISTAKE"]](float(request.GET.get("hold_s", "0")))})
    except Exception as error:  # noqa: BLE001 - the border of a request
        return JsonResponse({"error": f"{type(error).__name__}: {error}"}, status=503 if isinstance(error.__cause__, PoolTimeout) else 500)


async def look(_: HttpRequest) -> JsonResponse:
    """Tell what the pool tells of itself."""
    told = connection.pool.get_stats()
    return JsonResponse({"size": SIZE, "out": told["pool_size"] - told["pool_available"], "waiting": told.get("requests_waiting", 0)})


async def health(_: HttpRequest) -> JsonResponse:
    """Say that this process serves."""
    return JsonResponse({})


urlpatterns = [path("flights", flights), path("pool", look), path("health", health)]

if __name__ == "__main__":
    url = urlsplit(os.environ["DATABASE_URL"])
    pool = {"min_size": SIZE, "max_size": SIZE, "timeout": float(os.environ.get("WAIT_S", "2"))}
    database: dict[str, Any] = {"ENGINE": "django.db.backends.postgresql", "CONN_HEALTH_CHECKS": os.environ["CHECK"] == "on"}
    database |= {"HOST": url.hostname, "PORT": url.port, "NAME": url.path[1:], "USER": url.username, "PASSWORD": url.password}
    database["OPTIONS"] = {"application_name": os.environ["APPLICATION_NAME"], "pool": pool}
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], DATABASES={"default": database})
    uvicorn.run(get_asgi_application(), host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning", lifespan="off")
