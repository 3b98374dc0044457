"""signalrcore, set up the way the tests want it: every call ends, with an answer or with a failed test."""

import logging
import threading
import uuid

from signalrcore.hub_connection_builder import HubConnectionBuilder
from signalrcore.subject import Subject
from signalrcore.types import HttpTransportType, HubProtocolEncoding

import host


class Way:
    """How a client reaches its hub."""

    def __init__(self, transport, protocol=HubProtocolEncoding.text, skip_negotiation=False):
        self.transport = transport
        self.protocol = protocol
        self.skip_negotiation = skip_negotiation

    def __str__(self):
        negotiated = "-unnegotiated" if self.skip_negotiation else ""
        return f"{self.transport.value}-{self.protocol.value}{negotiated}"


SOCKETS = Way(HttpTransportType.web_sockets)
SOCKETS_AT_ONCE = Way(HttpTransportType.web_sockets, skip_negotiation=True)
SOCKETS_PACKED = Way(HttpTransportType.web_sockets, HubProtocolEncoding.binary)
EVENTS = Way(HttpTransportType.server_sent_events)
POLLING = Way(HttpTransportType.long_polling)
WAYS = [SOCKETS, SOCKETS_AT_ONCE, SOCKETS_PACKED, EVENTS, POLLING]

# A message to itself that stops the thread that reads.
HOLD = "hold"


class CallFailed(Exception):
    pass


class Client:
    def __init__(self, path, way, token=None, reconnect=None):
        options = {"transport": way.transport, "skip_negotiation": way.skip_negotiation}
        if token is not None:
            options["access_token_factory"] = lambda: token
        builder = HubConnectionBuilder().with_url(host.URL + path, options=options).with_hub_protocol(way.protocol)
        builder.configure_logging(logging.CRITICAL)
        if reconnect is not None:
            builder.with_automatic_reconnect(reconnect)
        self.hub = builder.build()
        self.opened = host.Inbox()
        self.closed = host.Inbox()
        self.reconnected = host.Inbox()
        self._answers = {}
        self.hub.on_open(lambda: self.opened.put(True))
        self.hub.on_close(lambda: self.closed.put(True))
        self.hub.on_reconnect(lambda: self.reconnected.put(True))
        self.hub.on_error(self._failed)
        self.messages = host.Inbox()
        self.hub.on("Message", self._message)
        self._subscribed = threading.Event()

    def __enter__(self):
        self.hub.start()
        self.opened.next()
        return self

    def __exit__(self, *_):
        if self.hub.transport.is_connected():
            # This client closes its socket under the thread that reads from it, and `stop` waits for that thread: until
            # the server says something.
            self.begin("Slow", 200, "")
        self.hub.stop()

    def listen(self, name):
        inbox = host.Inbox()
        self.hub.on(name, inbox.put)
        return inbox

    def call(self, method, *arguments):
        return self.result(self.begin(method, *arguments))

    def begin(self, method, *arguments):
        """Starts a call whose `result` is asked for later."""
        call = str(uuid.uuid4())
        self._answers[call] = host.Inbox()
        self.hub.send(method, list(arguments), self._answers[call].put, call)
        return call

    def result(self, call):
        answer = self._answers[call].next()
        if answer.error:
            raise CallFailed(answer.error)
        return answer.result

    def has_result(self, call):
        return not self._answers[call].empty()

    def failure(self, method, *arguments):
        """The text that the call fails with."""
        try:
            value = self.call(method, *arguments)
        except CallFailed as error:
            return str(error)
        raise AssertionError(f"{method} succeeded with {value!r}")

    def stream(self, method, *arguments):
        """The items of a stream, and the error that it ended with."""
        items = []
        ends = host.Inbox()
        # This client asks for a stream before anybody can subscribe to it; the thread that reads has to wait so long.
        self._subscribed.clear()
        self.begin("Send", "Caller", [], [], HOLD)
        stream = self.hub.stream(method, list(arguments))
        self._answers[stream.invocation_id] = ends
        stream.subscribe({"next": items.append, "complete": ends.put, "error": ends.put})
        self._subscribed.set()
        return items, ends.next().error

    def _message(self, arguments):
        if arguments == [HOLD]:
            self._subscribed.wait(host.PATIENCE)
        else:
            self.messages.put(arguments)

    def upload(self, method, items):
        subject = Subject()
        self.hub.send(method, subject)
        for item in items:
            subject.next(item)
        subject.complete()

    def _failed(self, message):
        self._answers[message.invocation_id].put(message)
