"""Decoupled: request and reply over a broker, and no request thread held meanwhile (S5). The package `kombu` knows the brokers.

A request waits for its reply in the event loop, where waiting costs no thread. A few dispatcher threads take requests from
the broker, do them and send the replies. When what they do hangs, they hang, and everybody else keeps their threads: those
who asked still wait, but without holding anything that others need.
"""

from __future__ import annotations

import asyncio
import os
import queue
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from kombu.connection import Connection
from kombu.entity import Queue
from kombu.exceptions import OperationalError
from kombu.messaging import Producer
from kombu.mixins import ConsumerProducerMixin
from prometheus_client.core import GaugeMetricFamily

from flight_search.stability.call import FacilityFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from kombu.message import Message
    from kombu.messaging import Consumer
    from prometheus_client.core import Metric

DISPATCHERS = 8
# How long a broker's client waits at a time: it sees then whether it is to end. Kombu's own brokers, in memory among them, do not wake a
# client, they are looked at so often; by their default of once in a second, each request would take one.
POLL_S = 0.01
ENDED_WITHIN_S = 2.0
TRANSIENT = 1  # a message that need not outlive its broker: nor do those who wait for the reply outlive their process
PATIENCE = {"max_retries": 1, "interval_start": 0.1}  # with a broker that is not there, before a request has failed
Body = dict[str, Any]  # what JSON can say


class Decoupled:
    """Requests and replies over the broker at a URL; as a context manager, it serves. `work` makes a reply of a request, in a dispatcher.

    Several callers, and several processes of one, may share a broker: each process has queues of its own name, because it alone has the
    sockets on which the replies are waited for. A broker may deliver a request twice, when a dispatcher was lost; `work` must take that.
    """

    def __init__(self, name: str, broker: str, work: Callable[[Body], Body]) -> None:
        # A process id alone is not enough: in a container every service is process 1.
        own = f"{name}.{socket.gethostname()}.{os.getpid()}.{uuid4().hex[:8]}"
        self._broker = broker
        self._work = work
        self._requests = _queue(f"{own}.requests")
        self._replies = _queue(f"{own}.replies")
        self._waiting: dict[str, asyncio.Future[Body]] = {}  # by correlation id; of the event loop alone
        self._outgoing: queue.SimpleQueue[tuple[str, Mapping[str, object]] | None] = queue.SimpleQueue()
        self._consumers: list[_Consumer] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        # Before anybody uses them: the broker in memory, when two threads make the same queue at once, may lose what was put into it.
        with Connection(self._broker) as connection:
            connection.ensure_connection(**PATIENCE)
            for one in (self._requests, self._replies):
                one(connection.default_channel).declare()
        self._consumers = [_Consumer(self._broker, self._replies, self._settle)]
        self._consumers += [_Consumer(self._broker, self._requests, self._dispatch) for _ in range(DISPATCHERS)]
        todo: list[tuple[str, Callable[[], None]]] = [("publisher", self._publish), ("replies", self._consumers[0].serve)]
        todo += [(f"dispatcher {number}", one.serve) for number, one in enumerate(self._consumers[1:], 1)]
        # They are daemons, because a dispatcher that hangs in the facility must not keep the process from its end.
        self._threads = [threading.Thread(target=target, name=name, daemon=True) for name, target in todo]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for consumer in self._consumers:
            consumer.should_stop = True
        self._outgoing.put(None)
        for thread in self._threads[:2]:  # the publisher and the replies; for a dispatcher nobody knows how long it would take
            thread.join(ENDED_WITHIN_S)

    async def ask(self, request: Mapping[str, object]) -> Body:
        """Send a request and wait for its reply, however long that takes.

        Raises FacilityFailed when the broker does not take it, and RuntimeError with the words of whatever `work` raised.
        """
        correlation_id, reply = str(uuid4()), self._loop.create_future()
        self._waiting[correlation_id] = reply
        # Sent by a thread of its own: a broker that does not read would block the event loop, and monitoring with it.
        self._outgoing.put((correlation_id, request))
        try:
            answer: Body = await reply
        finally:
            del self._waiting[correlation_id]
        return answer

    def collect(self) -> Iterable[Metric]:
        """Give the metrics; called by prometheus-client."""
        yield GaugeMetricFamily("requests_waiting_for_reply", "Requests that wait for a reply, without a thread", len(self._waiting))

    def _publish(self) -> None:
        more = True
        while more:
            with Connection(self._broker) as connection:
                more = self._publish_by(connection)

    def _publish_by(self, connection: Connection) -> bool:
        """Send requests until the end, and give False; give True when the broker took one no more, so that another connection is needed."""
        producer = Producer(connection)
        while (one := self._outgoing.get()) is not None:
            correlation_id, request = one
            try:
                connection.ensure_connection(**PATIENCE)
                _send(producer, request, self._requests.name, correlation_id, reply_to=self._replies.name)
            except OperationalError as error:
                failed = FacilityFailed(f"the broker {connection.as_uri()} does not take the request: {error}")
                self._loop.call_soon_threadsafe(self._end, correlation_id, failed)
                return True
        return False

    def _dispatch(self, message: Message, consumer: _Consumer) -> None:
        try:
            reply: Body = {"done": self._work(message.payload)}
        except Exception as error:  # noqa: BLE001 - this is the border that the web framework is elsewhere: whoever asked is told, and it goes on
            reply = {"raised": f"{type(error).__name__}: {error}"}
        _send(consumer.producer, reply, message.properties["reply_to"], message.properties["correlation_id"])
        message.ack()  # not before: one that is lost with its dispatcher is delivered again

    def _settle(self, message: Message, _: _Consumer) -> None:
        reply = message.payload
        how = reply["done"] if "done" in reply else RuntimeError(f"a dispatcher had {reply['raised']}")
        self._loop.call_soon_threadsafe(self._end, message.properties["correlation_id"], how)
        message.ack()

    def _end(self, correlation_id: str, how: Body | Exception) -> None:
        """End the wait for a reply; one that nobody waits for any more is dropped."""
        reply = self._waiting.get(correlation_id)
        if reply is None or reply.done():
            return
        if isinstance(how, Exception):
            reply.set_exception(how)
        else:
            reply.set_result(how)


