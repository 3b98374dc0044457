package signalr

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// rawAnswer is an answer to a plain request.
type rawAnswer struct {
	*http.Response
	body string
}

// plain sends a request with headers in pairs.
func plain(t *testing.T, method, path, body string, headers ...string) rawAnswer {
	t.Helper()
	return plainWithin(t, soon(), method, path, body, headers...)
}

func plainWithin(t *testing.T, ctx context.Context, method, path, body string, headers ...string) rawAnswer {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, server+path, strings.NewReader(body))
	must(t, err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	must(t, err)
	defer response.Body.Close()
	var all strings.Builder
	buffer := make([]byte, 4096)
	for {
		n, err := response.Body.Read(buffer)
		all.Write(buffer[:n])
		if err != nil {
			return rawAnswer{response, all.String()}
		}
	}
}

// is compares status, content type, and body.
func (a rawAnswer) is(t *testing.T, status int, kind, body string) {
	t.Helper()
	if a.StatusCode != status || a.Header.Get("Content-Type") != kind || a.body != body {
		t.Fatalf("%d %q %q, not %d %q %q", a.StatusCode, a.Header.Get("Content-Type"), a.body, status, kind, body)
	}
}

// negotiated asks for a connection in version 1.
func negotiated(t *testing.T, path string) *endpoint {
	t.Helper()
	o := Options{URL: server + path}
	e, err := o.endpoint()
	must(t, err)
	_, err = e.negotiate(soon(), 1, false)
	must(t, err)
	return e
}

func TestNegotiation(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for i := 0; i < 100; i++ {
		for _, version := range []int{-1, 0, 1, 7} {
			o := Options{URL: server + "/workhub"}
			e, err := o.endpoint()
			must(t, err)
			// The client itself checks the rest.
			n, err := e.negotiate(soon(), version, false)
			must(t, err)
			equal(t, n.Transports, []TransportName{WebSockets, ServerSentEvents, LongPolling})
			if seen[n.Token] || seen[n.ConnectionID] {
				t.Fatal("an id twice")
			}
			seen[n.Token], seen[n.ConnectionID] = true, true
			e.client.CloseIdleConnections()
		}
	}
}

func TestNegotiationWithoutWebSockets(t *testing.T) {
	t.Parallel()
	o := Options{URL: server + "/testhub-nowebsockets"}
	e, err := o.endpoint()
	must(t, err)
	n, err := e.negotiate(soon(), 1, false)
	must(t, err)
	equal(t, n.Transports, []TransportName{ServerSentEvents, LongPolling})
	equal(t, call[string](way{"", JSON}.connect(t, "/testhub-nowebsockets"), "GetActiveTransportName"), ServerSentEvents)
	equal(t, call[string](way{"", MessagePack}.connect(t, "/testhub-nowebsockets"), "GetActiveTransportName"), LongPolling)
	// The same connections on both paths.
	c := way{"", JSON}.connect(t, "/testhub-nowebsockets", on("Result", func(*Call) (any, error) { return 1, nil }))
	equal(t, get(t, "/clientresult/"+c.Negotiation.ConnectionID), "1")
	_, err = e.attach(soon(), WebSockets)
	equal(t, show(err), show(&StatusError{404, "Not Found", "WebSockets transport not supported by this end point type"}))
}

func TestVersionsThatAreNone(t *testing.T) {
	t.Parallel()
	const noInteger = `{"error":"The client requested a non-integer protocol version."}`
	for _, row := range []struct{ query, want string }{
		{"negotiateVersion=abc", noInteger},
		{"negotiateVersion=", noInteger},
		{"negotiateVersion=1.0", noInteger},
		{"negotiateVersion=1&negotiateVersion=1", noInteger},
		{"negotiateVersion=4294967296", noInteger},
		{"NEGOTIATEVERSION=x", noInteger},
		{"negotiateVersion=-1", `{"error":"The client requested version '-1', but the server does not support this version."}`},
	} {
		row := row
		t.Run(row.query, func(t *testing.T) {
			t.Parallel()
			a := plain(t, http.MethodPost, "/workhub/negotiate?"+row.query, "")
			a.is(t, 200, "application/json", row.want)
			equal(t, a.ContentLength, len(row.want))
		})
	}
}

func TestVersionsInManyForms(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"negotiateVersion=%20%2B01%20": `{"negotiateVersion":1,`,
		"NegotiateVersion=1":           `{"negotiateVersion":1,`,
		"negotiateVersion=0":           `{"negotiateVersion":0,`,
		"negotiateVersion=2147483647":  `{"negotiateVersion":1,`,
	} {
		a := plain(t, http.MethodPost, "/WorkHub/Negotiate/?"+query, "anything", "Content-Type", "application/json")
		if a.StatusCode != 200 || !strings.HasPrefix(a.body, want) {
			t.Errorf("%s: %d %s", query, a.StatusCode, a.body)
		}
	}
}

func TestOldNegotiation(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/workhub", func(o *Options) { o.OldNegotiation = true })
		equal(t, call[string](c, "ConnectionId"), c.Negotiation.ConnectionID)
	})
}

func TestWithoutNegotiation(t *testing.T) {
	each(t, ways[:2], func(t *testing.T, w way) {
		c := w.connect(t, "/workhub?connectionId=anything", func(o *Options) { o.SkipNegotiation = true })
		if id := call[string](c, "ConnectionId"); !connectionIDs.MatchString(id) {
			t.Fatal(id)
		}
	})
}

func TestRedirects(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/redirect?baseUrl="+server)
		equal(t, c.Negotiation.Redirects, 1)
		if count := call[int](c, "GetNumRedirects"); count < 1 {
			t.Fatal(count)
		}
	})
}

func TestMovedConnection(t *testing.T) {
	t.Parallel()
	a := plain(t, http.MethodPost, "/echoredirect/negotiate?negotiateVersion=1", "")
	equal(t, a.StatusCode, 307)
	equal(t, a.Header.Get("Location"), "/echo/negotiate?negotiateVersion=1")
}

func TestRefusedNegotiation(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		_, err := w.tryConnect("/bad-negotiate")
		equal(t, show(err), show(&StatusError{400, "Bad Request", "Some response from server"}))
		_, err = w.tryConnect("/nothing-here")
		if status, ok := err.(*StatusError); !ok || status.Status != 404 {
			t.Fatal(err)
		}
	})
}

func TestCookies(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.connect(t, "/testhub", func(o *Options) { o.Header = http.Header{"Colour": {"green"}} })
		equal(t, call[*string](c, "GetCookie", "testCookie"), "testValue")
		equal(t, call[*string](c, "GetCookie", "testCookie2"), "testValue2")
		equal(t, call[*string](c, "GetCookie", "expiredCookie"), nil)
		equal(t, call[*string](c, "GetHeader", "colour"), "green")
		equal(t, call[*string](c, "GetHeader", "other"), nil)
		equal(t, call[*string](c, "GetContentTypeHeader"), nil)
	})
}

func TestConnectionThatNobodyAttachesTo(t *testing.T) {
	t.Parallel()
	e := negotiated(t, "/workhub")
	time.Sleep(17500 * time.Millisecond)
	response, body, err := e.do(soon(), http.MethodPost, e.address(), []byte("x"))
	must(t, err)
	rawAnswer{response, string(body)}.is(t, 404, "text/plain", "No Connection with that ID")
}
