package signalr

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// server is the functional host.
var server = strings.TrimSuffix(os.Getenv("SERVER"), "/")

func TestMain(m *testing.M) {
	flag.Parse()
	if only := flag.Lookup("test.run").Value.String(); server == "" && only != "^$" {
		fmt.Fprintln(os.Stderr, "SERVER has to name the functional host")
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// patience is how long anything may take.
const patience = 10 * time.Second

func within(limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	time.AfterFunc(2*limit, cancel)
	return ctx
}

func soon() context.Context { return within(patience) }

// way is a transport with a hub protocol that it carries.
type way struct {
	transport TransportName
	protocol  Protocol
}

func (w way) String() string { return string(w.transport) + "-" + w.protocol.Name() }

var ways = []way{
	{WebSockets, JSON}, {WebSockets, MessagePack}, {ServerSentEvents, JSON}, {LongPolling, JSON}, {LongPolling, MessagePack},
}

// eachWay runs a test over every way, at the same time.
func eachWay(t *testing.T, test func(t *testing.T, w way)) {
	t.Helper()
	each(t, ways, test)
}

// each runs a test over some of the ways.
func each(t *testing.T, ways []way, test func(t *testing.T, w way)) {
	t.Parallel()
	for _, w := range ways {
		w := w
		t.Run(w.String(), func(t *testing.T) {
			t.Parallel()
			test(t, w)
		})
	}
}

// eachTransport runs a test over transports, at the same time.
func eachTransport(t *testing.T, test func(t *testing.T, name TransportName), names ...TransportName) {
	t.Parallel()
	for _, name := range names {
		name := name
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			test(t, name)
		})
	}
}

// client is a connection that fails its test if something goes wrong with it.
type client struct {
	*Connection
	t     *testing.T
	ended bool // the test has looked at the end itself
}

// connect opens a connection for the test and stops it in the end, as orderly as can be.
func (w way) connect(t *testing.T, path string, changes ...func(*Options)) *client {
	t.Helper()
	connection, err := w.tryConnect(path, changes...)
	if err != nil {
		t.Fatalf("connecting to %s: %v", path, err)
	}
	c := &client{Connection: connection, t: t}
	t.Cleanup(func() {
		if c.ended {
			return
		}
		if err := c.Stop(soon()); err != nil {
			t.Errorf("the end of the connection: %v (%s)", err, c.state())
		}
	})
	return c
}

// state is what a message about a failed test says of the connection.
func (c *Connection) state() string {
	c.lock.Lock()
	defer c.lock.Unlock()
	goodbye := "none"
	if c.goodbye != nil {
		goodbye = show(c.goodbye)
	}
	return fmt.Sprintf("failure: %v, Close message: %s", c.failure, goodbye)
}

func (w way) tryConnect(path string, changes ...func(*Options)) (*Connection, error) {
	o := Options{URL: server + path, Transport: w.transport, Protocol: w.protocol}
	for _, change := range changes {
		change(&o)
	}
	return Connect(soon(), o)
}

// on adds a handler.
func on(target string, handler Handler) func(*Options) {
	return func(o *Options) {
		if o.Handlers == nil {
			o.Handlers = map[string]Handler{}
		}
		o.Handlers[target] = handler
	}
}

func withToken(token string) func(*Options) {
	return func(o *Options) { o.Token = token }
}

// silent sends no pings.
func silent(o *Options) { o.Silent = true }

// call invokes a method for its result.
func call[T any](c *client, target string, arguments ...any) T {
	c.t.Helper()
	var result T
	if err := c.Invoke(soon(), &result, target, arguments...); err != nil {
		c.t.Fatalf("%s: %v (%s)", target, err, c.state())
	}
	return result
}

// do invokes a method without result.
func (c *client) do(target string, arguments ...any) {
	c.t.Helper()
	if err := c.Invoke(soon(), nil, target, arguments...); err != nil {
		c.t.Fatalf("%s: %v (%s)", target, err, c.state())
	}
}