class _Consumer(ConsumerProducerMixin):
    """Takes messages from a queue one at a time, from a thread of its own; connects again when the broker was lost."""

    def __init__(self, broker: str, queue_: Queue, take: Callable[[Message, _Consumer], None]) -> None:
        self.connection = Connection(broker)  # the mixin's; one for each, because a connection is for one thread
        self._queue = queue_
        self._take = take

    def serve(self) -> None:
        """Take messages until `should_stop`."""
        while not self.should_stop:
            with suppress(OperationalError):  # the broker took no reply, so the request is delivered again when it is back
                self.run(safety_interval=POLL_S)  # type: ignore[no-untyped-call]

    def on_connection_revived(self) -> None:
        """Forget by what replies were sent; called by kombu whenever it has connected: what was lost then was lost with it."""
        self._producer_connection = None

    def get_consumers(self, make: Callable[..., Consumer], _: object) -> list[Consumer]:
        """Give the consumer; called by kombu whenever it has connected."""
        # One at a time: a second one would be behind the first, which may hang, while other dispatchers have nothing to do.
        return [make([self._queue], on_message=lambda message: self._take(message, self), accept=["json"], prefetch_count=1)]


def _queue(name: str) -> Queue:
    return Queue(name, durable=True, auto_delete=True)  # it goes with its process


def _send(producer: Producer, body: Mapping[str, object], to: str, correlation_id: str, reply_to: str | None = None) -> None:
    producer.publish(
        dict(body),
        exchange="",
        routing_key=to,
        correlation_id=correlation_id,
        reply_to=reply_to,
        serializer="json",
        delivery_mode=TRANSIENT,
        retry=True,
        retry_policy=PATIENCE,
    )
