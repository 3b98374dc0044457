package signalr

import (
	"strings"
	"testing"
	"time"
)

const statefulHub = "/workhub-stateful"

func resumable(o *Options) { o.Stateful = true }

// eachStateful runs a test over both protocols.
func eachStateful(t *testing.T, test func(t *testing.T, w way)) {
	t.Helper()
	each(t, ways[:2], test)
}

// hasResumed waits for the Sequence number `count` and gives it.
func (c *client) hasResumed(count int) int64 {
	c.t.Helper()
	s := c.stateful
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		s.lock.Lock()
		sequences := s.sequences
		s.lock.Unlock()
		if len(sequences) >= count {
			return sequences[count-1]
		}
	}
	c.t.Fatalf("no Sequence came (%s)", c.state())
	return 0
}

// unsure is how many messages of the client the server has not acknowledged.
func (c *client) unsure() int {
	c.stateful.lock.Lock()
	defer c.stateful.lock.Unlock()
	return len(c.stateful.unsure)
}

func (c *client) awaitAck() {
	c.t.Helper()
	begin := time.Now()
	for c.unsure() > 0 {
		if time.Since(begin) > 2500*time.Millisecond {
			c.t.Fatal("no Ack came")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestResumption(t *testing.T) {
	eachStateful(t, func(t *testing.T, w way) {
		tag := newTag()
		c := w.listen(t, statefulHub+"?tag="+tag, resumable)
		other := w.listen(t, hub)
		c.do("Join", t.Name())
		c.do("SetItem", "k", "v")
		for i := 1; i <= 3; i++ {
			running := begin[string](c.client, "Slow", 200, "survived")
			c.Interrupt()
			other.do("Send", "Group", []string{t.Name()}, []string{}, "away")
			text, err := running.end(t)
			must(t, err)
			equal(t, text, "survived")
			c.hasResumed(i)
			equal(t, c.heard(), "away")
		}
		equal(t, call[string](c.client, "ConnectionId"), c.id())
		equal(t, call[*string](c.client, "GetItem", "k"), "v")
		equal(t, journal(t, tag), []string{"connected " + c.id()})
		c.ended = true
		must(t, c.Stop(soon()))
		awaitEntry(t, tag, "disconnected "+c.id())
		plain(t, "GET", statefulHub+"?id="+c.Negotiation.Token, "", upgrade...).is(t, 404, "", "No Connection with that ID")
	})
}

func TestSequenceOfTheOldestMessage(t *testing.T) {
	eachStateful(t, func(t *testing.T, w way) {
		c := w.connect(t, statefulHub, resumable)
		c.stateful.noAcks = true
		for i := 0; i < 5; i++ {
			c.alive()
		}
		c.Interrupt()
		equal(t, c.hasResumed(1), 1)
		c.alive()
		c.stateful.lock.Lock()
		repeated := c.stateful.repeated
		c.stateful.lock.Unlock()
		equal(t, repeated, 5)
		// An acknowledgement of three of these six; the next time begins with the fourth.
		must(t, c.write(&Message{Type: typeAck, SequenceID: 3}))
		c.alive()
		c.Interrupt()
		equal(t, c.hasResumed(2), 4)
		// All of them, and no more: the number is that of the next new message.
		must(t, c.write(&Message{Type: typeAck, SequenceID: 7}))
		time.Sleep(100 * time.Millisecond)
		c.Interrupt()
		equal(t, c.hasResumed(3), 8)
		c.alive()
	})
}

func TestSequenceBeforeAnyMessage(t *testing.T) {
	eachStateful(t, func(t *testing.T, w way) {
		c := w.connect(t, statefulHub, resumable)
		c.Interrupt()
		equal(t, c.hasResumed(1), 1)
		c.alive()
	})
}

func TestRepeatedMessagesRunOnce(t *testing.T) {
	eachStateful(t, func(t *testing.T, w way) {
		c := w.connect(t, statefulHub, resumable)
		for i := 1; i <= 4; i++ {
			equal(t, call[int](c, "Take", i, ""), i)
		}
		if c.unsure() == 0 {
			t.Fatal("acknowledged too early for this test")
		}
		c.Interrupt()
		c.hasResumed(1)
		equal(t, call[[]int](c, "Taken"), []int{1, 2, 3, 4})
		c.awaitAck()
		// Calls that fail are counted like the others.
		c.refused("Nope")
		c.refused("Add", "x")
		c.refused("Add", 1, "x")
		c.Interrupt()
		c.hasResumed(2)
		equal(t, call[int](c, "Take", 5, ""), 5)
		c.awaitAck()
	})
}

func TestAcksOfTheServer(t *testing.T) {
	eachStateful(t, func(t *testing.T, w way) {
		c := w.connect(t, statefulHub, resumable)
		for i := 0; i < 3; i++ {
			c.alive()
			c.awaitAck()
		}
		// The client itself refuses an Ack beyond what it sent, and pings are not counted.
		must(t, c.write(&Message{Type: typePing}), c.write(&Message{Type: typePing}))
		time.Sleep(1500 * time.Millisecond)
		c.alive()
		c.awaitAck()
	})
}

func TestSequenceBeyondWhatWasSent(t *testing.T) {
	eachStateful(t, func(t *testing.T, w way) {
		c := w.connect(t, statefulHub, resumable)
		c.alive()
		c.awaitAck()
		c.stateful.lock.Lock()
		c.stateful.sent += 5
		c.stateful.lock.Unlock()
		c.Interrupt()
		c.endsWith("Connection closed with an error. InvalidOperationException: "+
			"Sequence ID greater than amount of messages we've received.", true)
	})
}

func TestFullBufferWaitsForAcks(t *testing.T) {
	eachStateful(t, func(t *testing.T, w way) {
		numbers := make(chan int, 1000)
		c := w.connect(t, statefulHub, resumable, on("Fed", func(call *Call) (any, error) {
			var number int
			var padding string
			err := call.Arguments(&number, &padding)
			numbers <- number
			return nil, err
		}))
		c.stateful.noAcks = true
		c.do("Feed", 30, 0, 10_000)
		time.Sleep(500 * time.Millisecond)
		if came := len(numbers); came < 9 || came > 12 {
			t.Fatalf("%d messages of 10 kB came unacknowledged", came)
		}
		for i := 1; i <= 30; i++ {
			select {
			case number := <-numbers:
				equal(t, number, i)
			case <-time.After(patience):
				t.Fatal("nothing came")
			}
			// The completion of Feed was the first message.
			must(t, c.write(&Message{Type: typeAck, SequenceID: int64(i + 1)}))
		}
		c.alive()
	})
}

func TestCloseFrameEndsForGood(t *testing.T) {
	eachStateful(t, func(t *testing.T, w way) {
		tag := newTag()
		c := w.connect(t, statefulHub+"?tag="+tag, resumable)
		c.alive()
		c.ended = true
		must(t, c.transport.(*webSocket).SendClose(4001, ""))
		equal(t, awaitEntry(t, tag, "disconnected"), "disconnected "+c.Negotiation.ConnectionID)
		plain(t, "GET", statefulHub+"?id="+c.Negotiation.Token, "", upgrade...).is(t, 404, "", "No Connection with that ID")
	})
}

func TestNobodyComesBack(t *testing.T) {
	eachStateful(t, func(t *testing.T, w way) {
		tag := newTag()
		c := w.connect(t, statefulHub+"?tag="+tag, resumable)
		c.alive()
		c.ended = true
		c.Vanish()
		time.Sleep(13 * time.Second)
		equal(t, journal(t, tag), []string{"connected " + c.Negotiation.ConnectionID})
		awaitEntry(t, tag, "disconnected "+c.Negotiation.ConnectionID)
		plain(t, "GET", statefulHub+"?id="+c.Negotiation.Token, "", upgrade...).is(t, 404, "", "No Connection with that ID")
	})
}

func TestAbortEndsForGood(t *testing.T) {
	eachStateful(t, func(t *testing.T, w way) {
		c := w.connect(t, statefulHub, resumable)
		must(t, c.Send("Abort"))
		c.endsWith("", false)
	})
}

func TestSecondSocketTakesOver(t *testing.T) {
	t.Parallel()
	// As if the client had noticed a loss that the server has not (§5.5).
	o := Options{URL: server + statefulHub}
	e, err := o.endpoint()
	must(t, err)
	_, err = e.negotiate(soon(), 1, true)
	must(t, err)
	open := func() *script {
		tr, err := e.attach(soon(), WebSockets)
		must(t, err)
		t.Cleanup(tr.Drop)
		return &script{t, tr}
	}
	first := open()
	first.says("{\"protocol\":\"json\",\"version\":2}\x1e", "{}\x1e")
	first.says(addOneTwo, three)
	second := open()
	// The server says again what it has received (§5.3), and sends what was not acknowledged.
	second.says(`{"type":9,"sequenceId":2}`+"\x1e"+addOneTwo,
		`{"type":9,"sequenceId":1}`+"\x1e"+`{"type":8,"sequenceId":1}`+"\x1e", three, three)
	if piece, _, err := first.tr.Receive(); err == nil {
		t.Fatalf("the first one lives on: %q", piece)
	}
	second.says(addOneTwo, three)
}

func TestStatefulOnlyForThoseWhoAsk(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]bool{
		"/workhub-stateful/negotiate?negotiateVersion=1&useStatefulReconnect=true":  true,
		"/workhub-stateful/negotiate?negotiateVersion=1&UseStatefulReconnect=TRUE":  true,
		"/workhub-stateful/negotiate?negotiateVersion=1&useStatefulReconnect=false": false,
		"/workhub-stateful/negotiate?negotiateVersion=1":                            false,
		"/workhub/negotiate?negotiateVersion=1&useStatefulReconnect=true":           false,
	} {
		got := strings.HasPrefix(plain(t, "POST", query, "").body, `{"useStatefulReconnect":true,"negotiateVersion":1,`)
		if got != want {
			t.Errorf("%s: %v", query, got)
		}
	}
}

func TestOldHandshakeSwitchesItOff(t *testing.T) {
	t.Parallel()
	tag := newTag()
	o := Options{URL: server + statefulHub + "?tag=" + tag}
	e, err := o.endpoint()
	must(t, err)
	_, err = e.negotiate(soon(), 1, true)
	must(t, err)
	tr, err := e.attach(soon(), WebSockets)
	must(t, err)
	s := &script{t, tr}
	s.says("{\"protocol\":\"json\",\"version\":1}\x1e", "{}\x1e")
	s.says(addOneTwo, three)
	equal(t, plain(t, "GET", statefulHub+"?id="+e.id, "", upgrade...).StatusCode, 409)
	tr.Drop()
	awaitEntry(t, tag, "disconnected")
	plain(t, "GET", statefulHub+"?id="+e.id, "", upgrade...).is(t, 404, "", "No Connection with that ID")
}

func TestStatefulOverOtherTransports(t *testing.T) {
	each(t, ways[2:], func(t *testing.T, w way) {
		c := w.connect(t, statefulHub, resumable)
		c.alive()
		// Nothing is acknowledged; the client would refuse it.
		time.Sleep(1500 * time.Millisecond)
		c.alive()
	})
}
