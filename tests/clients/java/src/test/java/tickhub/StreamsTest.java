package tickhub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.microsoft.signalr.HubException;
import io.reactivex.rxjava3.core.Observable;
import io.reactivex.rxjava3.subjects.ReplaySubject;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Streams from the hub, uploads to it, and both in one call. */
class StreamsTest {
    @ParameterizedTest
    @EnumSource
    void itemsComeInOrderAndEnd(Way way) {
        try (var client = Client.connect("/workhub", way)) {
            assertEquals(List.of(), client.all(Integer.class, "Count", 0, 0));
            assertEquals(IntStream.rangeClosed(1, 500).boxed().toList(), client.all(Integer.class, "Count", 500, 0));
            assertEquals(List.of(1, 2, 3), client.all(Integer.class, "Count", 3, 20));
            assertEquals(List.of("aaaa", "bbbb"), client.all(String.class, "Words", 2, 4));
        }
        try (var client = Client.connect("/testhub", way)) {
            assertEquals(List.of("a", "b", "c"), client.all(String.class, "Stream"));
            assertEquals(List.of(), client.all(Integer.class, "EmptyStream"));
        }
    }

    @ParameterizedTest
    @EnumSource
    void aStreamThatFailsGivesItsItemsFirst(Way way) {
        try (var client = Client.connect("/workhub", way)) {
            var items = new ArrayList<Integer>();
            var stream = client.stream(Integer.class, "CountThenThrow", 3, "hub", "enough").doOnNext(items::add);
            var error = assertThrows(HubException.class, () -> stream.blockingForEach(item -> {}));
            assertTrue(error.getMessage().endsWith("enough"), error.getMessage());
            assertEquals(List.of(1, 2, 3), items);
        }
    }

    @ParameterizedTest
    @EnumSource
    void whatTheClientNoLongerWantsIsCancelled(Way way) {
        var tag = "java-cancel-" + way;
        try (var client = Client.connect("/workhub?tag=" + tag, way)) {
            var id = client.call(String.class, "ConnectionId");
            assertEquals(List.of(0, 1, 2), client.stream(Integer.class, "Forever", 5).take(3).toList().blockingGet());
            Host.awaitEntry(tag, "stream-ended " + id);
            assertEquals(3, client.call(Integer.class, "Add", 1, 2));
        }
    }

    @ParameterizedTest
    @EnumSource
    void uploads(Way way) {
        try (var client = Client.connect("/workhub", way)) {
            assertEquals(6, client.call(Integer.class, "Sum", paced(way, Observable.just(1, 2, 3))));
            assertEquals(0, client.call(Integer.class, "Sum", paced(way, Observable.empty())));
            assertArrayEquals(new String[] {"a", "ü", ""},
                client.call(String[].class, "Collect", paced(way, Observable.just("a", "ü", ""))));
            assertArrayEquals(new String[] {"-a", "-a", "-b", "-b"},
                client.call(String[].class, "CollectWith", "-", paced(way, Observable.just("a", "b")), 2));
            assertEquals("6 and x+y", client.call(String.class, "CollectTwo",
                paced(way, Observable.just(1, 2, 3)), " and ", paced(way, Observable.just("x", "y"))));
            var endless = paced(way, Observable.just(7)).concatWith(Observable.never());
            assertEquals(7, client.call(Integer.class, "FirstOf", endless));
        }
    }

    @ParameterizedTest
    @EnumSource(names = "LONG_POLLING", mode = EnumSource.Mode.EXCLUDE)
    void longUploads(Way way) {
        try (var client = Client.connect("/workhub", way)) {
            assertEquals(125_250, client.call(Integer.class, "Sum", Observable.range(1, 500)));
        }
    }

    @ParameterizedTest
    @EnumSource
    void anUploadThatFailsFailsTheCall(Way way) {
        try (var client = Client.connect("/workhub", way)) {
            var items = Observable.concat(Observable.just(1, 2), Observable.error(new IllegalStateException("oh")));
            assertTrue(client.failure("Sum", paced(way, items)).contains("oh"));
            assertEquals(3, client.call(Integer.class, "Add", 1, 2));
        }
    }

    /** Over Long Polling this client makes several POSTs at once: items stay in order if they leave one by one. */
    private static <T> Observable<T> paced(Way way, Observable<T> items) {
        if (way != Way.LONG_POLLING) return items;
        return items.materialize()
            .concatMap(item -> Observable.just(item).delay(50, TimeUnit.MILLISECONDS))
            .dematerialize(item -> item);
    }

    @ParameterizedTest
    @EnumSource
    void upAndDownInOneCall(Way way) {
        try (var client = Client.connect("/workhub", way)) {
            var words = ReplaySubject.<String>create();
            var shouted = new Client.Inbox<String>();
            var shout = client.stream(String.class, "Shout", words).subscribe(shouted::add);
            // As in `paced`: the call has to be there before its items.
            if (way == Way.LONG_POLLING) Host.sleep(200);
            words.onNext("a");
            assertEquals("A", shouted.next());
            words.onNext("grün");
            assertEquals("GRÜN", shouted.next());
            words.onComplete();
            Host.await(shout::isDisposed, "the end of the stream");
        }
    }
}
