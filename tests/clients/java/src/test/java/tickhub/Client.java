package tickhub;

import com.microsoft.signalr.HubConnection;
import com.microsoft.signalr.HubConnectionBuilder;
import com.microsoft.signalr.HubConnectionState;
import com.microsoft.signalr.HubException;
import io.reactivex.rxjava3.core.Observable;
import io.reactivex.rxjava3.core.Single;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Assertions;

/** One connection of Microsoft's client, whose calls all end: with an answer, or with a failed test. */
final class Client implements AutoCloseable {
    private static final int PATIENCE = 10;

    final HubConnection hub;
    /** What `Message` was called with. */
    final Inbox<String> messages = new Inbox<>();
    /** With what the connection ended, each time that it did. */
    final Inbox<Optional<Exception>> ends = new Inbox<>();

    private Client(HubConnection hub) {
        this.hub = hub;
        hub.on("Message", messages::add, String.class);
        hub.onClosed(error -> ends.add(Optional.ofNullable(error)));
    }

    /** Not connected yet. */
    static Client to(String path, Way way, String token) {
        var builder = HubConnectionBuilder.create(Host.URL + path)
            .withTransport(way.transport)
            .shouldSkipNegotiate(way.skipsNegotiation);
        if (token != null) builder.withAccessTokenProvider(Single.just(token));
        return new Client(builder.build());
    }

    static Client connect(String path, Way way) {
        return connect(path, way, null);
    }

    static Client connect(String path, Way way, String token) {
        var client = to(path, way, token);
        client.start();
        return client;
    }

    void start() {
        if (!hub.start().blockingAwait(PATIENCE, TimeUnit.SECONDS)) Assertions.fail("start took too long");
    }

    void call(String method, Object... arguments) {
        if (!hub.invoke(method, arguments).blockingAwait(PATIENCE, TimeUnit.SECONDS)) {
            Assertions.fail(method + " took too long");
        }
    }

    <T> T call(Class<T> type, String method, Object... arguments) {
        return hub.invoke(type, method, arguments).timeout(PATIENCE, TimeUnit.SECONDS).blockingGet();
    }

    <T> T call(Type type, String method, Object... arguments) {
        return hub.<T>invoke(type, method, arguments).timeout(PATIENCE, TimeUnit.SECONDS).blockingGet();
    }

    <T> Observable<T> stream(Class<T> type, String method, Object... arguments) {
        return hub.stream(type, method, arguments).timeout(PATIENCE, TimeUnit.SECONDS);
    }

    <T> List<T> all(Class<T> type, String method, Object... arguments) {
        return stream(type, method, arguments).toList().blockingGet();
    }

    /** The text that the call fails with. */
    String failure(String method, Object... arguments) {
        return Assertions.assertThrows(HubException.class, () -> call(Object.class, method, arguments)).getMessage();
    }

    void stop() {
        Assertions.assertTrue(hub.stop().blockingAwait(PATIENCE, TimeUnit.SECONDS), "stop took too long");
    }

    @Override
    public void close() {
        if (hub.getConnectionState() == HubConnectionState.CONNECTED) stop();
        hub.close();
    }

    /** What came, in order. */
    static final class Inbox<T> {
        private final BlockingQueue<T> items = new LinkedBlockingQueue<>();

        void add(T item) {
            items.add(item);
        }

        T next() {
            try {
                var item = items.poll(PATIENCE, TimeUnit.SECONDS);
                if (item == null) throw new AssertionError(new TimeoutException("nothing came"));
                return item;
            } catch (InterruptedException error) {
                throw new AssertionError(error);
            }
        }

        List<T> take(int count) {
            var taken = new ArrayList<T>(count);
            while (taken.size() < count) taken.add(next());
            return taken;
        }

        boolean isEmpty() {
            return items.isEmpty();
        }
    }
}
