package signalr

import (
	"strings"
	"testing"
	"time"
)

// uploading is a call that runs while the test uploads.
type uploading[T any] struct {
	result T
	err    error
	done   chan struct{}
}

func begin[T any](c *client, target string, arguments ...any) *uploading[T] {
	u := &uploading[T]{done: make(chan struct{})}
	_, p, err := c.start(typeInvocation, target, arguments)
	if err != nil {
		c.t.Fatal(err)
	}
	go func() {
		defer close(u.done)
		<-p.done
		if u.err = p.err; p.err == nil {
			u.err = c.options.Protocol.Unmarshal(p.result, &u.result)
		}
	}()
	return u
}

func (u *uploading[T]) end(t *testing.T) (T, error) {
	t.Helper()
	select {
	case <-u.done:
	case <-time.After(patience):
		t.Fatal("no answer")
	}
	return u.result, u.err
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// uploads calls a method with one upload and compares its result.
func uploads[T any](c *client, want T, target string, values ...any) {
	c.t.Helper()
	up := c.NewUpload()
	running := begin[T](c, target, up)
	must(c.t, up.Send(values...), up.Complete())
	got, err := running.end(c.t)
	must(c.t, err)
	equal(c.t, got, want)
}

func TestUploads(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub")
		uploads(c, int64(6), "Sum", 1, 2, 3)
		uploads(c, int64(0), "sum")
		uploads(c, []string{"a", "", "ä"}, "Collect", "a", "", "ä")
		uploads(c, -1, "FirstOf")
		numbers := make([]any, 500)
		want := make([]int, 500)
		for i := range numbers {
			numbers[i], want[i] = i, i
		}
		uploads(c, want, "CollectNumbers", numbers...)
		c.alive()
	})
}

func TestUploadsBetweenArguments(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub")
		up := c.NewUpload()
		running := begin[[]string](c, "CollectWith", ">", up, 2)
		must(t, up.Send("x", "y"), up.Complete())
		got, err := running.end(t)
		must(t, err)
		equal(t, got, []string{">x", ">x", ">y", ">y"})

		// Two at the same time; their items may come in any order.
		numbers, words := c.NewUpload(), c.NewUpload()
		both := begin[string](c, "CollectTwo", numbers, "=", words)
		must(t, words.Send("a"), numbers.Send(1), words.Send("b"), words.Complete(), numbers.Send(41), numbers.Complete())
		text, err := both.end(t)
		must(t, err)
		equal(t, text, "42=a+b")
	})
}

func TestUploadThatFails(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		for _, path := range []string{"/workhub", "/quickhub"} {
			c := w.connect(t, path)
			up := c.NewUpload()
			running := begin[int64](c, "Sum", up)
			must(t, up.Send(1), up.Fail("no more"))
			_, err := running.end(t)
			equal(t, err, HubError("An unexpected error occurred invoking 'Sum' on the server. HubException: no more"))
			c.alive()
		}
	})
}

func TestUploadOfTheWrongType(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub")
		up := c.NewUpload()
		running := begin[int64](c, "Sum", up)
		must(t, up.Send(1, "two", 3), up.Complete())
		_, err := running.end(t)
		if err == nil || !strings.HasPrefix(err.Error(), "An unexpected error occurred invoking 'Sum' on the server. ") ||
			!strings.Contains(err.Error(), "Failed to bind Stream message.") {
			t.Fatal(err)
		}
		c.alive()
	})
}

func TestWrongNumbersOfUploads(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		for _, path := range []string{"/workhub", "/quickhub"} {
			c := w.connect(t, path)
			counted := func(method, sent, wanted string) string {
				return "An unexpected error occurred invoking '" + method + "' on the server. HubException: Client sent " + sent +
					" stream(s), Hub method expects " + wanted + "."
			}
			equal(t, c.refused("Sum"), counted("Sum", "0", "1"))
			equal(t, c.refused("CollectTwo", c.NewUpload(), "x"), counted("CollectTwo", "1", "2"))
			equal(t, c.refused("Add", 1, 2, c.NewUpload()), counted("Add", "1", "0"))
			_, err := items[int](c, "Count", 1, 0, c.NewUpload())
			equal(t, err, HubError(counted("Count", "1", "0")))
			c.alive()
		}
	})
}

func TestUploadThatNobodyReadsToTheEnd(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub")
		up := c.NewUpload()
		running := begin[int](c, "FirstOf", up)
		must(t, up.Send(7))
		first, err := running.end(t)
		must(t, err)
		equal(t, first, 7)
		for i := 0; i < 50; i++ {
			must(t, up.Send(i))
		}
		must(t, up.Complete())
		c.alive()
	})
}

func TestUploadAndDownload(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub")
		up := c.NewUpload()
		stream, err := c.Stream("Shout", up)
		must(t, err)
		for _, word := range []string{"a", "ö", "xyz"} {
			must(t, up.Send(word))
			var loud string
			more, err := stream.Next(soon(), &loud)
			if !more || err != nil {
				t.Fatal(more, err)
			}
			equal(t, loud, strings.ToUpper(word))
			c.alive()
		}
		must(t, up.Complete())
		var rest string
		more, err := stream.Next(soon(), &rest)
		if more || err != nil {
			t.Fatal(more, err, rest)
		}
	})
}

func TestUploadWithoutAnswer(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		sum := newInbox[int64]()
		tag := newTag()
		c := w.connect(t, "/workhub?tag="+tag, on("Uploaded", sum.handle))
		up := c.NewUpload()
		must(t, c.Send("UploadAndTell", up), up.Send(1, 2), up.Complete())
		equal(t, sum.next(t), 3)
		up = c.NewUpload()
		must(t, c.Send("UploadAndTell", up), up.Send(1), up.Fail("broken"))
		equal(t, awaitEntry(t, tag, "upload-failed"), "upload-failed "+c.Negotiation.ConnectionID+" HubException")
	})
}

func TestUploadEndsWithTheConnection(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		tag := newTag()
		c := w.connect(t, "/workhub?tag="+tag)
		up := c.NewUpload()
		must(t, c.Send("UploadAndTell", up), up.Send(1))
		c.alive()
		c.ended = true
		must(t, c.Stop(soon()))
		entry := awaitEntry(t, tag, "upload-failed")
		if entry == "upload-failed "+c.Negotiation.ConnectionID+" HubException" {
			t.Fatal(entry)
		}
	})
}

func TestFullUploadHoldsUpTheConnection(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/widehub") // two items at most
		up := c.NewUpload()
		running := begin[int](c, "SlowCount", up, 100)
		must(t, up.Send("1", "2", "3", "4", "5", "6"))
		begun := time.Now()
		c.alive()
		// Before the call is looked at, three items have to be taken out at least.
		if passed := time.Since(begun); passed < 150*time.Millisecond {
			t.Fatalf("the call waited only %v", passed)
		}
		must(t, up.Complete())
		count, err := running.end(t)
		must(t, err)
		equal(t, count, 6)
	})
}

func TestConcatenation(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/testhub")
		uploads(c, "Hello world", "StreamingConcat", "Hello", " ", "world")
	})
}
