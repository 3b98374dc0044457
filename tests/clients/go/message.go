package signalr

import "fmt"

// The types of hub messages (§3.3).
const (
	typeInvocation       = 1
	typeStreamItem       = 2
	typeCompletion       = 3
	typeStreamInvocation = 4
	typeCancelInvocation = 5
	typePing             = 6
	typeClose            = 7
	typeAck              = 8
	typeSequence         = 9
)

// Raw is one value as the hub protocol writes it.
type Raw []byte

// Message is a hub message; which fields count depends on its type.
type Message struct {
	Type           int
	Headers        map[string]string
	ID             string // of the invocation or the upload; empty for none
	Target         string
	Arguments      []Raw
	StreamIDs      []string
	Item           Raw
	Result         Raw // nil for none
	Error          *string
	AllowReconnect bool
	SequenceID     int64
}

// counted tells whether stateful reconnect numbers the message (§5.2).
func (m *Message) counted() bool {
	return m.Type >= typeInvocation && m.Type <= typeCancelInvocation
}

// Protocol is a hub protocol: how messages and the values in them are written.
type Protocol interface {
	Name() string
	// Binary tells the transfer format.
	Binary() bool
	Marshal(value any) (Raw, error)
	// Unmarshal reads a value and refuses members that the receiver does not know.
	Unmarshal(raw Raw, value any) error
	// Encode writes a message with its framing.
	Encode(m *Message) []byte
	// Decode reads all of a piece, which has to consist of whole messages, and insists on the server's
	// layout of each.
	Decode(piece []byte) ([]*Message, error)
}

// Violation is something that the specification does not let a server do.
type Violation struct {
	Section string // of the specification
	What    string
}

func (v *Violation) Error() string {
	return fmt.Sprintf("the server breaks %s: %s", v.Section, v.What)
}

func violation(section, format string, values ...any) error {
	return &Violation{section, fmt.Sprintf(format, values...)}
}

// HubError is the error of a Completion.
type HubError string

func (e HubError) Error() string { return string(e) }

// HandshakeError is the error of a handshake that the server refused.
type HandshakeError string

func (e HandshakeError) Error() string { return string(e) }

// StatusError is an HTTP answer other than the wanted one.
type StatusError struct {
	Status int
	Reason string // the reason phrase
	Body   string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("status %d %s: %q", e.Status, e.Reason, e.Body)
}
