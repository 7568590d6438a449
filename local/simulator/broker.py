"""An AMQP 1.0 server that is Service Bus to the unmodified azure-servicebus SDKs.

proton is the protocol engine, asyncio moves the bytes, and the queues are those of
`local.simulator.message_queue`. It serves one queue and its `<queue>/$DeadLetterQueue`,
with `$cbs` (any token is accepted) and `<queue>/$management`.
"""

import asyncio
import logging
import ssl
import time
import uuid
from collections import Counter
from typing import Any, cast

from proton import (
    Collector,
    Condition,
    Connection,
    Delivery,
    Disposition,
    Endpoint,
    Event,
    Link,
    Message,
    ProtonException,
    Transport,
    int32,
    symbol,
)

from local.simulator.amqp import FramePadder, decode_sent, encode_delivery
from local.simulator.management import LOCK_LOST, manage
from local.simulator.message_queue import (
    MAX_BACKLOG_MESSAGES,
    Entry,
    MessageQueue,
    Outcome,
)

log = logging.getLogger(__name__)

CBS = "$cbs"
FROM_KEY = "SharedAccessSignature "
"""How a token begins that a client makes with a key; others are from Entra ID."""
MANAGEMENT = "/$management"
DEAD_LETTERS = "/$DeadLetterQueue"

IDLE_SECONDS = 240
"""Service Bus drops a connection that is silent for 4 minutes."""

MAX_FRAME_BYTES = 65_536
"""Service Bus's own frame size (AMQP 1.0 in Azure Service Bus, protocol guide)."""

SENDER_CREDIT = 1_000
"""Messages that a client may send before the queue has accepted them."""

TIMER_SECONDS = 0.1
"""How late the broker may notice that a lock has ended."""

_LOST_TEXT = (
    "The lock supplied is invalid. Either the lock expired, or the message has "
    "already been removed from the queue."
)
# A client of IRIS has rights on its own queue alone. Service Bus does not tell it
# whether there is another (Azure/azure-sdk-for-net issue 24289).
_NO_CLAIM_TEXT = (
    "Unauthorized access. 'Listen' claim(s) are required to perform this operation. "
    "Resource: '{}'."
)


