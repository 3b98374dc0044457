package signalr

import (
	"strings"
	"testing"
	"time"
)

const streaming = "An error occurred on the server while streaming results."

// streams reads a stream that has to end well.
func streams[T any](c *client, want []T, target string, arguments ...any) {
	c.t.Helper()
	got, err := items[T](c, target, arguments...)
	if err != nil {
		c.t.Fatalf("%s: %v (%v)", target, err, c.state())
	}
	equal(c.t, got, want)
}

// breaks reads a stream that has to fail after some items.
func breaks[T any](c *client, want []T, text string, target string, arguments ...any) {
	c.t.Helper()
	got, err := items[T](c, target, arguments...)
	if err == nil {
		c.t.Fatalf("%s ends well", target)
	}
	equal(c.t, err.Error(), text)
	equal(c.t, got, want)
}

func TestStreams(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub")
		streams(c, []int{1, 2, 3}, "Count", 3, 0)
		streams(c, []int{1, 2}, "count", 2, 30)
		streams(c, []int{}, "Count", 0, 0)
		streams(c, []*string{nil, text("one"), nil}, "Gaps")
		streams(c, []pair{newPair("k1", 1), newPair("k2", 2)}, "Pairs", 2)
		streams(c, []string{strings.Repeat("a", 5000), strings.Repeat("b", 5000)}, "Words", 2, 5000)
		many, err := items[int](c, "Count", 3000, 0)
		if err != nil || len(many) != 3000 {
			t.Fatal(len(many), err)
		}
		for i, number := range many {
			equal(t, number, i+1)
		}
		c.alive()
	})
}

func TestStreamsThatFail(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c, plain := w.connect(t, "/workhub"), w.connect(t, "/quickhub")
		breaks(c, []int{1, 2}, streaming+" HubException: oh", "CountThenThrow", 2, "hub", "oh")
		breaks(c, []int{}, streaming+" InvalidOperationException: no", "CountThenThrow", 0, "x", "no")
		breaks(plain, []int{1}, streaming+" HubException: oh", "CountThenThrow", 1, "hub", "oh")
		breaks(plain, []int{1, 2, 3}, streaming, "CountThenThrow", 3, "x", "no")
		breaks(c, []int{}, "The value returned by the streaming method 'NoStream' is not a ChannelReader<> or IAsyncEnumerable<>.", "nostream")
		breaks(c, []int{}, "Failed to invoke 'Count' due to an error on the server."+
			" InvalidDataException: Invocation provides 1 argument(s) but target expects 2.", "Count", 1)
		breaks(plain, []int{}, "Failed to invoke 'Count' due to an error on the server.", "Count", 1, "x")
		other := w.connect(t, "/testhub")
		breaks(other, []int{}, "An unexpected error occurred invoking 'StreamThrowException' on the server."+
			" InvalidOperationException: early", "StreamThrowException", "early")
		streams(other, []int{}, "EmptyStream")
		streams(other, []string{"a", "b", "c"}, "Stream")
	})
}

func TestCancellation(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		tag := newTag()
		c := w.connect(t, "/workhub?tag="+tag)
		// At once, in the middle, and twice.
		stream, err := c.Stream("Forever", 1)
		if err == nil {
			err = stream.Cancel()
		}
		if err == nil {
			err = stream.Done(soon())
		}
		if err != nil {
			t.Fatal(err)
		}
		stream, err = c.Stream("Forever", 1)
		if err != nil {
			t.Fatal(err)
		}
		for want := 0; want < 5; want++ {
			var number int
			if more, err := stream.Next(soon(), &number); !more || err != nil {
				t.Fatal(more, err)
			}
			equal(t, number, want)
		}
		for i := 0; i < 2; i++ {
			if err := stream.Cancel(); err != nil {
				t.Fatal(err)
			}
		}
		if err := stream.Done(soon()); err != nil {
			t.Fatal(err)
		}
		awaitEntry(t, tag, "stream-begun "+c.Negotiation.ConnectionID)
		awaitEntry(t, tag, "stream-ended "+c.Negotiation.ConnectionID)
		if err := c.write(&Message{Type: typeCancelInvocation, ID: "unknown"}); err != nil {
			t.Fatal(err)
		}
		c.alive()
	})
}

func TestCancelledMethodCanStillSpeak(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		told := make(chan struct{}, 1)
		c := w.connect(t, "/testhub", on("StreamCanceled", func(call *Call) (any, error) {
			told <- struct{}{}
			return nil, call.Arguments()
		}))
		stream, err := c.Stream("InfiniteStream")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, call[string](c, "Echo", "x"), "x")
		if err := stream.Cancel(); err != nil {
			t.Fatal(err)
		}
		if err := stream.Done(soon()); err != nil {
			t.Fatal(err)
		}
		select {
		case <-told:
		case <-time.After(patience):
			t.Fatal("StreamCanceled did not come")
		}
	})
}

func TestPlainCallsAreNotCancelled(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub")
		id, p, err := c.start(typeInvocation, "Slow", []any{200, "done"})
		if err == nil {
			err = c.write(&Message{Type: typeCancelInvocation, ID: id})
		}
		if err != nil {
			t.Fatal(err)
		}
		<-p.done
		if p.err != nil {
			t.Fatal(p.err)
		}
	})
}

func TestStreamsBesideACall(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub")
		_, slow, err := c.start(typeInvocation, "Slow", []any{500, "late"})
		if err != nil {
			t.Fatal(err)
		}
		streams(c, []int{1, 2, 3}, "Count", 3, 0)
		select {
		case <-slow.done:
			t.Fatal("the stream waited for the call")
		default:
		}
		<-slow.done
	})
}

func TestStreamIDInUse(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub")
		stream, err := c.Stream("Forever", 50)
		if err != nil {
			t.Fatal(err)
		}
		var first int
		if _, err := stream.Next(soon(), &first); err != nil {
			t.Fatal(err)
		}
		m, err := c.call(typeStreamInvocation, "Count", []any{3, 0})
		if err == nil {
			m.ID = stream.ID
			err = c.write(m)
		}
		if err != nil {
			t.Fatal(err)
		}
		// The Completion of the second call has the id of the first, so that the client takes it for that
		// one's: from here on the connection is spoilt for a strict client.
		select {
		case <-stream.pending.done:
		case <-time.After(patience):
			t.Fatal("no answer")
		}
		if err := stream.pending.err; err == nil || err.Error() != "Invocation ID '"+stream.ID+"' is already in use." {
			t.Fatal(err)
		}
		c.ended = true
		c.Vanish()
	})
}

func TestStreamsEndWithTheConnection(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		if w.transport == LongPolling {
			return // takes the disconnect timeout; see the test of DELETE
		}
		tag := newTag()
		c := w.connect(t, "/workhub?tag="+tag)
		stream, err := c.Stream("Forever", 20)
		if err != nil {
			t.Fatal(err)
		}
		var item int
		if _, err := stream.Next(soon(), &item); err != nil {
			t.Fatal(err)
		}
		c.ended = true
		c.Vanish()
		awaitEntry(t, tag, "stream-ended "+c.Negotiation.ConnectionID)
		equal(t, awaitEntry(t, tag, "disconnected"), "disconnected "+c.Negotiation.ConnectionID)
	})
}
