"""A service that the testbed does not know: http.server, psycopg, and a pool of its own. It loses connections unless CAREFUL is set."""

import os
import queue
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg

POOL: queue.Queue[psycopg.Connection] = queue.Queue()


def connect() -> psycopg.Connection:
    """Open a connection."""
    return psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)


class Handler(BaseHTTPRequestHandler):
    """Counts the flights between two places, over a connection of the pool."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer; a connection that died in the pool costs an error, and the careless service the connection as well."""
        if self.path == "/health":
            return self.answer(200, "well")
        connection = POOL.get()  # without a time-out: whoever finds none waits
        try:
            row = connection.execute("SELECT count(*) FROM flights").fetchone()
        except psycopg.Error as error:
            if "CAREFUL" in os.environ:
                POOL.put(connect())
            return self.answer(500, str(error))
        POOL.put(connection)
        return self.answer(200, f'{{"flights": {row[0] if row else 0}}}')

    do_POST = do_GET  # noqa: N815 - the library's name

    def answer(self, status: int, text: str) -> None:
        """Send an answer."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Write no log."""


if __name__ == "__main__":
    for _ in range(int(os.environ["POOL_SIZE"])):
        POOL.put(connect())
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
