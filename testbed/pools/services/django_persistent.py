"""Django's persistent connections over psycopg 3: one for each thread that serves, so they are as many. Its check: `CONN_HEALTH_CHECKS`."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIServer, make_server

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path

QUERY = "SELECT pg_backend_pid() FROM generate_series(1, 3)"


def leaking(hold_s: float) -> int:
    """Leave the connection without autocommit when the rollback raises."""
    transaction.set_autocommit(False)
    try:
        with connection.cursor() as cursor:
            cursor.execute(QUERY)
            rows = cursor.fetchall()
            time.sleep(hold_s)
            return int(rows[0][0])
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


def careful(hold_s: float) -> int:
    """Leave both to the context managers."""
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
        return JsonResponse({"error": f"{type(error).__name__}: {error}"}, status=500)


urlpatterns = [
    path("flights", flights),
    path("pool", lambda _: JsonResponse({})),  # there is none
    path("health", lambda _: JsonResponse({})),
]


class Server(ThreadingMixIn, WSGIServer):
    """Serves with threads that stay, and their connections with them: all three paths with the same."""

    threads = ThreadPoolExecutor(int(os.environ.get("POOL_SIZE", "5")))

    def process_request(self, request: Any, client_address: Any) -> None:
        """Have one of the threads serve it."""
        self.threads.submit(self.process_request_thread, request, client_address)


if __name__ == "__main__":
    url = urlsplit(os.environ["DATABASE_URL"])
    database: dict[str, Any] = {"ENGINE": "django.db.backends.postgresql", "CONN_MAX_AGE": None}
    database |= {"CONN_HEALTH_CHECKS": os.environ["CHECK"] == "on", "OPTIONS": {"application_name": os.environ["APPLICATION_NAME"]}}
    database |= {"HOST": url.hostname, "PORT": url.port, "NAME": url.path[1:], "USER": url.username, "PASSWORD": url.password}
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], DATABASES={"default": database})
    make_server("127.0.0.1", int(os.environ["PORT"]), get_wsgi_application(), Server).serve_forever()
