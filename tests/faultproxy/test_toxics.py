from __future__ import annotations

import random
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from testbed.faultproxy.activity import Activity, Traffic
from testbed.faultproxy.stage import NamedToxic, Stage
from testbed.faultproxy.stream import Chunk
from testbed.faultproxy.toxic_link import ConnectionControl, ToxicLink
from testbed.faultproxy.toxics.slicer import Slicer
from tests.faultproxy.servers import Wire, has_passed, is_silent, receive, rest

if TYPE_CHECKING:
    from collections.abc import Iterator

STREAMS = ("upstream", "downstream")
# Not `lifetime` and `refuse_first`: such a number asks them to allow no connection.
KINDS = ("bandwidth", "latency", "limit_data", "reset_peer", "slicer", "slow_close", "timeout", "idle_drop", "silence")
LONG_MS = 600_000  # longer than any test: what arrives did not wait for it
both_streams = pytest.mark.parametrize("stream", STREAMS)


def ends(wire: Wire, stream: str) -> tuple[socket.socket, socket.socket]:
    """Open a connection; return the end that sends on a stream and the one that receives."""
    client, upstream = wire.connect()
    return (client, upstream) if stream == "upstream" else (upstream, client)


def is_reset(end: socket.socket) -> bool:
    """Return whether the connection ends with a reset and not with an orderly end."""
    try:
        rest(end)
    except ConnectionResetError:
        return True
    return False


@contextmanager
def sending(end: socket.socket, data: bytes) -> Iterator[None]:
    """Send in a thread until the block ends, because the data does not fit into the buffers."""
    thread = threading.Thread(target=end.sendall, args=(data,))
    thread.start()
    yield
    thread.join()


class TestLatency:
    """Every chunk comes late."""

    @both_streams
    def test_data_comes_late_and_whole(self, wire: Wire, stream: str) -> None:
        """It takes the latency at least, in the toxic's direction and in no other."""
        wire.add("latency", stream, latency=100)
        sender, receiver = ends(wire, stream)
        sent_s = time.monotonic()
        receiver.sendall(b"at once")
        assert receive(sender, 7) == b"at once"
        sender.sendall(b"late")
        assert receive(receiver, 4) == b"late"
        assert has_passed(0.1, sent_s)

    def test_two_latencies_add_up(self, wire: Wire) -> None:
        """Two latencies of 80 ms delay by 160 ms at least."""
        for name in ("first", "second"):
            wire.api.ask("POST", "/proxies/wire/toxics", {"name": name, "type": "latency", "attributes": {"latency": 80}})
        client, upstream = wire.connect()
        sent_s = time.monotonic()
        upstream.sendall(b"late")
        assert receive(client, 4) == b"late"
        assert has_passed(0.16, sent_s)

    def test_jitter_gives_and_takes(self, wire: Wire) -> None:
        """A delay of 20 ms plus or minus 20 ms is never negative, and chunks keep their order."""
        wire.add("latency", latency=20, jitter=20)
        client, upstream = wire.connect()
        for number in range(10):
            upstream.sendall(bytes([number]))
        assert receive(client, 10) == bytes(range(10))

    @pytest.mark.alone
    def test_a_latency_is_not_a_narrow_bandwidth(self, wire: Wire) -> None:
        """Much data is under way at once: 8 MB through 400 ms take a moment, not the seconds of a buffer at a time."""
        wire.add("latency", latency=400)
        client, upstream = wire.connect()
        data = random.Random(1).randbytes(8_000_000)
        sent_s = time.monotonic()
        with sending(upstream, data):
            assert receive(client, len(data)) == data
        assert has_passed(0.4, sent_s)
        assert not has_passed(4, sent_s)

    def test_what_waits_comes_at_once_when_the_toxic_is_removed(self, wire: Wire) -> None:
        """Chunks that wait arrive at once when their latency is removed."""
        wire.add("latency", latency=LONG_MS)
        client, upstream = wire.connect()
        upstream.sendall(b"held")
        assert is_silent(client)
        wire.api.remove("wire", "latency_downstream")
        assert receive(client, 4) == b"held"

    def test_what_waits_comes_at_once_when_the_toxic_is_changed(self, wire: Wire) -> None:
        """Chunks that wait arrive at once when their latency changes, and later ones have the new delay."""
        wire.add("latency", latency=LONG_MS)
        client, upstream = wire.connect()
        upstream.sendall(b"held")
        assert is_silent(client)
        wire.api.change("wire", "latency_downstream", attributes={"latency": 60})
        assert receive(client, 4) == b"held"
        sent_s = time.monotonic()
        upstream.sendall(b"late")
        assert receive(client, 4) == b"late"
        assert has_passed(0.06, sent_s)


