// Package library drives the unmodified client github.com/philippseith/signalr against the functional host at $SERVER.
package library

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/philippseith/signalr"
)

const patience = 10 * time.Second

// A way is a transport with what travels on it. The client knows no other.
type way struct {
	name      string
	transport signalr.TransportType
	format    signalr.TransferFormatType
}

var ways = []way{
	{"WebSockets/JSON", signalr.TransportWebSockets, signalr.TransferFormatText},
	{"WebSockets/MessagePack", signalr.TransportWebSockets, signalr.TransferFormatBinary},
	{"ServerSentEvents/JSON", signalr.TransportServerSentEvents, signalr.TransferFormatText},
}

// A person is a client and what it hears.
type person struct {
	signalr.Client
	*ears
	t *testing.T
}

// The client calls methods of this type by name.
type ears struct {
	heard chan string
}

func (e *ears) Message(text string)         { e.heard <- text }
func (e *ears) Fed(number int, text string) { e.heard <- fmt.Sprint(number, text) }
func (e *ears) Welcome(id string)           { e.heard <- "welcome " + id }

func address(path string) string { return os.Getenv("SERVER") + path }

// prepared is a client that was not started.
func prepared(t *testing.T, w way, path string, headers func() http.Header) *person {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	dial := func() (signalr.Connection, error) {
		return signalr.NewHTTPConnection(ctx, address(path), signalr.WithTransports(w.transport), signalr.WithHTTPHeaders(headers))
	}
	e := &ears{heard: make(chan string, 1000)}
	client, err := signalr.NewClient(ctx,
		signalr.WithConnector(dial),
		signalr.WithReceiver(e),
		signalr.TransferFormat(w.format),
		signalr.MaximumReceiveMessageSize(1<<20),
		signalr.Logger(log.NewNopLogger(), false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Stop)
	return &person{client, e, t}
}

// started is a client that is connected.
func started(t *testing.T, w way, path string, headers func() http.Header) *person {
	t.Helper()
	p := prepared(t, w, path, headers)
	p.Start()
	p.reaches(signalr.ClientConnected)
	return p
}

func (p *person) reaches(state signalr.ClientState) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := <-p.WaitForState(ctx, state); err != nil && p.State() != state {
		p.t.Fatalf("state %v instead of %v: %v", p.State(), state, err)
	}
}

// answer waits for the outcome of a call. The client tells the value and that there is no error one by one, in any order.
func (p *person) answer(outcomes <-chan signalr.InvokeResult) (value interface{}, err error) {
	p.t.Helper()
	for late := time.After(patience); ; {
		select {
		case outcome, isMore := <-outcomes:
			if !isMore {
				return value, err
			}
			if outcome.Value != nil {
				value = outcome.Value
			}
			if outcome.Error != nil {
				err = outcome.Error
			}
		case <-late:
			p.t.Fatal("no answer")
		}
	}
}

// returns checks what a method returns, as text: a number is an int here and a float there.
func (p *person) returns(want string, method string, arguments ...interface{}) {
	p.t.Helper()
	value, err := p.answer(p.Invoke(method, arguments...))
	if got := fmt.Sprint(value); err != nil || got != want {
		p.t.Errorf("%s: %.100q, %v instead of %.100q", method, got, err, want)
	}
}

// fails checks with what words a method fails.
func (p *person) fails(want string, method string, arguments ...interface{}) {
	p.t.Helper()
	value, err := p.answer(p.Invoke(method, arguments...))
	if err == nil || !strings.Contains(err.Error(), want) {
		p.t.Errorf("%s: %v, %v instead of the error %q", method, value, err, want)
	}
}

// hears waits for so many messages. The client handles each in a goroutine of its own, so there is no order.
func (p *person) hears(want ...string) {
	p.t.Helper()
	var got []string
	for late := time.After(patience); len(got) < len(want); {
		select {
		case text := <-p.heard:
			got = append(got, text)
		case <-late:
			p.t.Fatalf("heard only %.200q, and not %.200q", got, want)
		}
	}
	sort.Strings(got)
	sort.Strings(want)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		p.t.Errorf("heard %.200q instead of %.200q", got, want)
	}
}

// sends calls a method whose answer nobody waits for.
func (p *person) sends(method string, arguments ...interface{}) {
	p.t.Helper()
	if err := <-p.Send(method, arguments...); err != nil {
		p.t.Error(err)
	}
}

// pulls reads a stream to its end.
func (p *person) pulls(method string, arguments ...interface{}) (items []string, err error) {
	p.t.Helper()
	outcomes := p.PullStream(method, arguments...)
	for late := time.After(patience); ; {
		select {
		case outcome, isMore := <-outcomes:
			if !isMore {
				return items, err
			}
			if outcome.Error != nil {
				err = outcome.Error
			} else {
				items = append(items, fmt.Sprint(outcome.Value))
			}
		case <-late:
			p.t.Fatalf("%s does not end", method)
		}
	}
}

func get(t *testing.T, path string) string {
	t.Helper()
	response, err := http.Get(address(path))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(response.Status, err)
	}
	return string(body)
}

// journal waits until the host has noted an entry that begins so.
func journal(t *testing.T, tag, prefix string) {
	t.Helper()
	var entries []string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err := json.Unmarshal([]byte(get(t, "/events?tag="+url.QueryEscape(tag))), &entries); err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if strings.HasPrefix(entry, prefix) {
				return
			}
		}
	}
	t.Errorf("the journal of %s has no %q: %q", tag, prefix, entries)
}

// isRefused waits until the client, which goes on trying, has been told why it may not come in.
func (p *person) isRefused(want string) {
	p.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err := p.Err(); err != nil && strings.Contains(err.Error(), want) {
			return
		}
	}
	p.t.Errorf("state %v, %v instead of %q", p.State(), p.Err(), want)
}
