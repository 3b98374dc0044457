package tickhub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.microsoft.signalr.HubConnectionState;
import java.util.Optional;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Beginning and end of connections, and who is behind them. */
class LifeTest {
    @ParameterizedTest
    @EnumSource
    void stoppedByTheClient(Way way) {
        var tag = "java-stop-" + way;
        try (var client = Client.connect("/workhub?tag=" + tag, way)) {
            var id = client.call(String.class, "ConnectionId");
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
            try (var client = Client.to("/workhub?onconnect=" + how, way, null)) {
                client.start();
                var error = client.ends.next().orElseThrow();
                assertTrue(error.getMessage().contains(how.equals("fail") ? "not today" : "not you"),
                    error.getMessage());
            }
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

    @ParameterizedTest
    @EnumSource
    void theConnectionEndsWithTheToken(Way way) {
        try (var client = Client.connect("/expiringhub", way, Host.token("soon", "&lifetime=1"))) {
            assertEquals("x", client.call(String.class, "Echo", "x"));
            client.ends.next();
        }
    }

    @ParameterizedTest
    @EnumSource
    void quietConnectionsStayAlive(Way way) throws InterruptedException {
        // Pings every second, polls of two seconds; a client that heard nothing would have to give up.
        try (var client = Client.to("/quickhub", way, null)) {
            client.hub.setServerTimeout(2_500);
            client.hub.setKeepAliveInterval(1_000);
            client.start();
            Thread.sleep(5_500);
            assertEquals(3, client.call(Integer.class, "Add", 1, 2));
        }
    }
}
