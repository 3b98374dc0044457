"""signalrcore: negotiation version 0, handshake version 0, messages in an order of its own, sudden ends."""

import contextlib

import pytest
from signalrcore.hub.errors import UnAuthorizedHubError

import host
from core import EVENTS, POLLING, SOCKETS, SOCKETS_AT_ONCE, SOCKETS_PACKED, WAYS, Client

every_way = pytest.mark.parametrize("way", WAYS, ids=str)
TEXTS = ["", "Grüße, Привет, 你好, שלום", "👩‍👩‍👧‍👦 𝒳 e\u0301", "\"'\\/<>&\u2028\u2029\ufeff", "line\r\nline\n"]


@every_way
def test_results_and_no_results(way):
    with Client("/workhub", way) as one:
        assert one.call("Nothing") is None
        assert one.call("Null") is None
        assert one.call("Add", -7, 9) == 2
        assert one.call("aDD", 1, 2) == 3
        assert one.call("Transport") == way.transport.value
        assert one.call("Slow", 50, "slowly") == "slowly"


@every_way
def test_text_of_every_kind(way):
    with Client("/workhub", way) as one:
        for text in TEXTS:
            assert one.call("EchoString", text) == text


@every_way
def test_values_of_every_type(way):
    with Client("/workhub", way) as one:
        for method, values in {
            "EchoBool": [True, False],
            "EchoInt": [0, -1, 2**31 - 1, -(2**31)],
            "EchoLong": [2**63 - 1, -(2**63), 2**32],
            "EchoDouble": [0.1, -2.5e-10, 1.7976931348623157e308],
            "EchoMaybe": [7, None],
            "EchoGuid": ["00010203-0405-0607-0706-050403020100"],
            "EchoNumbers": [[], [1, -2, 3]],
            "EchoWords": [["a", None, "ü"]],
            "EchoTable": [[[1.5], [], [2.0, 3.25]]],
            "EchoMap": [{"one": 1, "two": 2}],
            "EchoAny": [None, [1, [2.5, {"deep": [None, True]}]], "text"],
        }.items():
            for value in values:
                assert one.call(method, value) == value, method
        described = one.call("Describe", True, 42, 2.5, "text", None, [1, 2], {"Key": "k", "Value": 3})
        assert described == "yes 42 2.5 text none 1.2 k=3"


@every_way
def test_errors_reach_the_caller_and_the_connection_stays(way):
    with Client("/workhub", way) as one:
        begin = "An unexpected error occurred invoking 'Throw' on the server. "
        assert one.failure("Throw", "hub", 'no "ü"') == begin + 'HubException: no "ü"'
        assert one.failure("Throw", "argument", "x") == begin + "ArgumentException: x"
        unknown = "Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist."
        assert one.failure("Nope") == unknown
        one.failure("Add", 1)
        one.failure("Add", 1, "two")
        assert one.call("Add", 1, 2) == 3


@every_way
def test_calls_one_after_another(way):
    with Client("/workhub", way) as one:
        for number in range(1, 21):
            assert one.call("Take", number, "") == number
        assert one.call("Taken") == list(range(1, 21))


# Over Long Polling this client looks at one message for each answer (test_several_messages_in_one_poll).
several_at_once = pytest.mark.parametrize("way", [SOCKETS, SOCKETS_AT_ONCE, SOCKETS_PACKED, EVENTS], ids=str)


@several_at_once
def test_many_messages_come_in_order(way):
    with Client("/workhub", way) as one:
        fed = one.listen("Fed")
        assert one.call("Burst", 1_000) == 1_000
        assert fed.take(1_000) == [[number, ""] for number in range(1, 1_001)]
        calls = [one.begin("Take", number, "") for number in range(1, 101)]
        assert [one.result(call) for call in calls] == list(range(1, 101))


def test_several_messages_in_one_poll():
    with Client("/workhub", POLLING) as one:
        fed = one.listen("Fed")
        burst = one.begin("Burst", 3)

        def all_was_looked_at():
            # Each further answer makes the client look at one more message of those that it has.
            one.begin("Nothing")
            return one.has_result(burst)

        host.wait_until(all_was_looked_at, "the result")
        assert one.result(burst) == 3
        assert fed.take(3) == [[1, ""], [2, ""], [3, ""]]


@every_way
def test_large_messages(way):
    with Client("/widehub", way) as one:
        assert len(one.call("Repeat", "x", 300_000)) == 300_000
        assert one.call("Length", "y" * 100_000) == 100_000
        for size in [125, 126, 127, 16_384, 65_535, 65_536]:
            assert len(one.call("EchoString", "z" * size)) == size


