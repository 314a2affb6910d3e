"""Decoupled: request and reply over a broker, without a request thread in between (S5). The package `kombu` speaks to the brokers.

A request waits for its reply in the event loop, where waiting costs no thread. A few dispatcher threads take requests from
the broker, run them and send the replies. If a run hangs, only its dispatcher hangs: requests then wait for a reply, but
hold nothing that other requests need.
"""

from __future__ import annotations

import asyncio
import os
import queue
import socket
import threading
import traceback
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
# How long a consumer waits for a message before it checks whether it should stop. It is also how often kombu's own brokers, such as the
# one in memory, are polled: they cannot wake a consumer, and with kombu's default of a second each request would take that long.
POLL_S = 0.01
JOIN_TIMEOUT_S = 2.0
TRANSIENT = 1  # AMQP's delivery mode: a message need not survive its broker, as the request that waits for it does not survive its process
BROKER_RETRIES = {"max_retries": 1, "interval_start": 0.1}  # before a request fails because the broker is gone
Body = dict[str, Any]  # a JSON object


class Decoupled:
    """Requests and replies over the broker at a URL; a context manager that serves. `work` turns a request into a reply, in a dispatcher.

    Several callers, and several processes of one, may share a broker: each process has queues of its own, because only it has the
    sockets of the requests that wait for replies. A broker may deliver a request twice if a dispatcher was lost; `work` must allow that.
    """

    def __init__(self, name: str, broker: str, work: Callable[[Body], Body]) -> None:
        # A process id alone is not unique: in containers every service is process 1.
        unique = f"{name}.{socket.gethostname()}.{os.getpid()}.{uuid4().hex[:8]}"
        self._broker = broker
        self._work = work
        self._requests = _queue(f"{unique}.requests")
        self._replies = _queue(f"{unique}.replies")
        self._waiting: dict[str, asyncio.Future[Body]] = {}  # by correlation id; used by the event loop alone
        self._outgoing: queue.SimpleQueue[tuple[str, Mapping[str, object]] | None] = queue.SimpleQueue()
        self._consumers: list[_Consumer] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        # Before any thread uses them: if two threads declare the same queue of the in-memory broker at once, its messages may be lost.
        with Connection(self._broker) as connection:
            connection.ensure_connection(**BROKER_RETRIES)
            for declared in (self._requests, self._replies):
                declared(connection.default_channel).declare()
        self._consumers = [_Consumer(self._broker, self._replies, self._settle)]
        self._consumers += [_Consumer(self._broker, self._requests, self._dispatch) for _ in range(DISPATCHERS)]
        targets: list[tuple[str, Callable[[], None]]] = [("publisher", self._publish), ("replies", self._consumers[0].serve)]
        targets += [(f"dispatcher {number}", consumer.serve) for number, consumer in enumerate(self._consumers[1:], 1)]
        # Daemons, because a dispatcher that hangs in the facility must not keep the process from ending.
        self._threads = [threading.Thread(target=target, name=name, daemon=True) for name, target in targets]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for consumer in self._consumers:
            consumer.should_stop = True
        self._outgoing.put(None)
        for thread in self._threads[:2]:  # the publisher and the replies; a dispatcher may hang for ever
            thread.join(JOIN_TIMEOUT_S)

    async def ask(self, request: Mapping[str, object]) -> Body:
        """Send a request and return its reply, however long that takes.

        Raises FacilityFailed if the broker does not take the request, and RuntimeError with the message of whatever `work` raised.
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
        """Yield the metrics; called by prometheus-client."""
        yield GaugeMetricFamily("requests_waiting_for_reply", "Requests that wait for a reply, without a thread", len(self._waiting))

    def _publish(self) -> None:
        more = True
        while more:
            with Connection(self._broker) as connection:
                more = self._publish_by(connection)

    def _publish_by(self, connection: Connection) -> bool:
        """Send requests until the end; return True if the broker took one no more, so that a new connection is needed."""
        producer = Producer(connection)
        while (outgoing := self._outgoing.get()) is not None:
            correlation_id, request = outgoing
            try:
                connection.ensure_connection(**BROKER_RETRIES)
                _send(producer, request, self._requests.name, correlation_id, reply_to=self._replies.name)
            except OperationalError as error:
                failed = FacilityFailed(f"the broker {connection.as_uri()} does not take the request: {error}")
                self._loop.call_soon_threadsafe(self._end, correlation_id, failed)
                return True
        return False

    def _dispatch(self, message: Message, consumer: _Consumer) -> None:
        try:
            reply: Body = {"done": self._work(message.payload)}
        except Exception as error:  # noqa: BLE001 - a border, as the web framework is elsewhere: the error goes to the request, and the dispatcher goes on
            traceback.print_exception(error)  # the request gets its name only
            reply = {"raised": f"{type(error).__name__}: {error}"}
        _send(consumer.producer, reply, message.properties["reply_to"], message.properties["correlation_id"])
        message.ack()  # not before: a request that is lost with its dispatcher is delivered again

    def _settle(self, message: Message, _: _Consumer) -> None:
        reply = message.payload
        ending = reply["done"] if "done" in reply else RuntimeError(f"a dispatcher had {reply['raised']}")
        self._loop.call_soon_threadsafe(self._end, message.properties["correlation_id"], ending)
        message.ack()

    def _end(self, correlation_id: str, ending: Body | Exception) -> None:
        """End the wait for a reply; a reply that no request waits for any more is dropped."""
        reply = self._waiting.get(correlation_id)
        if reply is None or reply.done():
            return
        if isinstance(ending, Exception):
            reply.set_exception(ending)
        else:
            reply.set_result(ending)


class _Consumer(ConsumerProducerMixin):
    """Takes messages from a queue one at a time, in a thread of its own; reconnects when the broker was lost."""

    def __init__(self, broker: str, queue_: Queue, take: Callable[[Message, _Consumer], None]) -> None:
        self.connection = Connection(broker)  # the mixin's; one for each consumer, because a connection is for one thread
        self._queue = queue_
        self._take = take

    def serve(self) -> None:
        """Take messages until `should_stop`."""
        while not self.should_stop:
            with suppress(OperationalError):  # the broker took no reply, so it delivers the request again when it is back
                self.run(safety_interval=POLL_S)  # type: ignore[no-untyped-call]

    def on_connection_revived(self) -> None:
        """Forget the producer's connection; called by kombu after each connect: the old one was lost with the broker's."""
        self._producer_connection = None

    def get_consumers(self, make: Callable[..., Consumer], _: object) -> list[Consumer]:
        """Return the consumer; called by kombu after each connect."""
        # One message at a time: a second would wait behind the first, which may hang, while other dispatchers are idle.
        return [make([self._queue], on_message=lambda message: self._take(message, self), accept=["json"], prefetch_count=1)]


def _queue(name: str) -> Queue:
    return Queue(name, durable=True, auto_delete=True)  # it is deleted when its process ends


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
        retry_policy=BROKER_RETRIES,
    )
