package signalr

import (
	"bytes"
	"math"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// MessagePack is the hub protocol "messagepack" (§3.5).
var MessagePack Protocol = messagePackProtocol{}

type messagePackProtocol struct{}

func (messagePackProtocol) Name() string { return "messagepack" }

func (messagePackProtocol) Binary() bool { return true }

func (messagePackProtocol) Marshal(value any) (Raw, error) {
	raw, err := msgpack.Marshal(value)
	return Raw(raw), err
}

func (messagePackProtocol) Unmarshal(raw Raw, value any) error {
	decoder := msgpack.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields(true)
	decoder.UseLooseInterfaceDecoding(true)
	return decoder.Decode(value)
}

// completionKind is item 3 of a Completion.
const (
	kindError  = 1
	kindVoid   = 2
	kindResult = 3
)

func (messagePackProtocol) Encode(m *Message) []byte {
	var headers any = map[string]string{}
	if m.Headers != nil {
		headers = m.Headers
	}
	body := []any{m.Type}
	switch m.Type {
	case typeInvocation, typeStreamInvocation:
		body = append(body, headers, orNil(m.ID), m.Target, raws(m.Arguments))
		// The streams may be left out where there are none.
		if len(m.StreamIDs) > 0 {
			body = append(body, m.StreamIDs)
		}
	case typeStreamItem:
		body = append(body, headers, m.ID, msgpack.RawMessage(m.Item))
	case typeCompletion:
		switch {
		case m.Error != nil:
			body = append(body, headers, m.ID, kindError, *m.Error)
		case m.Result != nil:
			body = append(body, headers, m.ID, kindResult, msgpack.RawMessage(m.Result))
		default:
			body = append(body, headers, m.ID, kindVoid)
		}
	case typeCancelInvocation:
		body = append(body, headers, m.ID)
	case typeClose:
		body = append(body, m.Error)
	case typeAck, typeSequence:
		body = append(body, m.SequenceID)
	}
	encoded, err := msgpack.Marshal(body)
	if err != nil {
		panic(err) // all values are encoded already
	}
	return append(lengthPrefix(len(encoded)), encoded...)
}

func orNil(id string) any {
	if id == "" {
		return nil
	}
	return id
}

func raws(values []Raw) []msgpack.RawMessage {
	all := make([]msgpack.RawMessage, len(values))
	for i, value := range values {
		all[i] = msgpack.RawMessage(value)
	}
	return all
}

// lengthPrefix is the VarInt of §3.1.
func lengthPrefix(length int) []byte {
	var prefix []byte
	for length > 0x7f {
		prefix = append(prefix, byte(length)|0x80)
		length >>= 7
	}
	return append(prefix, byte(length))
}

// cutLength reads a length prefix and returns what is behind it.
func cutLength(data []byte) (length int, rest []byte, err error) {
	for i, b := range data {
		if i == 4 && b > 7 {
			break
		}
		length |= int(b&0x7f) << (7 * i)
		if b&0x80 == 0 {
			if b == 0 {
				return 0, nil, violation("§3.1", "a length prefix of zero, or longer than needed")
			}
			return length, data[i+1:], nil
		}
	}
	return 0, nil, violation("§3.1", "no length prefix: % x", data[:min(len(data), 8)])
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

func (messagePackProtocol) Decode(piece []byte) ([]*Message, error) {
	var messages []*Message
	for len(piece) > 0 {
		length, rest, err := cutLength(piece)
		if err != nil {
			return nil, err
		}
		if length > len(rest) {
			return nil, violation("§0.3", "a piece that ends inside a message: %d of %d bytes", len(rest), length)
		}
		m, err := decodeMessagePack(rest[:length])
		if err != nil {
			return nil, violation("§3.5", "%v in % x", err, rest[:min(length, 64)])
		}
		messages = append(messages, m)
		piece = rest[length:]
	}
	if messages == nil {
		return nil, violation("§0.3", "an empty piece")
	}
	return messages, nil
}

// itemReader reads the items of a message; the first error stays.
type itemReader struct {
	*msgpack.Decoder
	err error
}

func (r *itemReader) check(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *itemReader) array() int {
	length, err := r.DecodeArrayLen()
	r.check(err)
	if length < 0 {
		r.check(violation("§3.5", "nil in the place of an array"))
	}
	return length
}

// small is a number that fits one byte and takes only one.
func (r *itemReader) small() int {
	code, err := r.PeekCode()
	r.check(err)
	if code > msgpcode.PosFixedNumHigh {
		r.check(violation("§3.5", "%#x where a number of one byte belongs", code))
	}
	value, err := r.DecodeInt()
	r.check(err)
	return value
}

func (r *itemReader) text() *string {
	code, err := r.PeekCode()
	r.check(err)
	if code == msgpcode.Nil {
		r.check(r.DecodeNil())
		return nil
	}
	if !msgpcode.IsString(code) {
		r.check(violation("§3.5", "%#x where a string belongs", code))
	}
	value, err := r.DecodeString()
	r.check(err)
	return &value
}

func (r *itemReader) mustText() string {
	text := r.text()
	if text == nil || *text == "" {
		r.check(violation("§3.5", "nil or an empty string"))
		return ""
	}
	return *text
}

func (r *itemReader) value() Raw {
	raw, err := r.DecodeRaw()
	r.check(err)
	return Raw(raw)
}

func (r *itemReader) headers() map[string]string {
	length, err := r.DecodeMapLen()
	r.check(err)
	if length < 0 {
		r.check(violation("§3.5", "headers are nil"))
	}
	headers := map[string]string{}
	for i := 0; i < length && r.err == nil; i++ {
		name := r.mustText()
		headers[name] = r.mustText()
	}
	return headers
}

func decodeMessagePack(body []byte) (*Message, error) {
	input := bytes.NewReader(body)
	r := &itemReader{Decoder: msgpack.NewDecoder(input)}
	items := r.array()
	m := &Message{Type: r.small()}
	want := map[int]int{
		typeInvocation: 6, typeStreamItem: 4, typeCompletion: 5, typePing: 1, typeClose: 3, typeAck: 2, typeSequence: 2,
	}[m.Type]
	if want == 0 {
		r.check(violation("§3.3", "a server never sends type %d", m.Type))
	}
	if m.Type <= typeCompletion {
		m.Headers = r.headers()
	}
	switch m.Type {
	case typeInvocation:
		if id := r.text(); id != nil {
			m.ID = *id
			r.check(notEmpty(m.ID, "the id"))
		}
		m.Target = r.mustText()
		count := r.array()
		for i := 0; i < count && r.err == nil; i++ {
			m.Arguments = append(m.Arguments, r.value())
		}
		if r.array() > 0 {
			r.check(violation("§3.11", "a call with uploads"))
		}
	case typeStreamItem:
		m.ID = r.mustText()
		m.Item = r.value()
	case typeCompletion:
		m.ID = r.mustText()
		switch r.small() {
		case kindError:
			text := r.mustText()
			m.Error = &text
		case kindVoid:
			want = 4
		case kindResult:
			m.Result = r.value()
		default:
			r.check(violation("§3.5", "a kind of Completion that does not exist"))
		}
	case typeClose:
		m.Error = r.text()
		reconnect, err := r.DecodeBool()
		r.check(err)
		m.AllowReconnect = reconnect
	case typeAck, typeSequence:
		value, err := r.DecodeUint64()
		r.check(err)
		if value > math.MaxInt64 {
			r.check(violation("§3.5", "a sequence id beyond 64 bits"))
		}
		m.SequenceID = int64(value)
	}
	if r.err == nil && items != want {
		r.err = violation("§3.5", "type %d with %d items", m.Type, items)
	}
	if r.err == nil && input.Len() > 0 {
		r.err = violation("§3.5", "%d bytes behind the message", input.Len())
	}
	return m, r.err
}