class TestBandwidth:
    """The number of bytes a second is limited."""

    @both_streams
    def test_a_kilobyte_is_a_thousand_bytes(self, wire: Wire, stream: str) -> None:
        """At 100 KB/s, 15,000 bytes take 150 ms at least."""
        wire.add("bandwidth", stream, rate=100)
        sender, receiver = ends(wire, stream)
        data = random.Random(1).randbytes(15_000)
        sent_s = time.monotonic()
        sender.sendall(data)
        assert receive(receiver, len(data)) == data
        assert has_passed(0.15, sent_s)

    @pytest.mark.parametrize("rate", [0, -1])
    def test_without_a_rate_nothing_gets_through(self, wire: Wire, rate: int) -> None:
        """The connection stays, and what was sent comes when there is a rate."""
        wire.add("bandwidth", rate=rate)
        client, upstream = wire.connect()
        upstream.sendall(b"held")
        assert is_silent(client)
        wire.api.change("wire", "bandwidth_downstream", attributes={"rate": 1000})
        assert receive(client, 4) == b"held"

    def test_an_end_gets_through_where_nothing_is_held(self, wire: Wire) -> None:
        """A connection without data can close."""
        wire.add("bandwidth", rate=0)
        client, upstream = wire.connect()
        upstream.close()
        assert rest(client) == b""

    def test_what_waits_comes_when_the_toxic_is_removed(self, wire: Wire) -> None:
        """Chunks that wait for bandwidth arrive in order when the limit is removed."""
        wire.add("bandwidth", rate=1)
        client, upstream = wire.connect()
        data = random.Random(1).randbytes(200_000)
        with sending(upstream, data):
            assert is_silent(client)
            wire.api.remove("wire", "bandwidth_downstream")
            assert receive(client, len(data)) == data


class TestLimitData:
    """The connection ends after a number of bytes."""

    @both_streams
    def test_so_many_bytes_pass_and_then_an_orderly_end(self, wire: Wire, stream: str) -> None:
        """Both ends see the end, neither a reset; the other direction is not counted."""
        wire.add("limit_data", stream, bytes=5)
        sender, receiver = ends(wire, stream)
        receiver.sendall(b"free of charge")
        assert receive(sender, 14) == b"free of charge"
        sender.sendall(b"123")
        assert receive(receiver, 3) == b"123"
        sender.sendall(b"4567")
        assert rest(receiver) == b"45"
        assert rest(sender) == b""

    def test_reaching_the_limit_is_enough(self, wire: Wire) -> None:
        """No byte beyond it is needed for the end to come."""
        wire.add("limit_data", bytes=3)
        client, upstream = wire.connect()
        upstream.sendall(b"123")
        assert rest(client) == b"123"

    def test_a_limit_of_nothing_waits_for_the_first_byte(self, wire: Wire) -> None:
        """A limit of 0 bytes closes the connection with the first byte, and not before."""
        wire.add("limit_data", bytes=0)
        client, upstream = wire.connect()
        assert is_silent(client)
        upstream.sendall(b"1")
        assert rest(client) == b""

    def test_each_connection_is_counted_by_itself(self, wire: Wire) -> None:
        """Each connection has the whole limit."""
        wire.add("limit_data", bytes=3)
        for _ in range(2):
            client, upstream = wire.connect()
            upstream.sendall(b"1234")
            assert rest(client) == b"123"

    def test_the_count_goes_on_across_a_change(self, wire: Wire) -> None:
        """Three bytes of five have passed; two are left."""
        wire.add("limit_data", bytes=100)
        client, upstream = wire.connect()
        upstream.sendall(b"123")
        assert receive(client, 3) == b"123"
        wire.api.change("wire", "limit_data_downstream", attributes={"bytes": 5})
        upstream.sendall(b"4567")
        assert rest(client) == b"45"

    def test_what_passed_is_subject_to_the_toxics_after_it(self, wire: Wire) -> None:
        """With a latency behind the limit the bytes come late, then the end."""
        wire.add("limit_data", bytes=3)
        wire.add("latency", latency=80)
        client, upstream = wire.connect()
        sent_s = time.monotonic()
        upstream.sendall(b"1234")
        assert rest(client) == b"123"
        assert has_passed(0.08, sent_s)


