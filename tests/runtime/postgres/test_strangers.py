"""What a stranger gets who listens in a server's place."""

from __future__ import annotations

import socket
import struct
import sys
import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Self

import psycopg
import pytest

from testbed.errors import ServiceError
from testbed.facility.address import Address
from testbed.plan.topology import HOSTS
from testbed.runtime.credentials import ADMINISTRATOR, AUTHENTICATION, ROLES, SERVICES, Credentials
from testbed.runtime.postgres import basebackup, server, sql
from testbed.runtime.postgres.array import Array
from testbed.runtime.postgres.held_ports import HeldPorts
from testbed.runtime.postgres.pair import DatabasePair
from testbed.runtime.postgres.programs import find_programs
from testbed.runtime.postgres.server import initialise

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.runtime.run_directory import RunDirectory

# AuthenticationOk, AuthenticationCleartextPassword and AuthenticationMD5Password with a salt: "Message Formats" of PostgreSQL's manual.
ASKED_FOR = {"nothing": struct.pack("!i", 0), "password": struct.pack("!i", 3), "md5": struct.pack("!i4s", 5, b"salt")}
ENCRYPTION = (80877103, 80877104)  # SSLRequest, GSSENCRequest


class Stranger(threading.Thread):
    """Listens as a PostgreSQL would, and asks whoever logs in for something; `got` is what was then sent to him."""

    def __init__(self, asked_for: str) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = Address(*self.listener.getsockname())
        self.asked_for = ASKED_FOR[asked_for]
        self.asked, self.got = 0, b""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # it has ended
            self.listener.shutdown(socket.SHUT_RDWR)
        self.join(10)
        self.listener.close()

    def run(self) -> None:
        """Serve one after another, until the end."""
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection, suppress(OSError):
                    connection.settimeout(5)
                    self.serve(connection)

    def serve(self, connection: socket.socket) -> None:
        """Ask one, and take what is sent."""
        with connection.makefile("rb") as lines:
            while struct.unpack("!i", lines.read(struct.unpack("!i", lines.read(4))[0] - 4)[:4])[0] in ENCRYPTION:
                connection.sendall(b"N")
            self.asked += 1
            connection.sendall(b"R" + struct.pack("!i", 4 + len(self.asked_for)) + self.asked_for)
            self.got += lines.read1()  # the first that comes: one message


@pytest.mark.parametrize("asked_for", ASKED_FOR)
@pytest.mark.parametrize("role", ROLES)
def test_who_does_not_prove_to_know_the_password_gets_none(asked_for: str, role: str, credentials: Credentials) -> None:
    """Neither in the clear nor as a hash; and who asks for nothing is not taken for the server."""
    with Stranger(asked_for) as stranger:
        with pytest.raises(psycopg.OperationalError, match=r"scram|SCRAM"):
            psycopg.connect(sql.conninfo(stranger.address, credentials.login(role)))
        assert stranger.asked == 1
    assert stranger.got == b""


@pytest.mark.parametrize("asked_for", ["password", "md5"])
async def test_a_base_backup_gives_the_administrator_s_password_to_no_stranger(asked_for: str, run_directory: RunDirectory) -> None:
    """Its own libpq reads the connection string."""
    programs, directory = find_programs(None, run_directory.path), run_directory.path
    credentials = Credentials(directory / f"asked-for-{asked_for}")
    credentials.make({ADMINISTRATOR: programs.owner} if programs.owner else {})  # else it could not read the password
    with Stranger(asked_for) as stranger:
        taking = basebackup.take(programs, stranger.address, credentials.login(ADMINISTRATOR), directory / "none", directory / "none.log")
        with pytest.raises(ServiceError, match=r"the base backup failed"):
            await taking
        assert stranger.asked == 1
    assert stranger.got == b""


def test_an_older_program_is_not_asked_for_what_it_does_not_know(credentials: Credentials) -> None:
    """A libpq before 16 refuses a connection string with an option that it does not have; so it gives the password to who asks for it."""
    address, login = Address("127.0.0.1", 1), credentials.login(SERVICES)
    assert "require_auth" not in sql.conninfo(address, login, 15)
    with Stranger("password") as stranger, pytest.raises(psycopg.OperationalError):
        psycopg.connect(sql.conninfo(stranger.address, login, 15))
    assert credentials.password(SERVICES).encode() in stranger.got
    for strings in (sql.conninfo(address, login, 16), sql.conninfo(address, login)):
        assert psycopg.conninfo.conninfo_to_dict(strings)["require_auth"] == AUTHENTICATION


