package signalr

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const hub = "/workhub"

// upgrade are the headers of a WebSocket request.
var upgrade = []string{
	"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==",
}

func TestAnswersWithoutConnection(t *testing.T) {
	t.Parallel()
	events := []string{"Accept", "text/event-stream"}
	for _, row := range []struct {
		method, query string
		headers       []string
		status        int
		kind, body    string
	}{
		{"GET", "", nil, 400, "text/plain", "Connection ID required"},
		{"GET", "?id=", nil, 400, "text/plain", "Connection ID required"},
		{"GET", "", events, 400, "text/plain", "Connection ID required"},
		{"POST", "", nil, 400, "text/plain", "Connection ID required"},
		{"DELETE", "", nil, 400, "text/plain", "Connection ID required"},
		{"GET", "?id=x", nil, 404, "text/plain", "No Connection with that ID"},
		{"GET", "?ID=x", events, 404, "text/plain", "No Connection with that ID"},
		{"GET", "?id=x", upgrade, 404, "", "No Connection with that ID"},
		{"POST", "?id=x", nil, 404, "text/plain", "No Connection with that ID"},
		{"DELETE", "?id=x", nil, 404, "text/plain", "No Connection with that ID"},
		{"PUT", "", nil, 405, "text/plain", ""},
		{"PATCH", "?id=x", nil, 405, "text/plain", ""},
		{"HEAD", "", nil, 405, "text/plain", ""},
		{"GET", "/negotiate", nil, 405, "text/plain", ""},
		{"DELETE", "/negotiate", nil, 405, "text/plain", ""},
	} {
		a := plain(t, row.method, hub+row.query, "", row.headers...)
		if a.StatusCode != row.status || a.Header.Get("Content-Type") != row.kind || a.body != row.body {
			t.Errorf("%s %q: %d %q %q, not %d %q %q", row.method, row.query,
				a.StatusCode, a.Header.Get("Content-Type"), a.body, row.status, row.kind, row.body)
		}
		if row.method == "GET" && row.headers == nil && row.query != "/negotiate" {
			must(t, wantHeaders(a.Response, "§1.3", noCache...))
		}
	}
}

func TestWhatIsNoWebSocketRequest(t *testing.T) {
	t.Parallel()
	// Without the id this is then a poll without connection.
	for _, wrong := range [][2]string{
		{"Sec-WebSocket-Version", "12"}, {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZ"}, {"Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAA"},
		{"Upgrade", "other"}, {"Connection", "close"},
	} {
		headers := append(append([]string(nil), upgrade...), wrong[0], wrong[1])
		plain(t, "GET", hub, "", headers...).is(t, 400, "text/plain", "Connection ID required")
	}
}

func TestTokenOfVersionOneIsNotTheID(t *testing.T) {
	t.Parallel()
	o := Options{URL: server + hub}
	e, err := o.endpoint()
	must(t, err)
	n, err := e.negotiate(soon(), 1, false)
	must(t, err)
	plain(t, "GET", hub+"?id="+n.ConnectionID, "").is(t, 404, "text/plain", "No Connection with that ID")
}

func TestOtherTransportsOfALiveConnection(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, hub)
		path := hub + "?id=" + url.QueryEscape(c.Negotiation.Token)
		const change = "Cannot change transports mid-connection"
		if w.transport != LongPolling {
			poll := plain(t, "GET", path, "")
			poll.is(t, 400, "text/plain", change)
			must(t, wantHeaders(poll.Response, "§1.3", noCache...))
		}
		events := plain(t, "GET", path, "", "Accept", "text/event-stream, */*")
		socket := plain(t, "GET", path, "", upgrade...)
		switch w.transport {
		case WebSockets:
			events.is(t, 400, "text/plain", change)
			equal(t, []any{socket.StatusCode, socket.body}, []any{409, ""})
			plain(t, "POST", path, "x").is(t, 405, "text/plain", "POST requests are not allowed for WebSocket connections.")
			plain(t, "DELETE", path, "").is(t, 400, "text/plain", "Cannot terminate this connection using the DELETE endpoint.")
		case ServerSentEvents:
			equal(t, []any{events.StatusCode, events.body}, []any{409, ""})
			socket.is(t, 400, "text/plain", change)
			plain(t, "DELETE", path, "").is(t, 400, "text/plain", "Cannot terminate this connection using the DELETE endpoint.")
		case LongPolling:
			events.is(t, 400, "text/plain", change)
			socket.is(t, 400, "text/plain", change)
		}
		c.alive()
	})
}

func TestDeleteBeforeATransport(t *testing.T) {
	t.Parallel()
	e := negotiated(t, hub)
	plain(t, "DELETE", hub+"?id="+e.id, "").is(t, 400, "text/plain", "Cannot terminate this connection using the DELETE endpoint.")
}

func TestDelete(t *testing.T) {
	each(t, ways[3:], func(t *testing.T, w way) {
		tag := newTag()
		c := w.connect(t, hub+"?tag="+tag)
		if _, err := c.Stream("Forever", 20); err != nil {
			t.Fatal(err)
		}
		awaitEntry(t, tag, "stream-begun")
		c.ended = true
		must(t, c.Delete(soon()))
		awaitEntry(t, tag, "stream-ended")
		equal(t, awaitEntry(t, tag, "disconnected"), "disconnected "+c.Negotiation.ConnectionID)
		for _, method := range []string{"GET", "POST", "DELETE"} {
			plain(t, method, hub+"?id="+c.Negotiation.Token, "").is(t, 404, "text/plain", "No Connection with that ID")
		}
	})
}

