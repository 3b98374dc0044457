package tickhub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import com.microsoft.signalr.TypeReference;
import io.reactivex.rxjava3.core.Observable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Calls of hub methods: results, values of every type, errors, order and size. */
class CallsTest {
    private static final String UNEXPECTED = "An unexpected error occurred invoking '%s' on the server. %s: %s";

    record Pair(String Key, int Value) {}

    @ParameterizedTest
    @EnumSource
    void resultsAndNoResults(Way way) {
        try (var client = Client.connect("/workhub", way)) {
            client.call("Nothing");
            assertEquals(3, client.call(Integer.class, "Add", 1, 2));
            assertEquals(-2, client.call(Integer.class, "aDD", Integer.MAX_VALUE, Integer.MAX_VALUE));
            assertEquals(way.serverName, client.call(String.class, "Transport"));
            assertEquals("slowly", client.call(String.class, "Slow", 50, "slowly"));
            // A `Single` cannot be null, so this client never gives a result that is.
            client.call("Null");
        }
    }

    @ParameterizedTest
    @EnumSource
    void theIdIsTheServers(Way way) {
        try (var client = Client.connect("/workhub", way)) {
            var id = client.call(String.class, "ConnectionId");
            // A client that does not negotiate never learns its id.
            if (way.skipsNegotiation) assertNull(client.hub.getConnectionId());
            else assertEquals(id, client.hub.getConnectionId());
        }
    }

    @ParameterizedTest
    @EnumSource
    void textOfEveryKind(Way way) {
        try (var client = Client.connect("/workhub", way)) {
            for (var text : List.of("", "Grüße, Привет, 你好, שלום", "👩‍👩‍👧‍👦 𝒳 e\u0301", "\"'\\/<>&\u2028\u2029\ufeff",
                    "before\u001eafter\u0000", "line\r\nline\n\r")) {
                assertEquals(text, client.call(String.class, "EchoString", text));
                assertEquals(text.length(), client.call(Integer.class, "Length", text));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void valuesOfEveryType(Way way) {
        try (var client = Client.connect("/workhub", way)) {
            assertEquals(true, client.call(Boolean.class, "EchoBool", true));
            for (var value : new int[] {0, -1, Integer.MIN_VALUE, Integer.MAX_VALUE}) {
                assertEquals(value, client.call(Integer.class, "EchoInt", value));
            }
            assertEquals(Long.MIN_VALUE, client.call(Long.class, "EchoLong", Long.MIN_VALUE));
            for (var value : new double[] {0.1, -2.5e-10, Double.MAX_VALUE, Double.MIN_VALUE}) {
                assertEquals(value, client.call(Double.class, "EchoDouble", value));
            }
            assertEquals(7, client.call(Integer.class, "EchoMaybe", 7));
            assertEquals("00010203-0405-0607-0706-050403020100",
                client.call(String.class, "EchoGuid", "00010203-0405-0607-0706-050403020100"));
            assertEquals("2000-01-01T00:00:00Z", client.call(String.class, "EchoDate", "2000-01-01T00:00:00Z"));
            assertEquals(2, client.call(Integer.class, "EchoColour", 2));
            assertArrayEquals(new int[] {1, -2, 3}, client.call(int[].class, "EchoNumbers", new int[] {1, -2, 3}));
            var table = new double[][] {{1.5}, {}, {2, 3}};
            assertArrayEquals(table, client.call(double[][].class, "EchoTable", (Object) table));
            var words = Arrays.asList("a", null, "ü");
            assertEquals(words, client.call(new TypeReference<List<String>>() {}.getType(), "EchoWords", words));
            var map = Map.of("one", 1, "two", 2);
            assertEquals(map, client.call(new TypeReference<Map<String, Integer>>() {}.getType(), "EchoMap", map));
            assertEquals("yes 42 2.5 text none 1.2 k=3", client.call(String.class, "Describe",
                true, 42, 2.5, "text", null, new int[] {1, 2}, new Pair("k", 3)));
        }
    }

    @ParameterizedTest
    @EnumSource
    void errorsReachTheCallerAndTheConnectionStays(Way way) {
        try (var client = Client.connect("/workhub", way)) {
            assertEquals(UNEXPECTED.formatted("Throw", "HubException", "no \"ü\""),
                client.failure("Throw", "hub", "no \"ü\""));
            assertEquals(UNEXPECTED.formatted("Throw", "SpecialHubException", "x"),
                client.failure("Throw", "custom", "x"));
            assertEquals(UNEXPECTED.formatted("Throw", "ArgumentException", "x"),
                client.failure("Throw", "argument", "x"));
            assertEquals(UNEXPECTED.formatted("ThrowLater", "InvalidOperationException", "late"),
                client.failure("ThrowLater", 20, "late"));
            assertEquals("Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist.",
                client.failure("Nope"));
            client.failure("Add", 1);
            client.failure("Add", 1, "two");
            client.failure("Add", 1, 2, 3);
            assertEquals(3, client.call(Integer.class, "Add", 1, 2));
        }
        try (var client = Client.connect("/quickhub", way)) {
            assertEquals("An unexpected error occurred invoking 'Throw' on the server.",
                client.failure("Throw", "argument", "the password"));
        }
    }

    @ParameterizedTest
    @EnumSource
    void whatIsOnlySentIsDone(Way way) {
        var tag = "java-send-" + way;
        try (var client = Client.connect("/workhub?tag=" + tag, way)) {
            client.hub.send("Notify", "one");
            client.hub.send("Throw", "hub", "nobody hears of it");
            client.hub.send("Notify", "two");
            Host.awaitEntry(tag, "notified two");
            Host.awaitEntry(tag, "notified one");
        }
    }

    @ParameterizedTest
    @EnumSource
    void manyCallsAtOnce(Way way) {
        try (var client = Client.connect("/workhub", way)) {
            var numbers = IntStream.rangeClosed(1, 300).boxed().toList();
            var calls = numbers.stream()
                .map(number -> client.hub.invoke(Integer.class, "Take", number, "").toObservable())
                .toList();
            var lengths = Observable.concatEager(calls).timeout(10, TimeUnit.SECONDS).toList().blockingGet();
            var taken = Arrays.stream(client.call(int[].class, "Taken")).boxed().toList();
            // This client makes several POSTs at once, and whichever comes first is done first.
            if (way != Way.LONG_POLLING) assertEquals(numbers, taken);
            assertEquals(numbers, taken.stream().sorted().toList());
            assertEquals(numbers, lengths.stream().sorted().toList());
        }
    }

    @ParameterizedTest
    @EnumSource
    void largeMessagesBothWays(Way way) {
        try (var client = Client.connect("/widehub", way)) {
            assertEquals(1_000_000, client.call(String.class, "Repeat", "x", 1_000_000).length());
            assertEquals(900_000, client.call(Integer.class, "Length", "y".repeat(900_000)));
            var around = new ArrayList<Integer>();
            for (var size : List.of(125, 126, 127, 4_095, 4_096, 16_384, 65_535, 65_536)) {
                around.add(client.call(String.class, "EchoString", "z".repeat(size)).length());
            }
            assertEquals(List.of(125, 126, 127, 4_095, 4_096, 16_384, 65_535, 65_536), around);
        }
    }
}