def bound(address: Address) -> socket.socket:
    """Return a socket at an address, as somebody makes it who wants to listen there as soon as he can; raises OSError."""
    stranger = socket.socket()
    stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        stranger.bind((address.host, address.port))
    except OSError:
        stranger.close()
        raise
    return stranger


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a second socket bind a port that nobody listens at")
async def test_the_port_of_a_server_that_has_ended_stays_its_own(
    run_directory: RunDirectory, credentials: Credentials, tmp_path: Path
) -> None:
    """While the virtual IP still points there; to connect is refused, as at any port where nobody listens. Afterwards it is free."""
    programs = find_programs(None, run_directory.path)
    pair = DatabasePair(run_directory, programs, Array(run_directory.path / "held"), run_directory.path, 10, credentials)
    await initialise(programs, pair.array, credentials, tmp_path / "log")
    try:
        await pair.mount(HOSTS[0])
        former = await pair.start_server(HOSTS[0])
        await pair.stop_server()
        with pytest.raises(OSError, match="Address already in use"):
            bound(former)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((former.host, former.port), 5)
        await pair.start_server(HOSTS[0])
        with pytest.raises(OSError, match="Address already in use"):
            bound(former)
    finally:
        await pair.throw_away()
    bound(former).close()


async def test_a_host_whose_address_is_reserved_has_it_at_every_start(
    run_directory: RunDirectory, credentials: Credentials, tmp_path: Path
) -> None:
    """Before its first server runs, and again after the other host's has; the other host has one of its own."""
    programs = find_programs(None, run_directory.path)
    pair = DatabasePair(run_directory, programs, Array(run_directory.path / "reserved"), run_directory.path, 10, credentials)
    await initialise(programs, pair.array, credentials, tmp_path / "log")
    try:
        reserved, started = pair.reserve(HOSTS[0]), []
        for host in (*HOSTS, HOSTS[0]):
            await pair.mount(host)
            started.append(await pair.start_server(host))
            await pair.stop_server()
            await pair.unmount(host)
        assert started[::2] == [reserved] * 2
        assert started[1] != reserved
        assert pair.addresses == dict(zip(HOSTS, started[:2], strict=True))
    finally:
        await pair.throw_away()


def test_a_port_that_is_held_is_nobody_else_s() -> None:
    """Not even before its server listens is it given to another pair."""
    ports = HeldPorts()
    try:
        found = [ports.find() for _ in range(20)]
        assert len(set(found)) == len(found)
    finally:
        ports.release()


async def test_who_connects_and_never_logs_in_takes_no_connection_of_the_services(
    run_directory: RunDirectory, credentials: Credentials, tmp_path: Path
) -> None:
    """As many as are spare may stand there: the services still have all of theirs, and no more; and PostgreSQL gives the others up."""
    programs, services = find_programs(None, run_directory.path), 5
    pair = DatabasePair(run_directory, programs, Array(run_directory.path / "flooded"), run_directory.path, services, credentials)
    await initialise(programs, pair.array, credentials, tmp_path / "log")
    startup = struct.pack("!i", 196608) + b"user\0flights\0database\0postgres\0\0"
    try:
        await pair.mount(HOSTS[0])
        address = await pair.start_server(HOSTS[0])
        await pair.limit_services()
        own = sql.conninfo(address, credentials.login(SERVICES))
        with ExitStack() as stack:
            for _ in range(server.SPARE):
                stranger = stack.enter_context(socket.create_connection((address.host, address.port), 10))
                stranger.sendall(struct.pack("!i", 4 + len(startup)) + startup)
                assert stranger.recv(1) == b"R"
            for _ in range(services):
                stack.enter_context(psycopg.connect(own))
            with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
                psycopg.connect(own)
            limit = await sql.fetch_row(address, credentials.login(ADMINISTRATOR), "SHOW authentication_timeout", {}, 10.0)
            assert limit == (f"{server.LOGIN_WITHIN_S}s",)
    finally:
        await pair.throw_away()