class TestTimeout:
    """Nothing gets through, and after a while the connection is closed."""

    @both_streams
    def test_nothing_passes_and_then_both_ends_see_the_end(self, wire: Wire, stream: str) -> None:
        """It comes after the time-out at the earliest, and is no reset."""
        wire.add("timeout", stream, timeout=80)
        sender, receiver = ends(wire, stream)
        sent_s = time.monotonic()
        sender.sendall(b"lost")
        assert (rest(receiver), rest(sender)) == (b"", b"")
        assert has_passed(0.08, sent_s)

    def test_data_begins_the_time_anew(self, wire: Wire) -> None:
        """It is counted from the last data and not from the first."""
        wire.add("timeout", timeout=400)
        client, upstream = wire.connect()
        upstream.sendall(b"lost")
        assert is_silent(client, 0.1)
        last_s = time.monotonic()
        upstream.sendall(b"lost")
        assert rest(client) == b""
        assert has_passed(0.4, last_s)

    @both_streams
    def test_without_a_time_the_connection_hangs(self, wire: Wire, stream: str) -> None:
        """Nothing comes, no end either, and the other direction works as ever."""
        wire.add("timeout", stream, timeout=0)
        sender, receiver = ends(wire, stream)
        sender.sendall(b"lost")
        assert is_silent(receiver)
        receiver.sendall(b"heard")
        assert receive(sender, 5) == b"heard"

    @both_streams
    def test_spared_by_a_change_it_does_not_go_on_with_a_hole(self, wire: Wire, stream: str) -> None:
        """What was dropped cannot come back, so the connection is closed as if the toxic were removed; one that was spared goes on."""
        wire.add("timeout", stream, timeout=0)
        sender, receiver = ends(wire, stream)
        sender.sendall(b"lost")
        assert is_silent(receiver, 0.1)
        wire.api.change("wire", f"timeout_{stream}", toxicity=0)
        assert (rest(receiver), rest(sender)) == (b"", b"")
        sender, receiver = ends(wire, stream)
        sender.sendall(b"111")
        assert receive(receiver, 3) == b"111"
        wire.api.change("wire", f"timeout_{stream}", toxicity=0)
        sender.sendall(b"222")
        assert receive(receiver, 3) == b"222"

    @both_streams
    def test_a_side_that_gives_up_takes_the_connection_with_it(self, wire: Wire, stream: str) -> None:
        """The end passes where data does not, so nothing is left behind of a caller that timed out."""
        wire.add("timeout", stream, timeout=0)
        sender, receiver = ends(wire, stream)
        sender.sendall(b"lost")
        sender.close()
        assert rest(receiver) == b""

    def test_removing_it_closes_the_connections_that_it_worked_on(self, wire: Wire) -> None:
        """Bytes are missing there, so they cannot go on; a connection that the toxicity spared goes on."""
        wire.add("timeout", timeout=0, toxicity=0)
        spared = wire.connect()
        wire.api.change("wire", "timeout_downstream", toxicity=0.0)
        spared[1].sendall(b"heard")
        assert receive(spared[0], 5) == b"heard"
        wire.api.remove("wire", "timeout_downstream")
        wire.add("timeout", timeout=0)
        worked_on = wire.connect()
        spared[0].sendall(b"and back")
        assert receive(spared[1], 8) == b"and back"
        wire.api.remove("wire", "timeout_downstream")
        assert rest(worked_on[0]) == b""

    def test_lengthening_it_lets_a_connection_live(self, wire: Wire) -> None:
        """The new time counts, not what was left of the old one."""
        wire.add("timeout", timeout=300)
        client, _ = wire.connect()
        wire.api.change("wire", "timeout_downstream", attributes={"timeout": LONG_MS})
        assert is_silent(client, 0.35)


