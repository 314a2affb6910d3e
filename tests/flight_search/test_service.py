from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

import flight_search
from flight_search.__main__ import main as server_main
from flight_search.callers.__main__ import main as caller_main
from tests.flight_search.services import application_server, client_of, forked_service, kill_connections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def server(conninfo: str) -> Iterator[httpx.Client]:
    """Run an application server with two request threads and two connections."""
    with application_server(conninfo) as client:
        yield client


@pytest.fixture(scope="module", autouse=True)  # started at the same time as the server
def kiosk(server: httpx.Client) -> Iterator[httpx.Client]:
    """Run a kiosk with three request threads that calls the server."""
    settings = {"LISTEN_FD": "{fd}", "NAME": "kiosk", "FLIGHT_SEARCH_URLS": str(server.base_url), "REQUEST_THREADS": "3"}
    with forked_service("flight_search.callers", **{f"CALLER_{name}": value for name, value in settings.items()}) as client:
        yield client


PASSENGER = {"passenger": "P-1", "date": "2013-10-08", "carrier": "US", "flight": 1843, "origin": "EWR", "destination": "CLT"}


@pytest.mark.parametrize(("from_", "found"), [("EWR", 16), ("New York", 48), ("nyc", 48)])
def test_flights_are_found_by_airport_city_and_city_code(server: httpx.Client, from_: str, found: int) -> None:
    """A city or a metropolitan code finds the flights of all its airports."""
    flights = server.get("/flights", params={"from": from_, "to": "Boston", "date": "2013-10-08"}).json()["flights"]
    assert len(flights) == found
    assert {flight["destination"] for flight in flights} == {"BOS"}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/flights?from=EWR&to=BOS&date=yesterday", "date"),
        ("/flights?from=EWR&date=2013-10-08", "to"),
        ("/flights?from=EWR&to=Atlantis&date=2013-10-08", "to"),
        ("/flights/2013-10-08/US/9999", "flight"),
        ("/flights/2013-10-08/USA/1", "carrier"),
        ("/flights/2013-10-08/US/many", "flight"),
    ],
)
def test_bad_input_is_refused_by_the_name_of_its_field(server: httpx.Client, path: str, field: str) -> None:
    """A 4xx names the field that was wrong."""
    answer = server.get(path)
    assert 400 <= answer.status_code < 500
    assert field in [problem["field"] for problem in answer.json()["detail"]]


@pytest.mark.parametrize("path", ["/bookings", "/check-ins"])
def test_a_body_is_checked_field_by_field(server: httpx.Client, path: str) -> None:
    """A 422 names every wrong field of a body at once."""
    answer = server.post(path, json={"passenger": "", "date": "2013-10-08", "carrier": "US", "flight": 0})
    assert answer.status_code == 422
    assert {problem["field"] for problem in answer.json()["detail"]} == {"passenger", "flight"}
    assert server.post(path, json={**PASSENGER, "flight": 9998}).status_code == 404


WRONG = [
    ("passenger", "a\x00b"),
    ("passenger", "a\nb"),
    ("passenger", "\ud800"),
    ("passenger", 1),
    ("date", 1381104000),
    ("date", "1381104000"),
    ("date", "2013-10-08T00:00:00"),
    ("date", "2013-02-30"),
    ("date", None),
    ("carrier", "us"),
    ("flight", True),
    ("flight", "1"),
    ("flight", 1.0),
    ("flight", 10**30),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_every_wrong_value_is_422_with_its_field(server: httpx.Client, kiosk: httpx.Client, field: str, value: object) -> None:
    """At the application server and at a calling system; nothing of it is sent to the database."""
    content = json.dumps({**PASSENGER, field: value})
    for client, path in ((server, "/bookings"), (server, "/check-ins"), (kiosk, "/transactions/check_in")):
        answer = client.post(path, content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, [problem["field"] for problem in answer.json()["detail"]]) == (422, [field]), path


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "Expecting property name enclosed in double quotes at character 1"),
        (b'{"passenger": "\xff"}', "UnicodeDecodeError: "),
        (b"[" * 100_000, "RecursionError: "),
        (b"1" * 5_000, "ValueError: "),
    ],
)
def test_a_body_that_cannot_be_read_is_422_and_says_why(server: httpx.Client, kiosk: httpx.Client, content: bytes, problem: str) -> None:
    """Its field is the body: there is no other."""
    for client, path in ((server, "/bookings"), (kiosk, "/transactions/check_in")):
        answer = client.post(path, content=content, headers={"Content-Type": "application/json"})
        (mistake,) = answer.json()["detail"]
        assert (answer.status_code, mistake["field"]) == (422, "body")
        assert mistake["problem"].startswith(problem)


