"""The protocols that threads were speaking when they were dumped, from the modules and functions on their stacks (P3).

Only what a thread was doing at that moment shows: a pool that nobody holds a connection of speaks no protocol. `TABLE` has every module
that a protocol is read from.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from testbed.postmortem.dump import Call, Thread

CLIENT, SERVER = "client", "server"
IMPORT = "<module>"  # a module that is being imported, or run as a program, speaks nothing yet


@dataclass(frozen=True, slots=True)
class Row:
    """A protocol, the side that is spoken (empty: the module has both), and the module that it is read from.

    `only`: functions of the module that alone speak it; `but`: those that do not, as others use them.
    """

    protocol: str
    side: str
    module: str
    only: frozenset[str] = frozenset()
    but: frozenset[str] = frozenset()

    def shows_in(self, call: Call) -> bool:
        """Whether a call speaks it."""
        return call.is_in(self.module) and (not self.only or call.function in self.only) and call.function not in {*self.but, IMPORT}


def _rows(protocol: str, side: str, *modules: str) -> tuple[Row, ...]:
    return tuple(Row(protocol, side, module) for module in modules)


# `ssl` has functions, too, that only read files; a connection's are these.
TLS = frozenset({"do_handshake", "read", "write", "recv", "recv_into", "send", "sendall", "unwrap", "_real_connect"})
# `http.server` reads the head of a request by these.
PARSERS = frozenset({"parse_headers", "_read_headers"})
# The commands of uvicorn and gunicorn, and gunicorn's master, are on the stack of what they start, and serve nobody themselves.
TABLE = (
    *_rows("HTTP", SERVER, "http.server", "wsgiref.simple_server", "werkzeug.serving", "uvicorn.server", "uvicorn.protocols.http"),
    *_rows("HTTP", SERVER, "gunicorn.workers", "hypercorn", "daphne", "waitress.server", "waitress.channel", "waitress.task"),
    *_rows("HTTP", SERVER, "cheroot.server", "cheroot.workers", "aiohttp.web", "aiohttp.web_protocol", "tornado.httpserver"),
    *_rows("HTTP", SERVER, "gevent.pywsgi", "eventlet.wsgi", "twisted.web.server", "sanic.server"),
    Row("HTTP", CLIENT, "http.client", but=PARSERS),
    *_rows("HTTP", CLIENT, "urllib3", "requests", "httpx", "httpcore", "aiohttp.client", "aiohttp.client_reqrep"),
    *_rows("WebSocket", SERVER, "websockets.server", "websockets.sync.server", "websockets.asyncio.server", "uvicorn.protocols.websockets"),
    *_rows("WebSocket", CLIENT, "websockets.client", "websockets.sync.client", "websockets.asyncio.client", "websocket"),
    *_rows("WebSocket", SERVER, "aiohttp.web_ws", "tornado.websocket"),
    *_rows("WebSocket", CLIENT, "aiohttp.client_ws"),
    *_rows("PostgreSQL", CLIENT, "psycopg", "psycopg2", "asyncpg", "pg8000"),
    *_rows("MySQL", CLIENT, "pymysql", "MySQLdb", "mysql.connector", "aiomysql", "asyncmy"),
    *_rows("Oracle Net", CLIENT, "oracledb", "cx_Oracle"),
    *_rows("TDS (SQL Server)", CLIENT, "pymssql", "pytds"),
    *_rows("MongoDB", CLIENT, "pymongo"),
    *_rows("Cassandra", CLIENT, "cassandra"),
    *_rows("Redis", CLIENT, "redis", "aioredis", "valkey"),
    *_rows("memcached", CLIENT, "pymemcache", "memcache"),
    *_rows("AMQP", CLIENT, "amqp", "pika", "aiormq"),
    *_rows("Kafka", CLIENT, "kafka", "confluent_kafka", "aiokafka"),
    *_rows("MQTT", CLIENT, "paho.mqtt"),
    *_rows("STOMP", CLIENT, "stomp"),
    *_rows("NATS", CLIENT, "nats"),
    *_rows("ZooKeeper", CLIENT, "kazoo"),
    *_rows("gRPC", SERVER, "grpc._server", "grpc.aio._server"),
    *_rows("gRPC", CLIENT, "grpc._channel", "grpc.aio._call", "grpc.aio._channel"),
    Row("TLS", "", "ssl", only=TLS),
    *_rows("TLS", "", "asyncio.sslproto", "OpenSSL.SSL"),
    *_rows("DNS", CLIENT, "dns.query", "dns.asyncquery", "dns.nameserver", "aiodns"),
    Row("name look-up by the system (DNS or files)", CLIENT, "socket", only=frozenset({"getaddrinfo", "gethostbyname", "getfqdn"})),
    *_rows("SMTP", CLIENT, "smtplib"),
    *_rows("SMTP", SERVER, "aiosmtpd"),
    *_rows("IMAP", CLIENT, "imaplib"),
    *_rows("POP3", CLIENT, "poplib"),
    *_rows("FTP", CLIENT, "ftplib"),
    *_rows("XML-RPC", CLIENT, "xmlrpc.client"),
    *_rows("XML-RPC", SERVER, "xmlrpc.server"),
    *_rows("SSH", "", "paramiko", "asyncssh"),
    *_rows("LDAP", CLIENT, "ldap", "ldap3"),
)


@dataclass(frozen=True, slots=True)
class Protocol:
    """A protocol that was spoken: the side, the modules that it was read from, and how many threads spoke it."""

    name: str
    side: str
    modules: tuple[str, ...]
    threads: int


def protocols(threads: Iterable[Thread]) -> tuple[Protocol, ...]:
    """Return the protocols on any stack, those of the most threads first."""
    modules: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    spoken: defaultdict[tuple[str, str], int] = defaultdict(int)
    for calls, count in Counter(thread.calls for thread in threads).items():  # of forty threads with the same stack, one is read
        rows = [row for row in TABLE if any(row.shows_in(call) for call in calls)]
        for row in rows:
            modules[row.protocol, row.side].add(row.module)
        for key in {(row.protocol, row.side) for row in rows}:
            spoken[key] += count
    found = (Protocol(name, side, tuple(sorted(modules[name, side])), number) for (name, side), number in spoken.items())
    return tuple(sorted(found, key=lambda protocol: (-protocol.threads, protocol.name, protocol.side)))