class TestResetPeer:
    """The connection is reset."""

    @both_streams
    def test_the_first_data_resets_both_ends(self, wire: Wire, stream: str) -> None:
        """Before it the connection is as any other; the data is lost."""
        wire.add("reset_peer", stream, timeout=0)
        sender, receiver = ends(wire, stream)
        receiver.sendall(b"heard")
        assert receive(sender, 5) == b"heard"
        sender.sendall(b"lost")
        assert is_reset(receiver)
        assert is_reset(sender)

    def test_the_reset_comes_after_the_time(self, wire: Wire) -> None:
        """The reset comes after the time, and nothing passes before it."""
        wire.add("reset_peer", timeout=80)
        client, upstream = wire.connect()
        sent_s = time.monotonic()
        upstream.sendall(b"lost")
        assert is_reset(client)
        assert has_passed(0.08, sent_s)

    def test_a_connection_that_was_there_before_is_reset_too(self, wire: Wire) -> None:
        """It is the toxic that decides, not when the connection began."""
        client, upstream = wire.connect()
        wire.add("reset_peer", timeout=0)
        upstream.sendall(b"lost")
        assert is_reset(client)

    def test_an_end_is_turned_into_a_reset(self, wire: Wire) -> None:
        """A side that closes in good order looks to the other as if it had crashed."""
        wire.add("reset_peer", timeout=0)
        client, upstream = wire.connect()
        upstream.shutdown(socket.SHUT_WR)
        assert is_reset(client)

    def test_removed_in_time_it_does_nothing(self, wire: Wire) -> None:
        """The data that it held comes."""
        wire.add("reset_peer", timeout=LONG_MS)
        client, upstream = wire.connect()
        upstream.sendall(b"held")
        assert is_silent(client)
        wire.api.remove("wire", "reset_peer_downstream")
        assert receive(client, 4) == b"held"

    def test_changed_in_time_it_waits_as_long_as_it_says_now(self, wire: Wire) -> None:
        """A time that is changed from ten minutes to none resets at once."""
        wire.add("reset_peer", timeout=LONG_MS)
        client, upstream = wire.connect()
        upstream.sendall(b"lost")
        assert is_silent(client)
        wire.api.change("wire", "reset_peer_downstream", attributes={"timeout": 0})
        assert is_reset(client)


class TestSlowClose:
    """The end of a connection comes late."""

    @both_streams
    def test_data_comes_at_once_and_the_end_late(self, wire: Wire, stream: str) -> None:
        """It is an orderly end, not before its time."""
        wire.add("slow_close", stream, delay=100)
        sender, receiver = ends(wire, stream)
        sent_s = time.monotonic()
        sender.sendall(b"heard")
        sender.close()
        assert receive(receiver, 5) == b"heard"
        assert rest(receiver) == b""
        assert has_passed(0.1, sent_s)

    def test_the_end_comes_at_once_when_the_toxic_is_removed(self, wire: Wire) -> None:
        """Removing a slow close passes on the end that it delays."""
        wire.add("slow_close", delay=LONG_MS)
        client, upstream = wire.connect()
        upstream.close()
        assert is_silent(client)
        wire.api.remove("wire", "slow_close_downstream")
        assert rest(client) == b""

    def test_a_changed_delay_begins_anew(self, wire: Wire) -> None:
        """A longer one holds the end back longer, a shorter one lets it go."""
        wire.add("slow_close", delay=300)
        client, upstream = wire.connect()
        upstream.close()
        wire.api.change("wire", "slow_close_downstream", attributes={"delay": LONG_MS})
        assert is_silent(client, 0.35)
        wire.api.change("wire", "slow_close_downstream", attributes={"delay": 0})
        assert rest(client) == b""