def test_a_date_is_no_number_of_seconds(server: httpx.Client) -> None:
    """In a query and in a path neither."""
    for path in ("/flights?from=EWR&to=CLT&date=1381104000", "/flights/1381104000/US/1843"):
        answer = server.get(path)
        assert (answer.status_code, answer.json()["detail"][0]["field"]) == (422, "date")


def test_checking_in_twice_is_one_check_in(server: httpx.Client) -> None:
    """A second check-in gets the first's sequence number, and the flight's status counts one."""
    passenger = {**PASSENGER, "flight": 1843, "passenger": "P-twice"}
    before = server.get("/flights/2013-10-08/US/1843").json()["checked_in"]
    first, second = (server.post("/check-ins", json=passenger) for _ in range(2))
    assert (first.status_code, first.json()) == (201, second.json())
    assert server.get("/flights/2013-10-08/US/1843").json()["checked_in"] == before + 1


def test_a_booking_sent_again_by_its_key_is_one_booking(server: httpx.Client) -> None:
    """A repeated key gets the first's reference; another key, or none, is another booking."""
    keys: list[str | None] = ["6f9619ff-8b86-d011-b42d-00c04fc964ff"] * 2 + ["6f9619ff-8b86-d011-b42d-00c04fc964fe", None, None]
    sent = [server.post("/bookings", json=PASSENGER, headers={"Idempotency-Key": key} if key else {}) for key in keys]
    assert [answer.status_code for answer in sent] == [201] * 5
    references = [answer.json()["reference"] for answer in sent]
    assert references[0] == references[1]
    assert len(set(references)) == 4
    assert server.post("/bookings", json=PASSENGER, headers={"Idempotency-Key": "mine"}).status_code == 422


def test_a_kiosk_checks_a_passenger_in_by_way_of_the_facility(kiosk: httpx.Client) -> None:
    """The transaction looks the flight up, writes the check-in and answers with the departure."""
    answer = kiosk.post("/transactions/check_in", json=PASSENGER)
    assert (answer.status_code, answer.json()["departure"]) == (200, "05:00")


def test_a_service_tells_what_it_is_and_no_password(server: httpx.Client, kiosk: httpx.Client, conninfo: str) -> None:
    """Its settings say which database it uses, and its packages are those that it has loaded."""
    about = server.get("/admin/about").json()
    assert (about["service"], about["settings"]["lookup"], about["settings"]["pool_size"]) == ("cf-1", "original", 2)
    assert sorted(about["settings"]["database"].split()) == sorted(conninfo.split())
    assert about["installed"]["psycopg"] == about["loaded"]["psycopg"] == psycopg.__version__
    assert kiosk.get("/admin/about").json()["settings"]["flight_search_urls"] == [str(server.base_url)]
    with application_server(f"{conninfo} password='a secret'", POOL_FILL="false") as other:
        told = other.get("/admin/about").text
    assert ("a secret" in told, "(hidden)" in told) == (False, True)


def test_a_flight_that_does_not_go_there_is_refused(kiosk: httpx.Client) -> None:
    """A flight that the facility does not know is answered with 404, not as a failure."""
    assert kiosk.post("/transactions/check_in", json={**PASSENGER, "flight": 9998}).status_code == 404
    assert kiosk.post("/transactions/check_in", json={**PASSENGER, "flight": "x"}).json()["detail"][0]["field"] == "flight"


@pytest.mark.fact("C6", "O8")
def test_monitoring_answers_while_every_request_thread_hangs(server: httpx.Client, kiosk: httpx.Client, conninfo: str) -> None:
    """Health, metrics and pool are answered while all connections are leaked and all request threads wait for one."""
    kill_connections(conninfo)
    for _ in range(2):
        assert kiosk.post("/transactions/check_in", json=PASSENGER).status_code == 502
    hanging = [threading.Thread(target=_unanswered, args=(kiosk,), daemon=True) for _ in range(4)]
    for thread in hanging:
        thread.start()
    pool = _wait_until_waiting(server, 2)
    assert (pool["leaked"], pool["out"], pool["in_pool"], pool["checkout_timeout_s"]) == (2, 2, 0, None)
    lost, line = pool["connections_out"][0], _lines_of("lookup/original.py")
    assert (lost["operation"], lost["request_running"]) == ("lookup_by_city", False)
    assert lost["checked_out_at"][0] == f"lookup/original.py:{line['connection = data_source.get_connection()']} lookup_by_city"
    assert lost["raised_at"][1] == f"lookup/original.py:{line['statement.close()']} lookup_by_city"
    assert lost["raised_at"][0].endswith(" close")
    assert lost["error"].startswith(("AdminShutdown: ", "OperationalError: "))
    (source,) = pool["sources"]
    lines = dict(enumerate(source["text"].splitlines(), start=source["first_line"]))
    assert lines[line["statement.close()"]].strip() == "statement.close()"
    assert server.get("/health").json() == {"status": "ok", "service": "cf-1"}
    metrics = server.get("/metrics").text
    assert "request_threads_busy 2.0" in metrics
    assert 'pool_connections{state="leaked"} 2.0' in metrics
    assert kiosk.get("/health").status_code == 200


