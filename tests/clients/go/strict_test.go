package signalr

import (
	"errors"
	"testing"
)

// The client is worth as much as it refuses.

func refuses(t *testing.T, p Protocol, piece []byte) {
	t.Helper()
	messages, err := p.Decode(piece)
	var v *Violation
	if !errors.As(err, &v) {
		t.Errorf("%q is taken: %v %v", piece, messages, err)
	}
}

func TestWhatTheClientTakesInJSON(t *testing.T) {
	t.Parallel()
	for _, record := range []string{
		`{"type":1,"target":"newMessage","arguments":["ann","hi"]}`,
		`{"type":1,"headers":{"k":"v"},"invocationId":"s1","target":"GetName","arguments":[]}`,
		`{"type":2,"invocationId":"4","item":null}`,
		`{"type":3,"invocationId":"7","result":null}`,
		`{"type":3,"invocationId":"7","error":"boom"}`,
		`{"type":3,"invocationId":"4"}`,
		`{"type":6}`, `{"type":7}`, `{"type":7,"error":"bye","allowReconnect":true}`,
		`{"type":8,"sequenceId":36}`, `{"type":9,"sequenceId":5}`,
	} {
		messages, err := JSON.Decode([]byte(record + "\x1e"))
		must(t, err)
		equal(t, string(JSON.Encode(messages[0])), record+"\x1e")
	}
}

func TestWhatTheClientRefusesInJSON(t *testing.T) {
	t.Parallel()
	refuses(t, JSON, nil)
	refuses(t, JSON, []byte(`{"type":6}`))
	refuses(t, JSON, []byte("{\"type\":6}\x1e{\"type\":"))
	for _, record := range []string{
		``, `[]`, `{}`, `{"type":"6"}`, `{"type":10}`, ` {"type":6}`, `{"type": 6}`, `{"type":6} `, `{"type":6}{}`,
		`{"type":1,"invocationId":null,"target":"x","arguments":[]}`,
		`{"type":1,"invocationId":"","target":"x","arguments":[]}`,
		`{"type":1,"target":"x"}`, `{"type":1,"target":"x","arguments":null}`, `{"type":1,"arguments":[],"target":"x"}`,
		`{"target":"x","arguments":[],"type":1}`, `{"type":1,"target":"x","arguments":[],"streamIds":[]}`,
		`{"type":1,"target":"","arguments":[]}`, `{"type":1,"target":"x","arguments":[],"more":1}`,
		`{"type":2,"invocationId":"4"}`, `{"type":2,"item":1}`, `{"type":3}`,
		`{"type":3,"invocationId":"7","result":1,"error":"e"}`, `{"type":3,"invocationId":"7","error":null}`,
		`{"type":4,"invocationId":"1","target":"x","arguments":[]}`, `{"type":5,"invocationId":"1"}`,
		`{"type":7,"allowReconnect":false}`, `{"type":7,"allowReconnect":true,"error":"e"}`, `{"type":7,"error":null}`,
		`{"type":8,"sequenceId":"1"}`, `{"type":9}`,
	} {
		refuses(t, JSON, []byte(record+"\x1e"))
	}
}

func TestWhatTheClientTakesInMessagePack(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"18 96 01 80 c0 aa 6e 65 77 4d 65 73 73 61 67 65 92 a3 61 6e 6e a2 68 69 90", "10 96 01 80 a2 73 31 a7 47 65 74 4e 61 6d 65 90 90",
		"06 94 02 80 a1 34 64", "06 94 02 80 a1 34 c0", "07 95 03 80 a1 37 03 2a", "07 95 03 80 a1 37 03 c0",
		"0b 95 03 80 a1 37 01 a4 62 6f 6f 6d", "06 94 03 80 a1 37 02", "02 91 06", "04 93 07 c0 c2", "07 93 07 a3 62 79 65 c3",
		"03 92 08 24", "05 92 08 cd 01 2c", "03 92 09 05",
	} {
		if _, err := MessagePack.Decode(dump(t, text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestWhatTheClientWritesInMessagePack(t *testing.T) {
	t.Parallel()
	args := []Raw{{40}, {2}}
	ann := Raw("\xa3ann")
	for text, m := range map[string]*Message{
		"0c 95 01 80 a1 37 a3 41 64 64 92 28 02":             {Type: 1, ID: "7", Target: "Add", Arguments: args},
		"10 95 01 81 a1 6b a1 76 a1 37 a3 41 64 64 92 28 02": {Type: 1, ID: "7", Target: "Add", Arguments: args, Headers: map[string]string{"k": "v"}},
		"10 96 01 80 a1 33 a6 43 6f 6e 63 61 74 90 91 a1 32": {Type: 1, ID: "3", Target: "Concat", StreamIDs: []string{"2"}},
		"0f 95 01 80 c0 a6 4e 6f 74 69 66 79 91 a2 68 69":    {Type: 1, Target: "Notify", Arguments: []Raw{Raw("\xa2hi")}},
		"0b 95 03 80 a2 73 31 03 a3 61 6e 6e":                {Type: 3, ID: "s1", Result: ann},
		"06 94 03 80 a1 34 02":                               {Type: 3, ID: "4"},
		"05 93 05 80 a1 34":                                  {Type: 5, ID: "4"},
		"02 91 06":                                           {Type: 6},
		"03 92 07 c0":                                        {Type: 7},
	} {
		equal(t, []byte(MessagePack.Encode(m)), dump(t, text))
	}
}

func TestWhatTheClientRefusesInMessagePack(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "00", "81 00 91 06", "03 91 06", "02 91", "03 91 06 00", "02 90 06", "04 91 cd 00 06",
		"0c 95 01 80 a1 37 a3 41 64 64 92 28 02", "0d 96 01 c0 a1 37 a3 41 64 64 92 28 02 90",
		"0d 96 01 80 a0 a3 41 64 64 92 28 02 90 00", "06 96 01 80 c0 a0 90", "07 96 01 80 c0 a1 41 c0",
		"05 94 02 80 c0 64", "06 94 03 80 a1 37 04", "07 95 03 80 a1 37 02 c0", "06 94 03 80 a1 37 03",
		"03 92 07 c0", "02 91 08", "05 93 05 80 a1 34", "02 91 0a",
	} {
		refuses(t, MessagePack, dump(t, text))
	}
}

func TestFramesThatTheClientRefuses(t *testing.T) {
	t.Parallel()
	const answer = "HTTP/1.1 101 Switching Protocols\r\n\r\n"
	check := func(frames string) error {
		f := new(frameCheck)
		for _, b := range []byte(answer + frames) {
			f.next(b)
		}
		return f.err
	}
	must(t, check("\x81\x01x\x82\x00\x88\x02\x03\xe8"), check("\x81\x7e\x00\x7e"+string(make([]byte, 126))+"\x8a\x00"))
	for _, wrong := range []string{
		"\x01\x01x", "\x80\x01x\x00\x00", "\xc1\x01x", "\x81\x81\x00\x00\x00\x00x", "\x81\x7e\x00\x01x", "\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x01x",
	} {
		if check(wrong) == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}