class RecordingSink:
    """What follows a stage in a test: records the chunks."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.ended = False

    async def put(self, chunk: Chunk) -> bool:
        """Record a chunk."""
        self.chunks.append(chunk)
        return True

    def end(self) -> None:
        """Record the end."""
        self.ended = True


class TestSlicer:
    """Data comes in small pieces."""

    @both_streams
    def test_each_piece_waits(self, wire: Wire, stream: str) -> None:
        """Ten pieces of ten bytes with 10 ms after each take 90 ms at least, and all bytes come in order."""
        wire.add("slicer", stream, average_size=10, delay=10_000)
        sender, receiver = ends(wire, stream)
        sent_s = time.monotonic()
        sender.sendall(bytes(range(100)))
        assert receive(receiver, 100) == bytes(range(100))
        assert has_passed(0.09, sent_s)

    @pytest.mark.parametrize(
        ("slicer", "least", "most"),
        [
            (Slicer(average_size=10), 10, 10),
            (Slicer(average_size=10, size_variation=4), 6, 14),
            (Slicer(average_size=10, size_variation=-4), 10, 10),
            (Slicer(average_size=3, size_variation=50), 1, 53),
            (Slicer(average_size=0, size_variation=5), 1000, 1000),
            (Slicer(average_size=-3), 1000, 1000),
        ],
    )
    async def test_pieces_have_the_size_that_is_asked_for(self, slicer: Slicer, least: int, most: int) -> None:
        """Pieces are within the variation of the average size, except the last of a chunk; impossible sizes do no harm."""
        sink = RecordingSink()
        control = ConnectionControl(lambda: None, lambda: None, lambda _: None)
        link = ToxicLink(None, None, Activity(0.0, 0.0), Traffic(), control)  # type: ignore[arg-type]  # nothing leaves
        stage = Stage(link, NamedToxic("s", "slicer", "upstream", 1.0, slicer), sink)
        data = random.Random(1).randbytes(1000)
        await stage.input.put(Chunk(data, 1.0))
        stage.input.end()
        stage.start()
        assert stage.task is not None
        await stage.task
        sizes = [len(chunk.data) for chunk in sink.chunks]
        assert b"".join(chunk.data for chunk in sink.chunks) == data
        assert all(least <= size <= most for size in sizes[:-1])
        assert sizes[-1] <= most
        assert sink.ended

    def test_the_rest_comes_at_once_when_the_toxic_is_removed(self, wire: Wire) -> None:
        """The rest of a chunk arrives whole when the slicer is removed."""
        wire.add("slicer", average_size=1, delay=LONG_MS * 1000)
        client, upstream = wire.connect()
        upstream.sendall(b"0123456789")
        assert receive(client, 1) == b"0"
        assert is_silent(client)
        wire.api.remove("wire", "slicer_downstream")
        assert receive(client, 9) == b"123456789"


class TestToxicity:
    """The share of connections that a toxic works on."""

    @pytest.mark.parametrize("toxicity", [0, 1])
    def test_none_or_all(self, wire: Wire, toxicity: float) -> None:
        """At 0 no connection is touched, at 1 every one is."""
        wire.add("limit_data", toxicity=toxicity, bytes=0)
        for _ in range(10):
            client, upstream = wire.connect()
            upstream.sendall(b"1")
            upstream.close()
            assert rest(client) == (b"" if toxicity else b"1")

    def test_a_share(self, wire: Wire) -> None:
        """Each connection is decided by itself, once, by the one source of chance, which can be seeded."""
        wire.add("limit_data", toxicity=0.3, bytes=0)
        state = random.getstate()
        try:
            random.seed(2)
            touched = [self._is_touched(wire) for _ in range(60)]
            random.seed(2)
            assert touched == [random.random() < 0.3 for _ in range(60)]
        finally:
            random.setstate(state)
        assert 10 < sum(touched) < 30

    @staticmethod
    def _is_touched(wire: Wire) -> bool:
        client, upstream = wire.connect()
        client.sendall(b"?")
        receive(upstream, 1)
        upstream.sendall(b"1")
        upstream.close()
        return rest(client) == b""

    def test_a_change_decides_anew(self, wire: Wire) -> None:
        """A changed toxicity is decided anew for open connections."""
        wire.add("limit_data", toxicity=0, bytes=0)
        client, upstream = wire.connect()
        upstream.sendall(b"1")
        assert receive(client, 1) == b"1"
        wire.api.change("wire", "limit_data_downstream", toxicity=1)
        upstream.sendall(b"2")
        assert rest(client) == b""


@pytest.mark.parametrize("value", [-1, 2**63 - 1, -(2**63) + 1])
@pytest.mark.parametrize("kind", KINDS)
def test_no_number_breaks_a_toxic(wire: Wire, kind: str, value: int) -> None:
    """However large or negative the attributes are, a connection can be had, the toxic removed, and the next connection works."""
    names = wire.api.ask("POST", "/proxies/wire/toxics", {"name": "probe", "type": kind}).body["attributes"]
    wire.api.remove("wire", "probe")
    wire.api.ask("POST", "/proxies/wire/toxics", {"type": kind, "attributes": dict.fromkeys(names, value)})
    _, upstream = wire.connect()
    upstream.sendall(b"whatever becomes of it")
    wire.api.remove("wire", f"{kind}_downstream")
    client, upstream = wire.connect()
    upstream.sendall(b"heard")
    assert receive(client, 5) == b"heard"
