from __future__ import annotations

import socket
import time

import pytest

from testbed.faultproxy.activity import Activity
from tests.faultproxy.servers import CLOCK_S, Wire, has_passed, is_silent, receive, rest
from tests.faultproxy.test_toxics import LONG_MS, both_streams, ends, is_reset, sending


class TestSilence:
    """Nothing gets through, and nothing is lost."""

    @both_streams
    def test_healed_everything_goes_on_in_order_and_nothing_is_closed(self, wire: Wire, stream: str) -> None:
        """Removed, a silence passes on everything that was sent, in order; the other direction works all the while."""
        wire.add("silence", stream)
        sender, receiver = ends(wire, stream)
        data = bytes(range(256)) * 16_384
        with sending(sender, data):
            assert is_silent(receiver, 0.1)
            receiver.sendall(b"heard")
            assert receive(sender, 5) == b"heard"
            wire.api.remove("wire", f"silence_{stream}")
            assert receive(receiver, len(data)) == data
        sender.sendall(b"more")
        assert receive(receiver, 4) == b"more"

    @both_streams
    def test_an_end_is_held_too(self, wire: Wire, stream: str) -> None:
        """A silence holds the end of the stream until it is removed."""
        wire.add("silence", stream)
        sender, receiver = ends(wire, stream)
        sender.sendall(b"last words")
        sender.shutdown(socket.SHUT_WR)
        assert is_silent(receiver, 0.1)
        wire.api.remove("wire", f"silence_{stream}")
        assert rest(receiver) == b"last words"

    def test_a_connection_that_was_there_before_falls_silent(self, wire: Wire) -> None:
        """A silence also holds the bytes of older connections."""
        client, upstream = wire.connect()
        upstream.sendall(b"heard")
        assert receive(client, 5) == b"heard"
        wire.add("silence")
        upstream.sendall(b"held")
        assert is_silent(client, 0.1)


class TestLifetime:
    """The connection is cut at a certain age."""

    @pytest.mark.parametrize("reset", [0, 1])
    def test_an_idle_connection_is_cut_on_both_sides(self, wire: Wire, reset: int) -> None:
        """An idle connection is cut by FIN or RST, as asked for, and not before its time."""
        began_s = time.monotonic()
        wire.add("lifetime", lifetime=80, reset=reset)
        client, upstream = wire.connect()
        upstream.sendall(b"heard")
        assert receive(client, 5) == b"heard"
        assert [is_reset(client), is_reset(upstream)] == [bool(reset)] * 2
        assert has_passed(0.08, began_s)

    def test_one_that_is_older_already_is_cut_at_once(self, wire: Wire) -> None:
        """Its age counts from when it was made, not from the toxic."""
        client, _ = wire.connect()
        time.sleep(0.03)
        wire.add("lifetime", lifetime=20)
        assert rest(client) == b""

    @pytest.mark.parametrize("reset", [0, 1])
    def test_a_cut_is_what_was_asked_for_although_nobody_reads(self, wire: Wire, reset: int) -> None:
        """A cut is FIN or RST, as asked for, also when unread bytes are lost by it."""
        wire.add("silence")
        client, upstream = wire.connect()
        for _ in range(20):
            upstream.sendall(b"held" * 20_000)
        wire.add("lifetime", lifetime=50, reset=reset)
        assert [is_reset(client), is_reset(upstream)] == [bool(reset)] * 2

    def test_removed_in_time_it_does_nothing(self, wire: Wire) -> None:
        """A connection whose lifetime is removed in time is not cut."""
        wire.add("lifetime", lifetime=LONG_MS)
        client, upstream = wire.connect()
        wire.api.remove("wire", "lifetime_downstream")
        upstream.sendall(b"heard")
        assert receive(client, 5) == b"heard"