@several_at_once
def test_selectors_and_groups(way):
    group = f"python-{way}"
    with Client("/workhub", way) as one, Client("/workhub", way) as other:
        other_id = other.call("ConnectionId")
        one.call("Join", group)
        other.call("Join", group)
        for selector, names, excepted in [
            ("Group", [group], []),
            ("GroupExcept", [group], [other_id]),
            ("OthersInGroup", [group], []),
            ("Client", [other_id], []),
        ]:
            one.call("Send", selector, names, excepted, selector)
        assert [one.messages.next() for _ in range(2)] == [["Group"], ["GroupExcept"]]
        assert [other.messages.next() for _ in range(3)] == [["Group"], ["OthersInGroup"], ["Client"]]


@several_at_once
def test_streams(way):
    with Client("/workhub", way) as one:
        assert one.stream("Count", 0, 0) == ([], None)
        assert one.stream("Count", 3, 20) == ([1, 2, 3], None)
        items, error = one.stream("CountThenThrow", 2, "hub", "enough")
        assert items == [1, 2]
        assert error.endswith("enough")
        assert one.stream("Count", 500, 0) == (list(range(1, 501)), None)
        assert one.stream("Gaps") == ([None, "one", None], None)
        pairs = [{"Key": f"k{number}", "Value": number} for number in (1, 2)]
        assert one.stream("Pairs", 2) == (pairs, None)


@pytest.mark.parametrize("way", [SOCKETS, SOCKETS_AT_ONCE, EVENTS, POLLING], ids=str)
def test_uploads(way):
    with Client("/workhub", way) as one:
        uploaded = one.listen("Uploaded")
        one.upload("UploadAndTell", range(1, 101))
        assert uploaded.next() == [5_050]
        one.upload("UploadAndTell", [])
        assert uploaded.next() == [0]


def test_malformed_packed_uploads_end_the_connection():
    # This client leaves the id out of a packed item; that is an error of the protocol, and nothing worse.
    tag = "python-packed-upload"
    with Client(f"/workhub?tag={tag}", SOCKETS_PACKED) as one:
        connection = one.call("ConnectionId")
        # The socket may be gone before the last item is written.
        with contextlib.suppress(Exception):
            one.upload("UploadAndTell", [1, 2])
        host.wait_until(
            lambda: any(entry.startswith(f"disconnected {connection}") for entry in host.journal(tag)),
            "the end of the connection",
        )


@every_way
def test_a_question_that_the_client_does_not_answer(way):
    with Client("/workhub", way) as one:
        asked = one.listen("Ask")
        assert one.call("AskWithin", "Ask", 100) == "no answer in time"
        assert asked.next() == []


@every_way
def test_the_end_by_the_client_has_no_error(way):
    tag = f"python-stop-{way}"
    with Client(f"/workhub?tag={tag}", way) as one:
        connection = one.call("ConnectionId")
    one.closed.next()
    host.wait_for_entry(tag, f"disconnected {connection}")


@several_at_once
def test_the_end_by_the_server_and_a_new_start(way):
    with Client("/workhub", way) as one:
        connection = one.call("ConnectionId")
        one.begin("Abort")
        one.closed.next()
    with Client("/workhub", way) as one:
        assert one.call("ConnectionId") != connection


# Polls of this client carry no token, so over Long Polling it is nobody.
@pytest.mark.parametrize("way", [SOCKETS, SOCKETS_AT_ONCE, SOCKETS_PACKED, EVENTS], ids=str)
def test_a_token_says_who_it_is(way):
    with Client("/workhub", way, token=host.token("python ü", role="admin")) as one:
        assert one.call("UserName") == "python ü"
        assert one.call("AdminOnly", "do it") == "do it"
    with Client("/workhub", way) as one:
        assert one.failure("AdminOnly", "x") == "Failed to invoke 'AdminOnly' because user is unauthorized"


@pytest.mark.parametrize("way", [SOCKETS, EVENTS], ids=str)
def test_the_connection_ends_with_the_token(way):
    with Client("/expiringhub", way, token=host.token("soon", lifetime=2)) as one:
        assert one.call("GetUserNameIdentifier") == "soon"
        one.closed.next()


def test_without_a_token_there_is_no_connection():
    with pytest.raises(Exception) as raised:
        Client("/authorizedhub", SOCKETS).hub.start()
    assert isinstance(raised.value, UnAuthorizedHubError) or "401" in str(raised.value)


@several_at_once
def test_back_after_an_end_by_the_server(way):
    reconnect = {"type": "raw", "keep_alive_interval": 10, "reconnect_interval": 1, "max_attempts": 3}
    with Client("/workhub", way, reconnect=reconnect) as one:
        connection = one.call("ConnectionId")
        one.begin("Abort")
        one.reconnected.next()
        assert one.call("ConnectionId") != connection
        assert one.call("Add", 1, 2) == 3
