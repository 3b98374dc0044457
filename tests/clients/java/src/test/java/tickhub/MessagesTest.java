package tickhub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Calls of client methods: several arguments, order, and whom they reach. */
class MessagesTest {
    private static final String[] NOBODY = {};

    /** A class, because the client's JSON library fills the fields of what it made. */
    static final class CustomObject {
        String Name;
        int Value;
    }

    @ParameterizedTest
    @EnumSource
    void theyComeInOrderWithAllTheirArguments(Way way) {
        try (var client = Client.connect("/workhub", way)) {
            var numbers = new Client.Inbox<Integer>();
            var paddings = new Client.Inbox<String>();
            client.hub.on("Fed", (number, padding) -> {
                numbers.add(number);
                paddings.add(padding);
            }, Integer.class, String.class);
            assertEquals(1_000, client.call(Integer.class, "Burst", 1_000));
            assertEquals(IntStream.rangeClosed(1, 1_000).boxed().toList(), numbers.take(1_000));
            paddings.take(1_000);
            client.call("Feed", 100, 0, 50);
            assertEquals(IntStream.rangeClosed(1, 100).boxed().toList(), numbers.take(100));
            assertTrue(paddings.take(100).stream().allMatch("x".repeat(50)::equals));
        }
    }

    @ParameterizedTest
    @EnumSource
    void objectsAndLargeTexts(Way way) {
        try (var client = Client.connect("/testhub", way)) {
            var objects = new Client.Inbox<CustomObject>();
            client.hub.on("CustomObject", objects::add, CustomObject.class);
            var sent = new CustomObject();
            sent.Name = "Grüße";
            sent.Value = -5;
            client.call("SendCustomObject", sent);
            var received = objects.next();
            assertEquals("Grüße", received.Name);
            assertEquals(-5, received.Value);
            client.call("InvokeWithString", "to you");
            assertEquals("to you", client.messages.next());
        }
        try (var client = Client.connect("/workhub", way)) {
            var large = new Client.Inbox<String>();
            client.hub.on("Large", large::add, String.class);
            client.call("SendLarge", 500_000);
            assertEquals("x".repeat(500_000), large.next());
        }
    }

    @ParameterizedTest
    @EnumSource
    void selectorsReachWhomTheyName(Way way) {
        try (var one = Client.connect("/workhub", way, Host.token("ann-" + way, ""));
                var two = Client.connect("/workhub", way, Host.token("bo-" + way, ""));
                var three = Client.connect("/workhub", way, Host.token("bo-" + way, ""))) {
            var group = "java-" + way;
            var id = two.call(String.class, "ConnectionId");
            one.call("Join", group);
            two.call("Join", group);
            one.call("Send", "Caller", NOBODY, NOBODY, "caller");
            one.call("Send", "Client", new String[] {id}, NOBODY, "client");
            one.call("Send", "Group", new String[] {group}, NOBODY, "group");
            one.call("Send", "GroupExcept", new String[] {group}, new String[] {id}, "group except");
            one.call("Send", "OthersInGroup", new String[] {group}, NOBODY, "others in group");
            one.call("Send", "User", new String[] {"bo-" + way}, NOBODY, "user");
            two.call("Leave", group);
            one.call("SendMany", group, 3, "n");
            one.call("Send", "User", new String[] {"bo-" + way}, NOBODY, "end");
            assertEquals(List.of("caller", "group", "group except", "n1", "n2", "n3"), one.messages.take(6));
            assertEquals(List.of("client", "group", "others in group", "user", "end"), two.messages.take(5));
            assertEquals(List.of("user", "end"), three.messages.take(2));
        }
    }
}
