package tickhub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.reactivex.rxjava3.core.Single;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Questions of the hub to its clients. */
class QuestionsTest {
    static final class Pair {
        String Key;
        int Value;
    }

    @ParameterizedTest
    @EnumSource
    void answers(Way way) {
        try (var client = Client.connect("/workhub", way)) {
            client.hub.onWithResult("Upper", text -> Single.just(text.toUpperCase(java.util.Locale.ROOT)), String.class);
            client.hub.onWithResult("Later", text -> Single.just(text).delay(50, TimeUnit.MILLISECONDS), String.class);
            client.hub.onWithResult("Swap", pair -> {
                pair.Value = -pair.Value;
                return Single.just(pair);
            }, Pair.class);
            assertEquals("GRÜN", client.call(String.class, "AskCaller", "Upper", "grün"));
            assertEquals("later", client.call(String.class, "AskCaller", "Later", "later"));
            var pair = new Pair();
            pair.Key = "k";
            pair.Value = 4;
            var swapped = client.call(Pair.class, "AskPair", "Swap", pair);
            assertEquals("k", swapped.Key);
            assertEquals(-4, swapped.Value);
        }
    }

    @ParameterizedTest
    @EnumSource
    void anotherConnectionIsAsked(Way way) {
        try (var one = Client.connect("/workhub", way); var other = Client.connect("/workhub", way)) {
            other.hub.onWithResult("Number", () -> Single.just(42));
            var id = other.call(String.class, "ConnectionId");
            assertEquals(42, one.call(Integer.class, "AskNumber", id, "Number"));
        }
    }

    @ParameterizedTest
    @EnumSource
    void answersThatAreErrors(Way way) {
        try (var client = Client.connect("/workhub", way)) {
            client.hub.onWithResult("Fail", text -> Single.error(new IllegalStateException("no idea")), String.class);
            var begin = "An unexpected error occurred invoking 'AskCaller' on the server. HubException: ";
            assertEquals(begin + "no idea", client.failure("AskCaller", "Fail", "x"));
            // What nobody listens to has no types that its arguments could be read as.
            assertEquals(begin + "Client failed to parse argument(s).", client.failure("AskCaller", "Nobody", "x"));
            assertEquals(3, client.call(Integer.class, "Add", 1, 2));
        }
    }

    @ParameterizedTest
    @EnumSource
    void anAnswerThatComesTooLate(Way way) {
        try (var client = Client.connect("/workhub", way)) {
            client.hub.onWithResult("Sleep", () -> Single.just("late").delay(300, TimeUnit.MILLISECONDS));
            assertEquals("no answer in time", client.call(String.class, "AskWithin", "Sleep", 30));
            client.call(String.class, "Slow", 400, "");
            assertTrue(client.ends.isEmpty(), "an answer that nobody waits for ended the connection");
        }
    }
}