func TestPostBeforeTheTransport(t *testing.T) {
	eachTransport(t, func(t *testing.T, name TransportName) {
		e := negotiated(t, hub)
		must(t, e.post(soon(), []byte(`{ "version": 0, "protocol": "JSON", "more": [1] }`+"\x1e"+`{"type":1,"target":"Ad`)))
		tr, err := e.attach(soon(), name)
		must(t, err)
		defer tr.Drop()
		piece, _, err := tr.Receive()
		must(t, err)
		equal(t, string(piece), "{}\x1e")
		must(t, e.post(soon(), []byte(`d","arguments":[1,2],"invocationId":"i"}`+"\x1e")))
		piece, _, err = tr.Receive()
		must(t, err)
		equal(t, string(piece), `{"type":3,"invocationId":"i","result":3}`+"\x1e")
	}, ServerSentEvents, LongPolling)
}

func TestPostsAtTheSameTime(t *testing.T) {
	each(t, ways[2:4], func(t *testing.T, w way) {
		c := w.connect(t, hub)
		errs := make(chan error, 20)
		for i := 1; i <= 20; i++ {
			record := fmt.Sprintf(`{"type":1,"target":"Take","arguments":[%d,"%s"]}`+"\x1e", i, strings.Repeat("x", 20_000))
			go func() { errs <- c.endpoint.post(soon(), []byte(record)) }()
		}
		for i := 1; i <= 20; i++ {
			must(t, <-errs)
		}
		equal(t, len(call[[]int](c, "Taken")), 20)
	})
}

func TestNewPollEndsTheOldOne(t *testing.T) {
	t.Parallel()
	e := negotiated(t, hub)
	_, err := e.attach(soon(), LongPolling)
	must(t, err)
	must(t, e.post(soon(), []byte("{\"protocol\":\"json\",\"version\":1}\x1e")))
	path := hub + "?id=" + e.id
	plain(t, "GET", path, "").is(t, 200, "application/octet-stream", "{}\x1e")
	old := make(chan rawAnswer)
	go func() { old <- plain(t, "GET", path, "") }()
	time.Sleep(100 * time.Millisecond)
	young := make(chan rawAnswer)
	go func() { young <- plain(t, "GET", path, "") }()
	first := <-old
	first.is(t, 204, "text/plain", "")
	must(t, wantHeaders(first.Response, "§1.3", noCache...))
	must(t, e.post(soon(), []byte(`{"type":1,"invocationId":"1","target":"Add","arguments":[1,1]}`+"\x1e")))
	(<-young).is(t, 200, "application/octet-stream", `{"type":3,"invocationId":"1","result":2}`+"\x1e")
	// A poll that its client gives up loses nothing.
	request, err := http.NewRequestWithContext(within(200*time.Millisecond), "GET", server+path, nil)
	must(t, err)
	if _, err := http.DefaultClient.Do(request); err == nil {
		t.Fatal("the poll is answered")
	}
	must(t, e.post(soon(), []byte(`{"type":1,"invocationId":"2","target":"Add","arguments":[2,2]}`+"\x1e")))
	plain(t, "GET", path, "").is(t, 200, "application/octet-stream", `{"type":3,"invocationId":"2","result":4}`+"\x1e")
	plain(t, "DELETE", path, "").is(t, 202, "text/plain", "")
}

func TestIdlePoll(t *testing.T) {
	t.Parallel()
	c := way{LongPolling, JSON}.connect(t, "/quickhub") // two seconds
	begin := time.Now()
	time.Sleep(5 * time.Second)
	c.alive()
	if len(c.PingTimes()) > 0 || time.Since(begin) < 5*time.Second {
		t.Fatal("pings")
	}
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	const wanted = "authorization,content-type,x-requested-with,x-signalr-user-agent"
	a := plain(t, "OPTIONS", hub+"/negotiate", "", "Origin", "http://a.example", "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", wanted)
	equal(t, a.StatusCode, 204)
	must(t, wantHeaders(a.Response, "§1.8", "Access-Control-Allow-Origin", "http://a.example", "Access-Control-Allow-Credentials", "true",
		"Access-Control-Allow-Methods", "POST", "Access-Control-Allow-Headers", wanted))
	a = plain(t, "POST", hub+"/negotiate", "", "Origin", "http://b.example")
	must(t, wantHeaders(a.Response, "§1.8", "Access-Control-Allow-Origin", "http://b.example", "Access-Control-Allow-Credentials", "true"))
}

func TestBytesOfAnEventStream(t *testing.T) {
	t.Parallel()
	e := negotiated(t, hub)
	must(t, e.post(soon(), []byte("{\"protocol\":\"json\",\"version\":1}\x1e")))
	address, err := url.Parse(server)
	must(t, err)
	conn, err := net.Dial("tcp", address.Host)
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	fmt.Fprintf(conn, "GET %s?id=%s HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n", hub, e.id)
	const start, event = "3\r\n:\r\n\r\n", "data: {}\x1e\r\n\r\n"
	var all strings.Builder
	buffer := make([]byte, 1000)
	for !strings.Contains(all.String(), "\x1e\r\n\r\n") {
		n, err := conn.Read(buffer)
		must(t, err)
		all.Write(buffer[:n])
	}
	_, body, _ := strings.Cut(all.String(), "\r\n\r\n")
	if !strings.Contains(body, ":\r\n") || !strings.Contains(body, event) || strings.Index(body, ":\r\n") > len(start) {
		t.Fatalf("%q", body)
	}
}
