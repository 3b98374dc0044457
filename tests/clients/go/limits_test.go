package signalr

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestKeepAlive(t *testing.T) {
	each(t, ways[:3], func(t *testing.T, w way) {
		c := w.connect(t, "/quickhub") // every second
		// Traffic changes nothing.
		for end := time.Now().Add(5500 * time.Millisecond); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			c.alive()
		}
		times := c.PingTimes()
		if len(times) < 2 || len(times) > 6 {
			t.Fatal(times)
		}
		for i := 1; i < len(times); i++ {
			if gap := times[i].Sub(times[i-1]); gap < 800*time.Millisecond || gap > 3*time.Second {
				t.Fatal(times)
			}
		}
	})
}

func TestSilentClients(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		// Four seconds, but only for those who have pinged once.
		tag := newTag()
		never := w.connect(t, "/quickhub", silent)
		once := w.connect(t, "/quickhub?tag="+tag, silent)
		busy := w.connect(t, "/quickhub", silent)
		begin := time.Now()
		must(t, once.write(&Message{Type: typePing}), busy.write(&Message{Type: typePing}))
		stop := make(chan struct{})
		worker := make(chan struct{})
		go func() {
			defer close(worker)
			for {
				select {
				case <-stop:
					return
				case <-time.After(500 * time.Millisecond):
					_ = busy.Send("Nothing")
				}
			}
		}()
		once.endsWith("Connection closed with an error.", true)
		if passed := time.Since(begin); passed < 4*time.Second || passed > 7*time.Second {
			t.Fatal(passed)
		}
		equal(t, awaitEntry(t, tag, "disconnected"), "disconnected "+once.Negotiation.ConnectionID+" OperationCanceledException")
		time.Sleep(time.Second)
		close(stop)
		<-worker
		never.alive()
		busy.alive()
	})
}

// sized is a framed call of Length of exactly that many bytes.
func sized(t *testing.T, c *client, size int) []byte {
	t.Helper()
	for length := size - 60; length < size; length++ {
		m, err := c.call(typeInvocation, "Length", []any{strings.Repeat("x", length)})
		must(t, err)
		if framed := c.options.Protocol.Encode(m); len(framed) == size {
			return framed
		}
	}
	t.Fatal("no such size")
	return nil
}

func TestSizeOfMessages(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		const tooLarge = "Connection closed with an error. InvalidDataException: The maximum message size of %dB was exceeded." +
			" The message size can be configured in AddHubOptions."
		for path, limit := range map[string]int{"/workhub": 32_768, "/widehub": 1 << 20} {
			// A ping must not come between the pieces.
			c := w.connect(t, path, silent)
			must(t, c.WriteBytes(sized(t, c, limit)))
			c.alive()
			// In two pieces: an HTTP server may limit what it takes in one request. Either may come too late
			// for a connection that has ended.
			long := sized(t, c, limit+1)
			_ = c.WriteBytes(long[:limit/2])
			_ = c.WriteBytes(long[limit/2:])
			c.endsWith(fmt.Sprintf(tooLarge, limit), true)
		}
		plain := w.connect(t, "/quickhub")
		_ = plain.WriteBytes(sized(t, plain, 32_769))
		plain.endsWith("Connection closed with an error.", true)
	})
}

func TestManyMessagesInOnePiece(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, hub)
		var piece []byte
		for i := 1; i <= 300; i++ {
			m, err := c.call(typeInvocation, "Take", []any{i, "x"})
			must(t, err)
			piece = append(piece, w.protocol.Encode(m)...)
		}
		must(t, c.WriteBytes(piece))
		taken := call[[]int](c, "Taken")
		equal(t, len(taken), 300)
		equal(t, taken[299], 300)
	})
}

func TestOneMessageInManyPieces(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, hub, silent)
		m, err := c.call(typeInvocation, "Take", []any{7, "größe"})
		must(t, err)
		for _, b := range w.protocol.Encode(m) {
			// A text message of one byte may be no text; a server has to take either kind.
			c.sending.Lock()
			err := c.transport.Send([]byte{b}, w.transport == WebSockets)
			c.sending.Unlock()
			must(t, err)
		}
		equal(t, call[[]int](c, "Taken"), []int{7})
	})
}

func TestSlowReader(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		// A reader who pauses while less than a megabyte waits gets everything, in order, once it reads again.
		var numbers []int
		finished := make(chan struct{})
		c := w.connect(t, hub, on("Fed", func(call *Call) (any, error) {
			var number int
			var padding string
			err := call.Arguments(&number, &padding)
			if numbers = append(numbers, number); number == 1 {
				time.Sleep(1500 * time.Millisecond)
			}
			if number == 400 {
				close(finished)
			}
			return nil, err
		}))
		c.do("Feed", 400, 0, 2000)
		select {
		case <-finished:
		case <-time.After(2 * patience):
			t.Fatal("the feed does not end")
		}
		for i, number := range numbers {
			equal(t, number, i+1)
		}
	})
}