// refused invokes a method for the text of its error.
func (c *client) refused(target string, arguments ...any) string {
	c.t.Helper()
	var result any
	err := c.Invoke(soon(), &result, target, arguments...)
	text, ok := err.(HubError)
	if !ok {
		c.t.Fatalf("%s: result %v, error %v (%s)", target, result, err, c.state())
	}
	return string(text)
}

// alive proves that the connection still works.
func (c *client) alive() {
	c.t.Helper()
	equal(c.t, call[int](c, "Add", 40, 2), 42)
}

// end waits for the server to end the connection, and takes it as what the test wanted.
func (c *client) end() *Message {
	c.t.Helper()
	c.ended = true
	goodbye, err := c.Wait(soon())
	if err != nil {
		c.t.Fatalf("the end of the connection: %v", err)
	}
	return goodbye
}

// endsWith is end with the expected Close message.
func (c *client) endsWith(text string, allowReconnect bool) {
	c.t.Helper()
	goodbye := c.end()
	got := ""
	if goodbye.Error != nil {
		got = *goodbye.Error
	}
	equal(c.t, got, text)
	equal(c.t, goodbye.AllowReconnect, allowReconnect)
}

// items reads a stream to its end.
func items[T any](c *client, target string, arguments ...any) ([]T, error) {
	c.t.Helper()
	stream, err := c.Stream(target, arguments...)
	if err != nil {
		c.t.Fatal(err)
	}
	all := []T{}
	for {
		var item T
		more, err := stream.Next(soon(), &item)
		if !more {
			return all, err
		}
		if err != nil {
			c.t.Fatal(err)
		}
		all = append(all, item)
	}
}

// equal compares what JSON can show.
func equal(t *testing.T, got, want any) {
	t.Helper()
	if g, w := show(got), show(want); g != w {
		t.Fatalf("got %s, not %s", g, w)
	}
}

func show(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// inbox keeps what the server sends to one method.
type inbox[T any] struct{ came chan T }

func newInbox[T any]() *inbox[T] { return &inbox[T]{make(chan T, 10_000)} }

func (i *inbox[T]) handle(call *Call) (any, error) {
	var value T
	if err := call.Arguments(&value); err != nil {
		return nil, err
	}
	i.came <- value
	return nil, nil
}

func (i *inbox[T]) next(t *testing.T) T {
	t.Helper()
	select {
	case value := <-i.came:
		return value
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	panic("unreachable")
}

func (i *inbox[T]) take(t *testing.T, count int) []T {
	t.Helper()
	all := []T{}
	for len(all) < count {
		all = append(all, i.next(t))
	}
	return all
}

// get asks the host.
func get(t *testing.T, path string, query ...string) string {
	t.Helper()
	return request(t, http.MethodGet, path, query...)
}

func request(t *testing.T, method, path string, query ...string) string {
	t.Helper()
	values := url.Values{}
	for i := 0; i < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	r, err := http.NewRequestWithContext(soon(), method, server+path+"?"+values.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v", path, response.StatusCode, err)
	}
	return string(body)
}

func token(t *testing.T, user string, more ...string) string {
	t.Helper()
	return get(t, "/generateJwtToken", append([]string{"user", user, "lifetime", "600"}, more...)...)
}

var tags int64

// newTag is a name that nobody else has.
func newTag() string {
	return fmt.Sprintf("go-%d-%d", os.Getpid(), atomic.AddInt64(&tags, 1))
}

func journal(t *testing.T, tag string) []string {
	t.Helper()
	var entries []string
	if err := json.Unmarshal([]byte(get(t, "/events", "tag", tag)), &entries); err != nil {
		t.Fatal(err)
	}
	return entries
}

// awaitEntry waits for an entry of the journal that begins like that.
func awaitEntry(t *testing.T, tag, begin string) string {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for _, entry := range journal(t, tag) {
			if strings.HasPrefix(entry, begin) {
				return entry
			}
		}
	}
	t.Fatalf("the journal is %q, without %q", journal(t, tag), begin)
	return ""
}
