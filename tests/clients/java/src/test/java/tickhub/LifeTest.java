package tickhub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.microsoft.signalr.HubConnectionState;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Beginning and end of connections, and who is behind them. */
class LifeTest {
    @ParameterizedTest
    @EnumSource
    void stoppedByTheClient(Way way) throws InterruptedException {
        var tag = "java-stop-" + way;
        try (var client = Client.connect("/workhub?tag=" + tag, way)) {
            var id = client.call(String.class, "ConnectionId");
            // Its next poll has to be there first: one that comes behind the DELETE is 404, which it takes for an error.
            Thread.sleep(200);
            client.stop();
            assertEquals(Optional.empty(), client.ends.next());
            Host.awaitEntry(tag, "disconnected " + id);
        }
    }

    @ParameterizedTest
    @EnumSource
    void abortedByTheServerAndStartedAgain(Way way) {
        try (var client = Client.connect("/workhub", way)) {
            var id = client.call(String.class, "ConnectionId");
            client.hub.send("Abort");
            client.ends.next();
            Host.await(() -> client.hub.getConnectionState() == HubConnectionState.DISCONNECTED, "the end");
            client.start();
            assertNotEquals(id, client.call(String.class, "ConnectionId"));
            client.call("Send", "Caller", new String[0], new String[0], "handlers stay");
            assertEquals("handlers stay", client.messages.next());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"fail", "refuse"})
    void aHubThatDoesNotWantTheClient(String how) {
        for (var way : Way.values()) {
            var text = how.equals("fail") ? "not today" : "not you";
            assertTrue(Stream.generate(() -> isRefused(how, way, text)).limit(5).anyMatch(told -> told), way.toString());
        }
    }

    /**
     * Whether a client was told why. The Close message comes with the answer to the handshake, and now and then this
     * client takes the end of its socket for one that came before that answer.
     */
    private static boolean isRefused(String how, Way way, String text) {
        try (var client = Client.to("/workhub?onconnect=" + how, way, null)) {
            try {
                client.start();
            } catch (RuntimeException error) {
                assertEquals("Connection closed while waiting for handshake.", error.getMessage());
                return false;
            }
            var error = client.ends.next().orElseThrow();
            assertTrue(error.getMessage().contains(text), error.getMessage());
            return true;
        }
    }

    @ParameterizedTest
    @EnumSource
    void greetedWhileItConnects(Way way) {
        try (var client = Client.to("/workhub?onconnect=greet", way, null)) {
            var welcomes = new Client.Inbox<String>();
            client.hub.on("Welcome", welcomes::add, String.class);
            client.start();
            assertEquals(client.call(String.class, "ConnectionId"), welcomes.next());
        }
    }

    @ParameterizedTest
    @EnumSource
    void aTokenSaysWhoItIs(Way way) {
        try (var client = Client.connect("/authorizedhub", way, Host.token("java%20ü", ""))) {
            assertEquals("java ü", client.call(String.class, "GetUserNameIdentifier"));
        }
        try (var client = Client.connect("/workhub", way, Host.token("root", "&role=admin"))) {
            assertEquals("do it", client.call(String.class, "AdminOnly", "do it"));
        }
        try (var client = Client.connect("/workhub", way)) {
            assertEquals("Failed to invoke 'AdminOnly' because user is unauthorized", client.failure("AdminOnly", "x"));
        }
    }

    @ParameterizedTest
    @EnumSource
    void withoutATokenThereIsNoConnection(Way way) {
        try (var client = Client.to("/authorizedhub", way, null)) {
            assertThrows(Exception.class, client::start);
        }
    }

    @Test
    void theConnectionEndsWithTheToken() {
        var token = Host.token("soon", "&lifetime=2");
        var clients = Stream.of(Way.values()).map(way -> Client.connect("/expiringhub", way, token)).toList();
        for (var client : clients) assertEquals("x", client.call(String.class, "Echo", "x"));
        for (var client : clients) client.ends.next();
        clients.forEach(Client::close);
    }

    @Test
    void quietConnectionsStayAlive() throws InterruptedException {
        // Pings every second, polls of two seconds; a client that heard nothing would have to give up.
        var clients = Stream.of(Way.values()).map(way -> Client.to("/quickhub", way, null)).toList();
        for (var client : clients) {
            client.hub.setServerTimeout(2_500);
            client.hub.setKeepAliveInterval(1_000);
            client.start();
        }
        Thread.sleep(5_500);
        for (var client : clients) assertEquals(3, client.call(Integer.class, "Add", 1, 2));
        clients.forEach(Client::close);
    }
}
