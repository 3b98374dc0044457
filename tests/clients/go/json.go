package signalr

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
)

// recordSeparator ends every JSON message and both messages of the handshake.
const recordSeparator = 0x1e

// JSON is the hub protocol "json" (§3.4).
var JSON Protocol = jsonProtocol{}

type jsonProtocol struct{}

func (jsonProtocol) Name() string { return "json" }

func (jsonProtocol) Binary() bool { return false }

func (jsonProtocol) Marshal(value any) (Raw, error) {
	raw, err := json.Marshal(value)
	return Raw(raw), err
}

func (jsonProtocol) Unmarshal(raw Raw, value any) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	return decoder.Decode(value)
}

func (jsonProtocol) Encode(m *Message) []byte {
	out := []byte{'{'}
	member := func(name string, raw []byte) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(out, `"`+name+`":`...), raw...)
	}
	member("type", []byte(strconv.Itoa(m.Type)))
	if len(m.Headers) > 0 {
		member("headers", plainJSON(m.Headers))
	}
	if m.ID != "" {
		member("invocationId", plainJSON(m.ID))
	}
	switch m.Type {
	case typeInvocation, typeStreamInvocation:
		member("target", plainJSON(m.Target))
		arguments := make([]json.RawMessage, len(m.Arguments))
		for i, raw := range m.Arguments {
			arguments[i] = json.RawMessage(raw)
		}
		member("arguments", plainJSON(arguments))
		if len(m.StreamIDs) > 0 {
			member("streamIds", plainJSON(m.StreamIDs))
		}
	case typeStreamItem:
		member("item", m.Item)
	case typeCompletion:
		if m.Result != nil {
			member("result", m.Result)
		}
	case typeAck, typeSequence:
		member("sequenceId", []byte(strconv.FormatInt(m.SequenceID, 10)))
	}
	if m.Error != nil {
		member("error", plainJSON(*m.Error))
	}
	if m.AllowReconnect {
		member("allowReconnect", []byte("true"))
	}
	return append(out, '}', recordSeparator)
}

// plainJSON writes what cannot fail.
func plainJSON(value any) []byte {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return raw
}

func (jsonProtocol) Decode(piece []byte) ([]*Message, error) {
	if len(piece) == 0 || piece[len(piece)-1] != recordSeparator {
		return nil, violation("§0.3", "a piece that does not end with a whole message: %q", piece)
	}
	var messages []*Message
	for _, record := range bytes.Split(piece[:len(piece)-1], []byte{recordSeparator}) {
		m, err := decodeJSON(record)
		if err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// member is one name and value of an object, as they came.
type member struct {
	name string
	raw  json.RawMessage
}

// members reads an object in its order and refuses white space around names and values.
func members(record []byte) ([]member, error) {
	decoder := json.NewDecoder(bytes.NewReader(record))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, violation("§3.4.1", "no object: %q", record)
	}
	var all []member
	compact := []byte{'{'}
	for decoder.More() {
		var m member
		token, err := decoder.Token()
		if err == nil {
			m.name = token.(string)
			err = decoder.Decode(&m.raw)
		}
		if err != nil {
			return nil, violation("§3.4.1", "%v in %q", err, record)
		}
		if len(all) > 0 {
			compact = append(compact, ',')
		}
		compact = append(append(compact, `"`+m.name+`":`...), m.raw...)
		all = append(all, m)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, violation("§3.4.1", "%v in %q", err, record)
	}
	if _, err := decoder.Token(); err != io.EOF || !bytes.Equal(append(compact, '}'), record) {
		return nil, violation("§3.4.1", "more than the object: %q", record)
	}
	return all, nil
}

// jsonLayouts has the members of each type in the order in which a server writes them; "?" marks those that
// may be missing.
var jsonLayouts = map[int][]string{
	typeInvocation: {"headers?", "invocationId?", "target", "arguments"},
	typeStreamItem: {"headers?", "invocationId", "item"},
	typeCompletion: {"headers?", "invocationId", "result?", "error?"},
	typePing:       {},
	typeClose:      {"error?", "allowReconnect?"},
	typeAck:        {"sequenceId"},
	typeSequence:   {"sequenceId"},
}

func decodeJSON(record []byte) (*Message, error) {
	all, err := members(record)
	if err != nil {
		return nil, err
	}
	m := new(Message)
	if len(all) == 0 || all[0].name != "type" || json.Unmarshal(all[0].raw, &m.Type) != nil {
		return nil, violation("§3.4.1", "no type at the beginning: %q", record)
	}
	layout, known := jsonLayouts[m.Type]
	if !known {
		return nil, violation("§3.3", "a server never sends this type: %q", record)
	}
	rest := all[1:]
	for _, name := range layout {
		optional := name[len(name)-1] == '?'
		if optional {
			name = name[:len(name)-1]
		}
		switch {
		case len(rest) > 0 && rest[0].name == name:
			if err := m.setMember(rest[0]); err != nil {
				return nil, violation("§3.4.1", "%v: %q", err, record)
			}
			rest = rest[1:]
		case !optional:
			return nil, violation("§3.4.1", "%s is not where it should be: %q", name, record)
		}
	}
	if len(rest) > 0 {
		return nil, violation("§3.4.1", "%s is not where it should be: %q", rest[0].name, record)
	}
	if m.Type == typeCompletion && m.Result != nil && m.Error != nil {
		return nil, violation("§3.4.1", "result and error: %q", record)
	}
	return m, nil
}

// setMember takes the value of one member; what it must not be is an error.
func (m *Message) setMember(member member) error {
	raw := member.raw
	switch member.name {
	case "headers":
		return notNull(raw, &m.Headers)
	case "invocationId":
		if err := notNull(raw, &m.ID); err != nil {
			return err
		}
		return notEmpty(m.ID, "invocationId")
	case "target":
		if err := notNull(raw, &m.Target); err != nil {
			return err
		}
		return notEmpty(m.Target, "target")
	case "arguments":
		var arguments []json.RawMessage
		err := notNull(raw, &arguments)
		for _, argument := range arguments {
			m.Arguments = append(m.Arguments, Raw(argument))
		}
		return err
	case "item":
		m.Item = Raw(raw)
	case "result":
		m.Result = Raw(raw)
	case "error":
		return notNull(raw, &m.Error)
	case "allowReconnect":
		if string(raw) != "true" {
			return violation("§3.4.1", "allowReconnect is %s", raw)
		}
		m.AllowReconnect = true
	case "sequenceId":
		return notNull(raw, &m.SequenceID)
	}
	return nil
}

func notNull(raw json.RawMessage, value any) error {
	if string(raw) == "null" {
		return violation("§3.4.1", "null")
	}
	return json.Unmarshal(raw, value)
}

func notEmpty(text, name string) error {
	if text == "" {
		return violation("§3.4.1", "%s is empty", name)
	}
	return nil
}