class TestIdleDrop:
    """A connection that was idle for too long is forgotten."""

    @both_streams
    def test_after_the_idle_time_nothing_passes_either_way_and_nobody_is_told(self, wire: Wire, stream: str) -> None:
        """A forgotten connection passes neither bytes nor an end, also when the toxic is removed."""
        wire.add("idle_drop", stream, timeout=50)
        client, upstream = wire.connect()
        client.sendall(b"heard")
        assert receive(upstream, 5) == b"heard"
        time.sleep(0.1)
        client.sendall(b"dropped")
        assert is_silent(upstream, 0.1)
        upstream.sendall(b"dropped")
        assert is_silent(client, 0.1)
        wire.api.remove("wire", f"idle_drop_{stream}")
        client.sendall(b"dropped")
        client.close()
        assert is_silent(upstream, 0.1)

    def test_a_byte_in_either_direction_keeps_it(self, wire: Wire) -> None:
        """The idle time counts from the last byte in either direction."""
        wire.add("idle_drop", timeout=300)
        client, upstream = wire.connect()
        for _ in range(4):
            time.sleep(0.1)
            upstream.sendall(b"tick")
            assert receive(client, 4) == b"tick"
        client.sendall(b"heard")  # later than 300 ms after the last byte of its own direction
        assert receive(upstream, 5) == b"heard"

    def test_a_new_connection_works(self, wire: Wire) -> None:
        """A connection made after another was forgotten works."""
        wire.add("idle_drop", timeout=30)
        client, _ = wire.connect()
        time.sleep(0.06)
        client.sendall(b"dropped")
        client, upstream = wire.connect()
        client.sendall(b"heard")
        assert receive(upstream, 5) == b"heard"

    def test_of_two_each_keeps_its_own_limit(self, wire: Wire) -> None:
        """When one is removed, the other's limit holds on: a connection that was idle for longer is forgotten."""
        wire.add("idle_drop", "upstream", timeout=50)
        wire.add("idle_drop", "downstream", timeout=60_000)
        client, upstream = wire.connect()
        wire.api.remove("wire", "idle_drop_downstream")
        client.sendall(b"heard")
        assert receive(upstream, 5) == b"heard"
        time.sleep(0.1)
        client.sendall(b"dropped")
        assert is_silent(upstream, 0.1)

    def test_the_shorter_of_two_limits_holds(self) -> None:
        """And the longer one from when the shorter is gone."""
        activity = Activity(began_s=0.0, last_s=0.0)
        activity.set_limit("a", 5.0)
        activity.set_limit("b", 3.0)
        assert activity.idle_limit_s == 3.0
        activity.set_limit("b", None)
        assert activity.idle_limit_s == 5.0
        activity.set_limit("a", None)
        assert not activity.watched

    def test_the_limit_is_passed_by_more_than_itself(self) -> None:
        """To the limit a connection is known; past it, it is forgotten, and no use of it makes it known again."""
        activity = Activity(began_s=0.0, last_s=0.0, idle_limit_s=5.0)
        assert [activity.use(now_s) for now_s in (5.0, 10.0, 15.1, 15.2)] == [True, True, False, False]

    def test_both_ends_gone_it_takes_no_place_any_more(self, wire: Wire) -> None:
        """A forgotten connection ends in the proxy when both of its ends have."""
        wire.add("idle_drop", timeout=20)
        client, upstream = wire.connect()
        time.sleep(0.05)
        client.close()
        upstream.close()
        wire.api.ask("POST", "/proxies/wire", {"enabled": False})  # waits until every connection is gone
        assert wire.api.ask("GET", "/proxies/wire").body["enabled"] is False


class TestRefuseFirst:
    """The first few connections are reset when they are made."""

    def test_so_many_are_reset_and_the_next_one_is_not(self, wire: Wire) -> None:
        """The first connections after the toxic was added are reset, and the next is served."""
        wire.connect()
        wire.add("refuse_first", connections=2)
        assert [self._is_refused(wire) for _ in range(2)] == [True, True]
        client, upstream = wire.connect()
        client.sendall(b"heard")
        assert receive(upstream, 5) == b"heard"

    def test_whom_the_toxicity_spares_is_served(self, wire: Wire) -> None:
        """At 0 nobody is refused; the connections count all the same."""
        wire.add("refuse_first", toxicity=0, connections=2)
        for _ in range(3):
            client, upstream = wire.connect()
            client.sendall(b"heard")
            assert receive(upstream, 5) == b"heard"
        wire.api.change("wire", "refuse_first_downstream", toxicity=1)
        wire.connect()

    def test_removed_and_added_again_it_counts_from_the_start(self, wire: Wire) -> None:
        """Nothing is kept of a toxic that is gone."""
        for _ in range(2):
            wire.add("refuse_first", connections=1)
            assert self._is_refused(wire)
            wire.connect()
            wire.api.remove("wire", "refuse_first_downstream")

    @staticmethod
    def _is_refused(wire: Wire) -> bool:
        try:
            return is_reset(wire.dial())
        except ConnectionResetError:  # so soon that the client's own connect raises it
            return True


