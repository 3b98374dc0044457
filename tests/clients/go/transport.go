package signalr

import (
	"context"
	"errors"
)

// TransportName is one of the three of §1.2.
type TransportName string

// The transports.
const (
	WebSockets       TransportName = "WebSockets"
	ServerSentEvents TransportName = "ServerSentEvents"
	LongPolling      TransportName = "LongPolling"
)

func (name TransportName) formats() []string {
	if name == ServerSentEvents {
		return []string{"Text"}
	}
	return []string{"Text", "Binary"}
}

// carries tells whether messages of the protocol go over the transport (§2.5).
func (name TransportName) carries(p Protocol) bool {
	return name != ServerSentEvents || !p.Binary()
}

// format is what a WebSocket says of a message: text or binary. The other transports say nothing.
type format int

const (
	formatUnsaid format = iota
	formatText
	formatBinary
)

// errLost means that the peer is gone without a word.
var errLost = errors.New("the transport was lost")

// transport carries pieces of bytes. Receive gives them one at a time, io.EOF after an orderly end.
type transport interface {
	Receive() ([]byte, format, error)
	Send(data []byte, binary bool) error
	// Drop ends it at once, without a word to the server.
	Drop()
}

// attach opens the transport of that name (§1.3).
func (e *endpoint) attach(ctx context.Context, name TransportName) (transport, error) {
	switch name {
	case WebSockets:
		return e.openWebSocket(ctx)
	case ServerSentEvents:
		return e.openEventStream(ctx)
	case LongPolling:
		return e.openPolls(ctx)
	}
	return nil, errors.New("no transport " + string(name))
}