class Broker:
    """The queues, the connected clients, and the faults that are switched on."""

    def __init__(
        self, queue: str, lock_seconds: float = 60.0, max_deliveries: int = 5
    ) -> None:
        """Listens to nobody yet.

        Args:
            queue: The name of the queue; several are separated by commas, and the feed
                fills the first.
            lock_seconds: How long a receiver holds a message.
            max_deliveries: Deliveries before a message is a dead letter.
        """
        self._queues: dict[str, MessageQueue] = {}
        for name in queue.split(","):
            letters = MessageQueue(name + DEAD_LETTERS, lock_seconds, max_deliveries)
            one = MessageQueue(name, lock_seconds, max_deliveries, letters)
            self._queues |= {part.name.lower(): part for part in (one, letters)}
        self.queue, self.dead_letters, *_ = self._queues.values()
        self.peers: set[Peer] = set()
        self.sent: Counter[str] = Counter()  # messages enqueued, by subject
        self.refuse = False
        self.one_client = False
        self.clock_seconds = 0.0
        self.room = asyncio.Event()
        self._mute = False
        self._server: asyncio.Server | None = None
        self._timer: asyncio.Task[None] | None = None

    async def start(
        self, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> int:
        """Listens; returns the port (a free one for port 0).

        Args:
            host: The address to listen on.
            port: 0 for any free one.
            tls: For connections with TLS, as Service Bus has; None for plain ones.

        Raises:
            OSError: It cannot listen there.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Peer(self), host, port, ssl=tls)
        self._timer = asyncio.create_task(self._run_timer())
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Closes the port and every connection."""
        if self._timer is not None:
            self._timer.cancel()
        if self._server is not None:
            self._server.close()
        self.drop()

    def find_queue(self, name: str) -> MessageQueue | None:
        """The queue of that name (Service Bus ignores case), None if there is none."""
        return self._queues.get(name.lower())

    def put(self, message: Message, queue: MessageQueue | None = None) -> int:
        """Enqueues a message, and delivers it if a consumer is waiting.

        Args:
            message: The message.
            queue: By default the one that the feed fills.

        Returns:
            Its sequence number.
        """
        size_bytes = len(message.body) if isinstance(message.body, bytes) else 0
        entry = (queue or self.queue).put(message, size_bytes, self.now())
        self.sent[message.subject or "unknown"] += 1
        self.pump()
        return entry.sequence

    async def wait_for_room(self) -> None:
        """Returns once the queue's backlog is below its limit."""
        while not self.queue.has_room():
            self.room.clear()
            await self.room.wait()

    def pump(self) -> None:
        """Delivers ready messages to the clients with credit, one message each in turn.

        So two clients share a queue about evenly, as with Service Bus.
        """
        if self._mute:
            return
        turns = sorted(self.peers, key=lambda peer: peer.served_seconds)
        share = 1 if len(turns) > 1 else MAX_BACKLOG_MESSAGES
        while sum([peer.deliver(share) for peer in turns]):
            pass
        if self.queue.has_room():
            self.room.set()

    # Faults, for tests of how clients handle them.

    def now(self) -> float:
        """Its own clock, in seconds since the epoch."""
        return time.time() + self.clock_seconds

    def set_lock_seconds(self, lock_seconds: float) -> None:
        """Sets how long locks last that are taken or renewed from now on."""
        for queue in self._queues.values():
            queue.lock_seconds = lock_seconds

    @property
    def mute(self) -> bool:
        """Whether it is frozen: connections stay open, nothing is read or answered."""
        return self._mute

    @mute.setter
    def mute(self, mute: bool) -> None:
        self._mute = mute
        for peer in list(self.peers):
            peer.freeze(mute)
        self.pump()

    def drop(self) -> int:
        """Cuts every TCP connection without notice; returns how many."""
        return sum(peer.drop() for peer in list(self.peers))

    def detach(self) -> int:
        """Force-detaches every consumer, as Service Bus does with idle ones."""
        return sum(peer.detach() for peer in list(self.peers))

    def close(self) -> int:
        """Closes every connection with a reason, as before an upgrade."""
        return sum(peer.close() for peer in list(self.peers))

    async def _run_timer(self) -> None:
        """Ends locks on time and sends heartbeats."""
        while True:
            await asyncio.sleep(TIMER_SECONDS)
            now = self.now()
            if sum(queue.expire(now) for queue in self._queues.values()):
                self.pump()
            for peer in list(self.peers):
                peer.work()


class Peer(asyncio.Protocol):
    """One client's connection: bytes to protocol events, events to the queues."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.socket: asyncio.Transport | None = None
        self.engine = Transport(Transport.SERVER)
        self.engine.max_frame_size = MAX_FRAME_BYTES
        self.engine.idle_timeout = IDLE_SECONDS
        self.connection = Connection()
        self.collector = Collector()
        self.connection.collect(self.collector)
        self.engine.bind(self.connection)
        self._padder = FramePadder()
        self._consumers: list[Link] = []
        self._replies: dict[str, Link] = {}  # address of a request link -> its answers
        self.served_seconds = 0.0  # when it last got a message, on time.monotonic
        self._token = ""  # the last one put to $cbs
        self._working = False

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accepts a client, unless connections are refused."""
        self.socket = cast(asyncio.Transport, transport)
        if self.broker.refuse:
            self.socket.abort()
            return
        self.broker.peers.add(self)
        self.freeze(self.broker.mute)

    def data_received(self, data: bytes) -> None:
        """Passes bytes to the protocol engine as fast as it accepts them."""
        while data:
            capacity = self.engine.capacity()
            if capacity <= 0:  # the engine has closed after an error
                return
            try:
                self.engine.push(data[:capacity])
            except ProtonException as error:
                log.warning("connection ended: %s", error)
                self.drop()
                return
            data = data[capacity:]
            self.work()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the client; its locks go on until their time is over."""
        self.broker.peers.discard(self)
        self.socket = None
        self._consumers.clear()
        self._replies.clear()

    def freeze(self, frozen: bool) -> None:
        """Stops or resumes reading from the client."""
        if self.socket is None:
            return
        if frozen:
            self.socket.pause_reading()
        else:
            self.socket.resume_reading()

    def drop(self) -> bool:
        if self.socket is None:
            return False
        self.socket.abort()
        return True

    def work(self) -> None:
        """Handles the engine's events, then writes its output."""
        if self._working or self.socket is None or self.broker.mute:
            return
        if self.socket.is_closing():  # after an error, its event is still there
            return
        self._working = True
        try:
            self.engine.tick(time.monotonic())
            while (event := self.collector.peek()) is not None:
                event.dispatch(self)
                self.collector.pop()
            self._flush()
        except UnicodeDecodeError as error:  # a name, decoded when it is read
            log.warning("connection ended: %s", error)
            self.drop()
        finally:
            self._working = False

    def _flush(self) -> None:
        while self.socket is not None and (pending := self.engine.pending()) > 0:
            output = self.engine.peek(pending)
            self.engine.pop(len(output))
            self.socket.write(self._padder.feed(bytes(output)))
        if self.socket is not None and self.engine.pending() < 0:
            self.socket.close()  # the engine has sent its close

    # connections, sessions and links

    def on_connection_remote_open(self, event: Event) -> None:
        self.connection.container = "iris-simulator"
        self.connection.open()

    def on_session_remote_open(self, event: Event) -> None:
        event.session.open()

    def on_link_remote_open(self, event: Event) -> None:
        """Answers an attach; detaches with a reason if it is not allowed."""
        link = event.link
        link.source.copy(link.remote_source)
        link.target.copy(link.remote_target)
        link.snd_settle_mode = link.remote_snd_settle_mode
        link.rcv_settle_mode = link.remote_rcv_settle_mode
        terminus = link.remote_source if link.is_sender else link.remote_target
        link.node = _entity_path(terminus.address or "")
        link.open()
        refusal = self._refusal(link.node)
        if refusal is not None:
            _close_with(link, *refusal)
        elif link.is_receiver:
            link.flow(SENDER_CREDIT)
        elif self.broker.find_queue(link.node) is None:
            self._replies[link.node] = link
        else:
            self._consumers.append(link)

    def _refusal(self, node: str) -> tuple[str, str] | None:
        """The condition and text if an attach to `node` is not allowed."""
        if node == CBS:
            return None
        if self.broker.find_queue(node.removesuffix(MANAGEMENT)) is None:
            if self._token and not self._token.startswith(FROM_KEY):
                return "amqp:unauthorized-access", _NO_CLAIM_TEXT.format(node)
            text = f"The messaging entity '{node}' could not be found."
            return "amqp:not-found", text
        if not self._token:
            return "amqp:unauthorized-access", "Put a token to $cbs first."
        if self.broker.one_client and self._is_another(node):
            text = f"The maximum number of receivers of '{node}' is reached."
            return "amqp:resource-limit-exceeded", text
        return None

    def _is_another(self, node: str) -> bool:
        """Whether an attach to this queue makes a second consumer of it."""
        consumed = {link.node for peer in self.broker.peers for link in peer._consumers}
        return node in consumed

    def on_link_remote_close(self, event: Event) -> None:
        self._forget(event.link)
        event.link.close()

    def on_link_remote_detach(self, event: Event) -> None:
        """Answers a detach that would let the link come back: closes it."""
        self.on_link_remote_close(event)

    def _forget(self, link: Link) -> None:
        if link in self._consumers:
            self._consumers.remove(link)
        self._replies = {
            k: reply for k, reply in self._replies.items() if reply != link
        }

    def on_session_remote_close(self, event: Event) -> None:
        for link in [*self._consumers, *self._replies.values()]:
            if link.session == event.session:
                self._forget(link)
        event.session.close()

    def on_connection_remote_close(self, event: Event) -> None:
        event.connection.close()

    def on_transport_error(self, event: Event) -> None:
        """Logs why a connection failed (idle client, broken frames)."""
        log.info("connection ended: %s", event.transport.condition)

    def detach(self) -> int:
        """Force-detaches this client's consumers; returns how many."""
        consumers, self._consumers = self._consumers, []
        for link in consumers:
            _close_with(link, "amqp:link:detach-forced", "The link is force detached.")
        self.work()
        return len(consumers)

    def close(self) -> bool:
        self._consumers = []
        _close_with(
            self.connection, "amqp:connection:forced", "The broker closes connections."
        )
        self.work()
        return True

    # deliveries to consumers

    def on_link_flow(self, event: Event) -> None:
        """New credit: delivers."""
        if event.link in self._consumers:
            self.broker.pump()

    def deliver(self, limit: int) -> int:
        """Delivers to this client's consumers what their credit and `limit` allow.

        Returns:
            The number of messages delivered.
        """
        now, left = self.broker.now(), limit
        for link in self._consumers:
            queue = self.broker.find_queue(link.node)
            if queue is None or not _is_open(link):
                continue
            while left and link.credit > 0 and (entry := queue.take(now)) is not None:
                self._send(link, queue, entry, now)
                self.served_seconds, left = time.monotonic(), left - 1
            if link.drain_mode:
                link.drained()
        self.work()
        return limit - left

    def _send(self, link: Link, queue: MessageQueue, entry: Entry, now: float) -> None:
        # The SDK reads the lock token from the delivery tag, in .NET's byte order.
        delivery = link.delivery(entry.token.bytes_le)
        link.stream(encode_delivery(entry))
        link.advance()
        if link.remote_snd_settle_mode == Link.SND_SETTLED:  # receive-and-delete
            queue.settle(entry.token, Outcome.COMPLETE, now)
            delivery.settle()
        else:
            delivery.token = entry.token

    def on_delivery(self, event: Event) -> None:
        """Handles a settlement from a consumer, or a message or request."""
        delivery, link = event.delivery, event.link
        if link.is_sender:
            if delivery.updated:
                self._settle(delivery, link)
        elif delivery.readable and not delivery.partial:
            transfer = bytes(link.recv(delivery.pending))
            link.advance()
            delivery.update(self._receive(link.node, transfer))
            delivery.settle()
            link.flow(1)

    def _settle(self, delivery: Delivery, link: Link) -> None:
        """Applies a consumer's outcome and answers it, as the SDK waits for it."""
        queue = self.broker.find_queue(link.node)
        outcome = _outcome(delivery)
        if queue is None or outcome is None:
            if delivery.settled:
                delivery.settle()
            return
        now = self.broker.now()
        if queue.settle(delivery.token, outcome, now, *_dead_letter_texts(delivery)):
            delivery.update(delivery.remote_state)
        else:
            delivery.local.condition = Condition(LOCK_LOST, _LOST_TEXT)
            delivery.update(Delivery.REJECTED)
        delivery.settle()
        if outcome is not Outcome.COMPLETE:
            self.broker.pump()  # the message may be ready again, or a dead letter

    # messages and requests from the client

    def _receive(self, node: str, transfer: bytes) -> Disposition:
        try:
            messages = decode_sent(transfer)
        except ProtonException as error:
            log.warning("refused a transfer that is not a message: %s", error)
            return Delivery.REJECTED
        if node == CBS:
            self._token = str(messages[0].body)
            status = {"status-code": int32(202), "status-description": "Accepted"}
            self._answer(node, messages[0], status, None)
        elif node.endswith(MANAGEMENT):
            self._manage(node, messages[0])
        else:
            for message in messages:
                self.broker.put(message)
        return Delivery.ACCEPTED

    def _answer(
        self, node: str, request: Message, properties: dict[str, Any], body: object
    ) -> None:
        reply = self._replies.get(node)
        if reply is None or not _is_open(reply):
            return
        message = Message(body=body, correlation_id=request.id, properties=properties)
        reply.send(message, tag=uuid.uuid4().hex[:8]).settle()

    def _manage(self, node: str, request: Message) -> None:
        """Answers one request to a queue's management node."""
        queue = self.broker.find_queue(node.removesuffix(MANAGEMENT))
        if queue is None:
            return  # such a link was not accepted
        operation = str((request.properties or {}).get("operation"))
        now = self.broker.now()
        status, error, body = manage(queue, operation, request.body, now)
        properties: dict[str, Any] = {
            "statusCode": int32(status),
            "statusDescription": error or "OK",
        }
        if error:
            properties["errorCondition"] = symbol(error)
        self._answer(node, request, properties, body)
        self.broker.pump()


def _outcome(delivery: Delivery) -> Outcome | None:
    """The outcome of a consumer's disposition; None while it is not final."""
    state = delivery.remote_state
    if state == Delivery.MODIFIED:
        return Outcome.DEFER if delivery.remote.undeliverable else Outcome.ABANDON
    return {
        Delivery.ACCEPTED: Outcome.COMPLETE,
        Delivery.RELEASED: Outcome.RELEASE,
        Delivery.REJECTED: Outcome.DEAD_LETTER,
    }.get(state)


def _dead_letter_texts(delivery: Delivery) -> tuple[str | None, str | None]:
    """Reason and description of a rejection; None where there is none."""
    if delivery.remote_state != Delivery.REJECTED or not delivery.remote.condition:
        return None, None
    given = delivery.remote.condition.info or {}
    info = {str(key): text for key, text in given.items()}
    return info.get("DeadLetterReason"), info.get("DeadLetterErrorDescription")


def _entity_path(address: str) -> str:
    """The queue of an address: `amqps://host/queue`, or `queue` alone."""
    _, scheme, rest = address.partition("://")
    return rest.partition("/")[2] if scheme else address


def _is_open(link: Link) -> bool:
    both = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE
    return bool(link.state & both == both)


def _close_with(endpoint: Endpoint, condition: str, text: str) -> None:
    """Closes a link or connection with an error.

    It needs the info map: the SDK reads an error's three fields by position.
    """
    info = {symbol("tracking-id"): uuid.uuid4().hex}
    endpoint.condition = Condition(condition, text, info)
    endpoint.close()
