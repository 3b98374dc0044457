"""pysignalr: another reading of the protocol, with WebSockets by the library `websockets`, uploads and client results."""

import asyncio
import contextlib
import functools

import pytest
from pysignalr.client import SignalRClient
from pysignalr.exceptions import AuthorizationError, ServerError
from pysignalr.protocol.json import JSONProtocol
from pysignalr.protocol.messagepack import MessagepackProtocol

import host

# Of one message to the client, in bytes; more than any test sends.
MESSAGE_BYTES_MAX = 4 * 1024 * 1024

every_protocol = pytest.mark.parametrize("protocol", [JSONProtocol, MessagepackProtocol])


class Client:
    """A connection whose calls all end: with an answer, or with a failed test."""

    def __init__(self, path, protocol, token=None):
        factory = None if token is None else lambda: token
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.hub = SignalRClient(
            host.URL + path,
            protocol=protocol(),
            headers=headers,
            access_token_factory=factory,
            max_size=MESSAGE_BYTES_MAX,
        )
        self.opened = asyncio.Event()
        self.running = None
        self.hub.on_open(self._opened)
        self.hub.on_error(self._failed)
        self.messages = self.listen("Message")

    async def __aenter__(self):
        self.running = asyncio.create_task(self.hub.run())
        opened = asyncio.create_task(self.opened.wait())
        await asyncio.wait({self.running, opened}, timeout=host.PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if self.running.done():
            opened.cancel()
            self.running.result()
        assert self.opened.is_set(), "the connection did not open"
        return self

    async def __aexit__(self, *_):
        self.running.cancel()
        with contextlib.suppress(asyncio.CancelledError, ServerError):
            await self.running

    async def _opened(self):
        self.opened.set()

    async def _failed(self, message):
        """Callers look at the error of their own answer."""

    def listen(self, name):
        inbox = asyncio.Queue()
        self.hub.on(name, inbox.put)
        return inbox

    async def call(self, method, *arguments):
        answer = await self.answer(method, *arguments)
        assert not answer.error, answer.error
        return answer.result

    async def failure(self, method, *arguments):
        """The text that the call fails with."""
        answer = await self.answer(method, *arguments)
        assert answer.error, f"{method} succeeded with {answer.result!r}"
        return answer.error

    async def answer(self, method, *arguments):
        answers = asyncio.Queue()
        await self.hub.send(method, list(arguments), answers.put)
        return await take(answers)

    async def stream(self, method, *arguments):
        """The items of a stream, and the error that it ended with."""
        items, ends = asyncio.Queue(), asyncio.Queue()
        await self.hub.stream(method, list(arguments), items.put, ends.put, ends.put)
        end = await take(ends)
        return [items.get_nowait() for _ in range(items.qsize())], end.error


async def take(inbox):
    return await asyncio.wait_for(inbox.get(), host.PATIENCE)


def asynchronous(test):
    @functools.wraps(test)
    def run(*arguments, **named):
        asyncio.run(test(*arguments, **named))

    return run


@every_protocol
@asynchronous
async def test_results_values_and_errors(protocol):
    async with Client("/workhub", protocol) as one:
        assert await one.call("Add", -7, 9) == 2
        assert await one.call("Nothing") is None
        assert await one.call("Transport") == "WebSockets"
        for text in ["", "Grüße, 你好, 👩‍👩‍👧‍👦 𝒳", "\"'\\/<>&\u2028\u0000"]:
            assert await one.call("EchoString", text) == text
        for value in [None, [1, [2.5, {"deep": [None, True]}]], 2**53 - 1, -0.25]:
            assert await one.call("EchoAny", value) == value
        assert (await one.failure("Throw", "hub", "no")).endswith("HubException: no")
        assert (await one.failure("Nope")).endswith("Method does not exist.")
        sums = await asyncio.gather(*(one.call("Add", number, 1) for number in range(100)))
        assert sums == list(range(1, 101))


@every_protocol
@asynchronous
async def test_messages_come_in_order(protocol):
    async with Client("/workhub", protocol) as one:
        fed = one.listen("Fed")
        assert await one.call("Burst", 1_000) == 1_000
        assert [await take(fed) for _ in range(1_000)] == [[number, ""] for number in range(1, 1_001)]
        large = one.listen("Large")
        await one.hub.send("SendLarge", [300_000])
        assert await take(large) == ["x" * 300_000]


@every_protocol
@asynchronous
async def test_groups(protocol):
    group = f"pysignalr-{protocol.__name__}"
    async with Client("/workhub", protocol) as one, Client("/workhub", protocol) as other:
        await one.call("Join", group)
        await other.call("Join", group)
        await one.call("Send", "OthersInGroup", [group], [], "others")
        await one.call("SendMany", group, 2, "n")
        assert [await take(one.messages) for _ in range(2)] == [["n1"], ["n2"]]
        assert [await take(other.messages) for _ in range(3)] == [["others"], ["n1"], ["n2"]]


@every_protocol
@asynchronous
async def test_streams(protocol):
    async with Client("/workhub", protocol) as one:
        assert await one.stream("Count", 0, 0) == ([], None)
        assert await one.stream("Count", 500, 0) == (list(range(1, 501)), None)
        assert await one.stream("Gaps") == ([None, "one", None], None)
        items, error = await one.stream("CountThenThrow", 2, "hub", "enough")
        assert items == [1, 2]
        assert error.endswith("enough")


@every_protocol
@asynchronous
async def test_uploads(protocol):
    async with Client("/workhub", protocol) as one:
        uploaded = one.listen("Uploaded")
        async with one.hub.client_stream("UploadAndTell") as upload:
            for number in range(1, 101):
                await upload.send(number)
        assert await take(uploaded) == [5_050]
        assert await one.call("Add", 1, 2) == 3


@every_protocol
@asynchronous
async def test_questions(protocol):
    async def upper(arguments):
        return arguments[0].upper()

    async def fail(_):
        raise ValueError("no idea")

    async with Client("/workhub", protocol) as one, Client("/workhub", protocol) as other:
        one.hub.on("Upper", upper)
        one.hub.on("Fail", fail)
        assert await one.call("AskCaller", "Upper", "grün") == "GRÜN"
        assert "HubException: " in await one.failure("AskCaller", "Nobody", "x")
        assert "no idea" in await one.failure("AskCaller", "Fail", "x")
        other.hub.on("Number", lambda _: asyncio.sleep(0.02, 42))
        assert await one.call("AskNumber", await other.call("ConnectionId"), "Number") == 42


@every_protocol
@asynchronous
async def test_tokens(protocol):
    async with Client("/authorizedhub", protocol, token=host.token("py")) as one:
        assert await one.call("GetUserNameIdentifier") == "py"
    with pytest.raises(AuthorizationError):
        async with Client("/authorizedhub", protocol):
            pass


@every_protocol
@asynchronous
async def test_ends(protocol):
    tag = f"pysignalr-{protocol.__name__}"
    async with Client(f"/workhub?tag={tag}", protocol) as one:
        connection = await one.call("ConnectionId")
    await asyncio.to_thread(host.wait_for_entry, tag, f"disconnected {connection}")
    with pytest.raises(ServerError, match="not today"):
        async with Client("/workhub?onconnect=fail", protocol) as refused:
            await asyncio.wait_for(refused.running, host.PATIENCE)


@every_protocol
@asynchronous
async def test_back_after_an_end_by_the_server(protocol):
    async with Client("/workhub", protocol) as one:
        connection = await one.call("ConnectionId")
        one.opened.clear()
        await one.hub.send("Abort", [])
        # It knocks with the token of the connection that ended, is told 404, and negotiates once more.
        await asyncio.wait_for(one.opened.wait(), host.PATIENCE)
        assert await one.call("ConnectionId") != connection