def test_the_bytes_of_each_direction_are_told_in_prometheus_format(wire: Wire) -> None:
    """The metrics have the bytes received and sent of each direction, by Toxiproxy's names."""
    wire.add("silence")
    client, upstream = wire.connect()
    client.sendall(b"12345")
    assert receive(upstream, 5) == b"12345"
    upstream.sendall(b"held")
    is_silent(client, 0.1)
    answer = wire.api.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    lines = dict(line.rpartition(" ")[::2] for line in answer.text.splitlines() if not line.startswith("#"))
    labels = f'listener="{wire.listen[0]}:{wire.listen[1]}",proxy="wire",upstream="127.0.0.1:{wire.upstream.getsockname()[1]}"'
    values = {}
    for line, value in lines.items():
        name, _, pairs = line.partition("{")
        shown = dict(pair.split("=") for pair in pairs.rstrip("}").split(","))
        assert {f"{key}={label}" for key, label in shown.items()} >= set(labels.split(","))
        values[name, shown["direction"].strip('"')] = float(value)
    assert values == {
        ("toxiproxy_proxy_received_bytes_total", "upstream"): 5.0,
        ("toxiproxy_proxy_sent_bytes_total", "upstream"): 5.0,
        ("toxiproxy_proxy_received_bytes_total", "downstream"): 4.0,
        ("toxiproxy_proxy_sent_bytes_total", "downstream"): 0.0,
    }


class TestSlowAccept:
    """Connections are accepted slowly, and few may wait."""

    def test_past_a_full_queue_an_attempt_is_dropped_and_comes_in_when_there_is_room(self, wire: Wire) -> None:
        """Two are connected although nobody accepts them, the third is not; without the toxic all are served."""
        heard, upstream = wire.connect()
        wire.add("slow_accept", interval=LONG_MS, queue=1)
        waiting = [wire.dial() for _ in range(2)]
        assert self._is_dropped(wire)
        heard.sendall(b"heard")
        assert receive(upstream, 5) == b"heard"
        wire.api.remove("wire", "slow_accept_downstream")
        for client in waiting:
            client.sendall(b"heard")
        for _ in waiting:  # in either order
            assert receive(wire.accept(), 5) == b"heard"
        wire.connect()

    def test_one_is_accepted_every_so_often(self, wire: Wire) -> None:
        """Each waits for the one before; a changed interval holds at once, and none is lost."""
        wire.add("slow_accept", interval=80, queue=8)
        began_s = time.monotonic()
        clients = [wire.dial() for _ in range(3)]
        for number in range(3):
            wire.accept()
            assert has_passed((0.08 - CLOCK_S) * (number + 1), began_s)
        wire.api.change("wire", "slow_accept_downstream", attributes={"interval": 0})
        clients.append(wire.connect()[0])
        assert len(clients) == 4

    def test_it_stays_when_the_proxy_is_enabled_again(self, wire: Wire) -> None:
        """The new listener has the toxic's queue, too."""
        wire.add("slow_accept", interval=LONG_MS, queue=0)
        for enabled in (False, True):
            wire.api.ask("POST", "/proxies/wire", {"enabled": enabled})
        wire.dial()
        assert self._is_dropped(wire)

    @staticmethod
    def _is_dropped(wire: Wire) -> bool:
        try:
            socket.create_connection(wire.listen, timeout=0.2).close()
        except TimeoutError:
            return True
        return False
