// Package signalr is a client of SignalR hubs, written from the specification of the wire alone to find where
// a server disagrees with it. It insists on everything that a server has to do: where another client would
// shrug its shoulders, this one ends the connection with a Violation.
package signalr

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"time"
)

const (
	defaultServerTimeout = 30 * time.Second
	defaultPingInterval  = 15 * time.Second
	idleTimeout          = 5 * time.Second // of TCP connections between requests
)

// Handler answers a call of the server. Its result and error go back if the server wants them.
type Handler func(call *Call) (any, error)

// Call is a call of the server.
type Call struct {
	ID        string // of a question; empty for a plain call
	arguments []Raw
	protocol  Protocol
}

// Arguments reads all arguments; there must be as many as values.
func (c *Call) Arguments(values ...any) error {
	if len(values) != len(c.arguments) {
		return fmt.Errorf("%d arguments, not %d", len(c.arguments), len(values))
	}
	for i, raw := range c.arguments {
		if err := c.protocol.Unmarshal(raw, values[i]); err != nil {
			return err
		}
	}
	return nil
}

// Options say how to connect.
type Options struct {
	URL             string        // of the hub
	Transport       TransportName // empty: the first one offered that carries the protocol
	Protocol        Protocol      // nil: JSON
	OldNegotiation  bool          // negotiate version 0
	SkipNegotiation bool          // WebSockets only
	Stateful        bool          // ask for stateful reconnect
	Token           string        // access token
	TokenInQuery    bool          // as browsers have to
	Header          http.Header
	// Handlers has what the server may call; a call of anything else is a violation.
	Handlers      map[string]Handler
	Silent        bool // send no pings
	PingInterval  time.Duration
	ServerTimeout time.Duration
}

func (o *Options) endpoint() (*endpoint, error) {
	hub, err := url.Parse(o.URL)
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Jar: jar, Transport: &http.Transport{DisableCompression: true, IdleConnTimeout: idleTimeout}}
	return &endpoint{client: client, hub: *hub, header: o.Header, token: o.Token, inQuery: o.TokenInQuery}, nil
}

// open negotiates, and attaches a transport.
func (o *Options) open(ctx context.Context) (*endpoint, *Negotiation, TransportName, transport, error) {
	e, err := o.endpoint()
	if err != nil {
		return nil, nil, "", nil, err
	}
	negotiation, name := new(Negotiation), WebSockets
	if !o.SkipNegotiation {
		version := 1
		if o.OldNegotiation {
			version = -1
		}
		if negotiation, err = e.negotiate(ctx, version, o.Stateful); err != nil {
			return nil, nil, "", nil, err
		}
		if name = o.choose(negotiation.Transports); name == "" {
			return nil, nil, "", nil, errors.New("the server does not offer such a transport")
		}
	}
	t, err := e.attach(ctx, name)
	return e, negotiation, name, t, err
}

func (o *Options) choose(offered []TransportName) TransportName {
	for _, name := range offered {
		if o.Transport == name || o.Transport == "" && name.carries(o.Protocol) {
			return name
		}
	}
	return ""
}

// Connect negotiates, attaches a transport, and shakes hands.
func Connect(ctx context.Context, o Options) (*Connection, error) {
	if o.Protocol == nil {
		o.Protocol = JSON
	}
	if o.PingInterval == 0 {
		o.PingInterval = defaultPingInterval
	}
	if o.ServerTimeout == 0 {
		o.ServerTimeout = defaultServerTimeout
	}
	e, negotiation, name, t, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	c := &Connection{
		options: o, endpoint: e, Negotiation: negotiation, Transport: name, transport: t,
		pending: map[string]*pending{}, done: make(chan struct{}),
	}
	c.live, c.cancel = context.WithCancel(context.Background())
	version := 1
	if negotiation.Stateful && name == WebSockets {
		version = 2
		c.stateful = newStateful()
	}
	rest, err := c.shakeHands(ctx, version)
	if err != nil {
		t.Drop()
		return nil, err
	}
	go c.run(rest)
	return c, nil
}

// shakeHands sends the handshake and returns what came behind the answer (§3.2).
func (c *Connection) shakeHands(ctx context.Context, version int) ([]byte, error) {
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-ctx.Done():
			c.transport.Drop()
		case <-stop:
		}
	}()
	request := fmt.Sprintf("{\"protocol\":%q,\"version\":%d}\x1e", c.options.Protocol.Name(), version)
	if err := c.transport.Send([]byte(request), false); err != nil {
		return nil, err
	}
	piece, kind, err := c.transport.Receive()
	if err != nil {
		return nil, fmt.Errorf("no answer to the handshake: %w", err)
	}
	answer, rest, complete := bytes.Cut(piece, []byte{recordSeparator})
	if !complete {
		return nil, violation("§3.2", "the handshake is answered with %q", piece)
	}
	if string(answer) == "{}" {
		return rest, c.checkFormat(kind)
	}
	var refusal struct{ Error string }
	if err := json.Unmarshal(answer, &refusal); err != nil || len(rest) > 0 || refusal.Error == "" {
		return nil, violation("§3.2", "the handshake is answered with %q", piece)
	}
	if _, _, err := c.transport.Receive(); !isEnd(err) {
		return nil, violation("§3.2", "after a refused handshake: %v", err)
	}
	return nil, HandshakeError(refusal.Error)
}

// checkFormat compares what a WebSocket says of a message with the format of the protocol (§2.2).
func (c *Connection) checkFormat(kind format) error {
	want := formatText
	if c.options.Protocol.Binary() {
		want = formatBinary
	}
	if kind != formatUnsaid && kind != want {
		return violation("§2.2", "the wrong type of WebSocket message")
	}
	return nil
}
