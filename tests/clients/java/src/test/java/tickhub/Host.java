package tickhub;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Objects;
import java.util.function.BooleanSupplier;

/** The functional host that `SERVER` names. */
final class Host {
    static final String URL = Objects.requireNonNull(System.getenv("SERVER"), "SERVER is the address of the host");

    private static final HttpClient HTTP = HttpClient.newHttpClient();
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    private Host() {}

    static String get(String path) {
        var request = HttpRequest.newBuilder(URI.create(URL + path)).timeout(PATIENCE).build();
        try {
            return HTTP.send(request, HttpResponse.BodyHandlers.ofString()).body();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        } catch (InterruptedException error) {
            throw new AssertionError(error);
        }
    }

    static String token(String user, String query) {
        return get("/generateJwtToken?user=" + user + query);
    }

    /** The journal of a tag, as the JSON text that it is. */
    static String journal(String tag) {
        return get("/events?tag=" + tag);
    }

    static void awaitEntry(String tag, String entry) {
        await(() -> journal(tag).contains('"' + entry + '"'), "the entry " + entry + " of " + tag);
    }

    static void await(BooleanSupplier condition, String what) {
        var end = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > end) throw new AssertionError(what + " did not come");
            sleep(20);
        }
    }

    static void sleep(long ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException error) {
            throw new AssertionError(error);
        }
    }
}