def _lines_of(file: str) -> dict[str, int]:
    """Return the lines of a file of the service, each with its number."""
    source = (Path(flight_search.__file__).parent / file).read_text(encoding="utf-8")
    return {line.strip(): number for number, line in enumerate(source.splitlines(), start=1)}


def _unanswered(kiosk: httpx.Client) -> None:
    """Send a transaction that is not answered."""
    with client_of(str(kiosk.base_url)) as client, pytest.raises(httpx.TransportError):
        client.post("/transactions/check_in", json=PASSENGER)


def _wait_until_waiting(server: httpx.Client, count: int) -> dict[str, Any]:
    """Wait until `count` threads wait for a connection, for at most 2,000 looks; return the pool's state."""
    pool: dict[str, Any] = {}
    for _ in range(2000):
        pool = server.get("/admin/pool").json()
        if pool["waiting"] >= count:
            return pool
    raise AssertionError(f"never {count} waiting, last seen: {json.dumps(pool)}")


@pytest.mark.parametrize(
    ("main", "environment", "named"),
    [
        (
            server_main,
            {"FLIGHT_SEARCH_LOOKUP": "magic", "FLIGHT_SEARCH_POOL_SIZE": "0"},
            ("LOOKUP", "POOL_SIZE", "DATABASE", "'magic'"),
        ),
        (
            caller_main,
            {"CALLER_NAME": "web", "CALLER_CALL_READ_TIMEOUT_S": "soon"},
            ("NAME", "READ_TIMEOUT_S", "URLS", "'soon'"),
        ),
    ],
)
def test_wrong_settings_are_named_all_at_once(
    main: Callable[[], int],
    environment: dict[str, str],
    named: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A service with invalid settings names every invalid variable and what was found, and ends with code 2."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main() == 2
    message = capsys.readouterr().err
    assert all(name in message for name in named)


def test_a_port_that_is_taken_ends_a_service_with_3(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """A service whose port is taken says so and ends with code 3."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = {"NAME": "kiosk", "FLIGHT_SEARCH_URLS": "http://127.0.0.1:1", "PORT": str(taken.getsockname()[1])}
        for name, value in settings.items():
            monkeypatch.setenv(f"CALLER_{name}", value)
        with pytest.raises(SystemExit) as ended:
            caller_main()
    assert ended.value.code == 3
    assert "address already in use" in capfd.readouterr().err


def test_an_unreachable_database_ends_a_server_with_3(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A server that cannot connect to its database within its start time-out says so and ends with code 3."""
    monkeypatch.setenv("FLIGHT_SEARCH_DATABASE", "host=127.0.0.1 port=1 user=flights")
    monkeypatch.setenv("FLIGHT_SEARCH_START_TIMEOUT_S", "0.1")
    assert server_main() == 3
    assert "no connection within 0.10 s" in capsys.readouterr().err


@pytest.mark.fact("W7")
@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no /dev/full")
def test_an_error_is_answered_and_counted_even_if_the_disk_of_the_log_is_full(conninfo: str) -> None:
    """The caller gets the database's error, not the disk's, and the log line is counted as lost."""
    with application_server(conninfo, LOG_FILE="/dev/full") as client:
        assert client.get("/flights?from=NYC&to=BOS&date=2013-10-08").status_code == 200
        kill_connections(conninfo)
        failed = client.get("/flights?from=NYC&to=BOS&date=2013-10-08")
        assert (failed.status_code, "OperationalError" in failed.json()["detail"]) == (503, True)
        assert client.post("/admin/log").json() == {"lost": "No space left on device"}
        metrics = client.get("/metrics").text
        assert 'requests_total{operation="lookup_by_city",result="failed"} 1.0' in metrics
        assert 'log_lines_total{level="error",result="lost"} 1.0' in metrics
