package signalr

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestLife(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		tag := newTag()
		c := w.connect(t, "/workhub?tag="+tag)
		id := c.Negotiation.ConnectionID
		awaitEntry(t, tag, "connected "+id)
		c.alive()
		c.ended = true
		must(t, c.Stop(soon()))
		awaitEntry(t, tag, "disconnected "+id)
		equal(t, journal(t, tag), []string{"connected " + id, "disconnected " + id})
		if err := c.Invoke(soon(), nil, "Nothing"); err == nil {
			t.Fatal("a call after the end")
		}
	})
}

func TestVanishing(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		tag := newTag()
		c := w.connect(t, "/workhub?tag="+tag)
		c.alive()
		c.ended = true
		c.Vanish()
		if w.transport == LongPolling {
			time.Sleep(12 * time.Second) // the disconnect timeout is 15 s
		}
		equal(t, awaitEntry(t, tag, "disconnected"), "disconnected "+c.Negotiation.ConnectionID)
		plain(t, "POST", hub+"?id="+c.Negotiation.Token, "x").is(t, 404, "text/plain", "No Connection with that ID")
	})
}

func TestGoodbyeWithAnError(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		tag := newTag()
		c := w.connect(t, "/workhub?tag="+tag)
		must(t, c.write(&Message{Type: typeClose, Error: text("tired")}))
		c.endsWith("", false)
		equal(t, awaitEntry(t, tag, "disconnected"), "disconnected "+c.Negotiation.ConnectionID+" HubException")
	})
}

func TestAbort(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		tag := newTag()
		c := w.connect(t, "/workhub?tag="+tag)
		must(t, c.Send("Abort"))
		c.endsWith("", false)
		equal(t, awaitEntry(t, tag, "disconnected"), "disconnected "+c.Negotiation.ConnectionID)
	})
}

func TestGreeting(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		welcome := newInbox[string]()
		c := w.connect(t, "/workhub?onconnect=greet", on("Welcome", welcome.handle))
		equal(t, welcome.next(t), c.Negotiation.ConnectionID)
	})
}

func TestHubThatRefusesTheConnection(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		for _, row := range []struct{ path, want string }{
			{"/workhub?onconnect=fail", "Connection closed with an error. InvalidOperationException: not today"},
			{"/workhub?onconnect=refuse", "Connection closed with an error. HubException: not you"},
			{"/quickhub?onconnect=fail", "Connection closed with an error."},
			{"/quickhub?onconnect=refuse", "Connection closed with an error. HubException: not you"},
			{"/workhub?onconnect=abort", ""},
			{"/workhub?onconnect=ask", "Connection closed with an error. InvalidOperationException: " +
				"Client results inside OnConnectedAsync Hub methods are not allowed."},
		} {
			tag := newTag()
			c := w.connect(t, row.path+"&tag="+tag)
			c.endsWith(row.want, false)
			if row.want == "" {
				awaitEntry(t, tag, "disconnected "+c.Negotiation.ConnectionID)
			} else {
				// OnDisconnected does not run after an OnConnected that failed.
				equal(t, journal(t, tag), []string{"connected " + c.Negotiation.ConnectionID})
			}
		}
	})
}

func TestCallsWaitForTheHub(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		tag := newTag()
		begin := time.Now()
		c := w.connect(t, "/workhub?onconnect=slow&tag="+tag)
		if passed := time.Since(begin); passed > 450*time.Millisecond {
			t.Fatalf("the handshake waited for OnConnected: %v", passed)
		}
		c.do("Notify", "called")
		id := c.Negotiation.ConnectionID
		equal(t, journal(t, tag), []string{"connected " + id, "ready " + id, "notified called"})
	})
}

func TestHandshakesThatAreRefused(t *testing.T) {
	t.Parallel()
	const unexpected = "An unexpected error occurred during connection handshake."
	for _, row := range []struct{ name, request, want string }{
		{"protocol", `{"protocol":"xyz","version":1}`, "The protocol 'xyz' is not supported."},
		{"version", `{"version":3,"protocol":"json"}`, "The server does not support version 3 of the 'json' protocol."},
		{"version of MessagePack", `{"version":4,"protocol":"messagepack"}`, "The server does not support version 4 of the 'messagepack' protocol."},
		{"empty", `{}`, unexpected},
		{"no version", `{"protocol":"json"}`, unexpected},
		{"no JSON", `hello`, unexpected},
		{"wrong type", `{"protocol":"json","version":"1"}`, unexpected},
	} {
		row := row
		for _, name := range []TransportName{WebSockets, ServerSentEvents, LongPolling} {
			name := name
			t.Run(row.name+" "+string(name), func(t *testing.T) {
				t.Parallel()
				tag := newTag()
				e := negotiated(t, hub+"?tag="+tag)
				tr, err := e.attach(soon(), name)
				must(t, err)
				defer tr.Drop()
				must(t, tr.Send([]byte(row.request+"\x1e"), false))
				piece, kind, err := tr.Receive()
				must(t, err)
				got := string(piece)
				begin, end := `{"error":"`+row.want, "\"}\x1e"
				if row.want != unexpected {
					equal(t, got, begin+end)
				} else if !strings.HasPrefix(got, begin) || !strings.HasSuffix(got, end) {
					t.Fatal(got)
				}
				if name == WebSockets && kind != formatText {
					t.Fatal("the refusal is binary")
				}
				if _, _, err := tr.Receive(); !isEnd(err) {
					t.Fatal(err)
				}
				equal(t, journal(t, tag), []string{})
			})
		}
	}
}

func TestMessagePackOverEvents(t *testing.T) {
	t.Parallel()
	_, err := way{ServerSentEvents, MessagePack}.tryConnect(hub)
	var refusal HandshakeError
	if !errors.As(err, &refusal) || refusal != "Cannot use the 'messagepack' protocol on the current transport."+
		" The transport does not support 'Binary' transfer format." {
		t.Fatal(err)
	}
}

func TestHandshakeThatNeverComes(t *testing.T) {
	eachTransport(t, func(t *testing.T, name TransportName) {
		begin := time.Now()
		tr, err := negotiated(t, "/quickhub").attach(soon(), name) // two seconds
		must(t, err)
		defer tr.Drop()
		must(t, tr.Send([]byte(`{"protocol":"js`), false))
		piece, _, err := tr.Receive()
		must(t, err)
		equal(t, string(piece), "{\"error\":\"Handshake was canceled.\"}\x1e")
		if passed := time.Since(begin); passed < 1900*time.Millisecond || passed > 5*time.Second {
			t.Fatal(passed)
		}
		if _, _, err := tr.Receive(); !isEnd(err) {
			t.Fatal(err)
		}
	}, WebSockets, ServerSentEvents, LongPolling)
}

func TestHandshakeThatIsTooLong(t *testing.T) {
	eachTransport(t, func(t *testing.T, name TransportName) {
		tr, err := negotiated(t, hub).attach(soon(), name)
		must(t, err)
		defer tr.Drop()
		must(t, tr.Send([]byte(`{"protocol":"`+strings.Repeat("x", 32_800)), false))
		piece, _, err := tr.Receive()
		must(t, err)
		equal(t, string(piece), "{\"error\":\"Handshake was canceled.\"}\x1e")
	}, WebSockets, ServerSentEvents, LongPolling)
}

func TestUsers(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		for _, path := range []string{"/authorizedhub", "/expiringhub"} {
			_, err := w.tryConnect(path)
			equal(t, show(err), show(&StatusError{401, "Unauthorized", ""}))
			_, err = w.tryConnect(path, withToken("no.such.token"))
			equal(t, show(err), show(&StatusError{401, "Unauthorized", ""}))
			for _, inQuery := range []bool{false, true} {
				c := w.connect(t, path, withToken(token(t, "kim", "role", "boss")), func(o *Options) { o.TokenInQuery = inQuery })
				equal(t, call[string](c, "Echo", "x"), "x")
				equal(t, call[*string](c, "GetUserNameIdentifier"), "kim")
				equal(t, call[string](c, "GetUserClaim", "role"), "boss")
				equal(t, call[string](c, "GetUserClaim", "none"), "")
			}
		}
	})
}

func TestProtectedHubWithoutUser(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "POST", "DELETE", "PUT"} {
		for _, path := range []string{"", "?id=x", "/negotiate"} {
			a := plain(t, method, "/authorizedhub"+path, "")
			if a.StatusCode != 401 || a.body != "" || !strings.HasSuffix(a.Status, " Unauthorized") {
				t.Errorf("%s %s: %s %q", method, path, a.Status, a.body)
			}
		}
	}
	equal(t, plain(t, "GET", "/authorizedhub", "", upgrade...).StatusCode, 401)
	good := token(t, "kim")
	// The header wins over the query; the scheme is read in any case.
	equal(t, plain(t, "POST", "/authorizedhub/negotiate?access_token="+good, "", "Authorization", "Bearer bad").StatusCode, 401)
	equal(t, plain(t, "POST", "/authorizedhub/negotiate?access_token=bad", "", "Authorization", "bEARER "+good).StatusCode, 200)
}

func TestSignInThatExpires(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		short := get(t, "/generateJwtToken", "user", "kim", "lifetime", "2")
		stays := w.connect(t, "/authorizedhub", withToken(short))
		expires := w.connect(t, "/expiringhub", withToken(short))
		begin := time.Now()
		expires.endsWith("", true)
		if passed := time.Since(begin); passed > 6*time.Second {
			t.Fatal(passed)
		}
		equal(t, call[string](stays, "Echo", "x"), "x")
	})
}

func TestHeadersOfTheClientInCalls(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, hub)
		m, err := c.call(typeInvocation, "Add", []any{1, 2})
		must(t, err)
		m.Headers = map[string]string{"traceparent": "00-1-2-03", "Authorization": "Bearer x"}
		m.ID = "with headers"
		p := &pending{done: make(chan struct{}), enough: make(chan struct{})}
		c.lock.Lock()
		c.pending[m.ID] = p
		c.lock.Unlock()
		must(t, c.write(m))
		<-p.done
		must(t, p.err)
	})
}
