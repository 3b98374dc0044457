package signalr

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

// dump reads bytes as the specification prints them.
func dump(t *testing.T, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	must(t, err)
	return data
}

// binary is a script in MessagePack.
func binary(t *testing.T, path string) *script {
	t.Helper()
	tr, err := negotiated(t, path).attach(soon(), WebSockets)
	must(t, err)
	t.Cleanup(tr.Drop)
	must(t, tr.Send([]byte("{\"protocol\":\"messagepack\",\"version\":1}\x1e"), false))
	piece, kind, err := tr.Receive()
	must(t, err)
	if string(piece) != "{}\x1e" || kind != formatBinary {
		t.Fatalf("%q", piece)
	}
	return &script{t, tr}
}

// gives sends bytes and compares those that come back.
func (s *script) gives(request, want string) {
	s.t.Helper()
	must(s.t, s.tr.Send(dump(s.t, request), true))
	wanted, got := dump(s.t, want), []byte{}
	for len(got) < len(wanted) {
		piece, _, err := s.tr.Receive()
		if err != nil {
			s.t.Fatalf("%s: %v", request, err)
		}
		got = append(got, piece...)
	}
	if !bytes.Equal(got, wanted) {
		s.t.Fatalf("%s: got % x, not %s", request, got, want)
	}
}

func TestBytesOfMessagePack(t *testing.T) {
	t.Parallel()
	s := binary(t, hub)
	const result = "07 95 03 80 a1 37 03 2a"
	for _, request := range []string{
		"0d 96 01 80 a1 37 a3 41 64 64 92 28 02 90",
		"0c 95 01 80 a1 37 a3 41 64 64 92 28 02",
		"11 96 01 81 a1 6b a1 76 a1 37 a3 41 64 64 92 28 02 90",
		// Wider than needed: type, numbers, lengths, and the prefix; an item too many.
		"0e 95 cd 00 01 80 a1 37 a3 41 64 64 92 28 02",
		"12 95 01 80 a1 37 a3 41 64 64 92 d2 00 00 00 28 cd 00 02",
		"0d 95 01 80 d9 01 37 a3 41 64 64 92 28 02",
		"8c 00 95 01 80 a1 37 a3 41 64 64 92 28 02",
		"0e 97 01 80 a1 37 a3 41 64 64 92 28 02 90 c0",
		// A type that does not exist, and a Ping, in front of it.
		"03 92 63 00 02 91 06 0c 95 01 80 a1 37 a3 41 64 64 92 28 02",
		// Calls without an id: nil, and empty.
		"0b 95 01 80 c0 a3 41 64 64 92 28 02 0c 95 01 80 a1 37 a3 41 64 64 92 28 02",
		"0b 95 01 80 a0 a3 41 64 64 92 28 02 0c 95 01 80 a1 37 a3 41 64 64 92 28 02",
	} {
		s.gives(request, result)
	}
	// Count(2, 0): two items and the end; Nothing(): a result that is nil.
	s.gives("0e 95 04 80 a1 34 a5 43 6f 75 6e 74 92 02 00",
		"06 94 02 80 a1 34 01 06 94 02 80 a1 34 02 06 94 03 80 a1 34 02")
	s.gives("0e 95 01 80 a1 37 a7 4e 6f 74 68 69 6e 67 90",
		"07 95 03 80 a1 37 03 c0")
	// Gaps(): an item that is nil.
	s.gives("0b 95 04 80 a1 34 a4 47 61 70 73 90", "06 94 02 80 a1 34 c0 09 94 02 80 a1 34 a3 6f 6e 65 06 94 02 80 a1 34 c0 06 94 03 80 a1 34 02")
	// Goodbye in the short form; the answer has three items.
	s.gives("03 92 07 c0", "04 93 07 c0 c2")
	if _, _, err := s.tr.Receive(); !isEnd(err) {
		t.Fatal(err)
	}
}

func TestCallOfTheServerInMessagePack(t *testing.T) {
	t.Parallel()
	s := binary(t, "/testhub")
	// InvokeWithString("hi") without an id: only the call of the client comes, with six items.
	s.gives("1a 96 01 80 c0 b0 49 6e 76 6f 6b 65 57 69 74 68 53 74 72 69 6e 67 91 a2 68 69 90",
		"11 96 01 80 c0 a7 4d 65 73 73 61 67 65 91 a2 68 69 90")
}

func TestErrorInMessagePack(t *testing.T) {
	t.Parallel()
	s := binary(t, hub)
	text := "Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist."
	body := append([]byte{0x95, 3, 0x80, 0xa1, 0x37, 1, 0xd9, byte(len(text))}, text...)
	s.gives("0b 95 01 80 a1 37 a4 4e 6f 70 65 90", hex.EncodeToString(append([]byte{byte(len(body))}, body...)))
	// No arguments at all are an error of the call, not of the protocol.
	must(t, s.tr.Send(dump(t, "09 94 01 80 a1 37 a3 41 64 64"), true))
	piece, _, err := s.tr.Receive()
	must(t, err)
	if !bytes.Contains(piece, []byte("Failed to invoke 'Add' due to an error on the server.")) {
		t.Fatalf("%q", piece)
	}
	s.gives("0c 95 01 80 a1 37 a3 41 64 64 92 28 02", "07 95 03 80 a1 37 03 2a")
}

func TestProtocolErrorsInMessagePack(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{
		"length of zero":          "00",
		"length beyond 2 GB":      "ff ff ff ff 08",
		"length of six bytes":     "ff ff ff ff ff 01",
		"no array":                "01 06",
		"empty array":             "01 90",
		"type as text":            "03 91 a1 36",
		"headers are nil":         "0c 95 01 c0 a1 37 a3 41 64 64 92 28 02",
		"header without a value":  "0f 95 01 81 a1 6b c0 a1 37 a3 41 64 64 92 28 02",
		"target is nil":           "09 95 01 80 a1 37 c0 92 28 02",
		"target is empty":         "09 95 01 80 a1 37 a0 92 28 02",
		"item without id":         "05 94 02 80 c0 01",
		"completion without id":   "05 94 03 80 a0 02",
		"kind that is none":       "06 94 03 80 a1 37 04",
		"stream without id":       "0d 95 04 80 c0 a5 43 6f 75 6e 74 92 02 00",
		"cancellation without id": "04 93 05 80 c0",
		"empty stream id":         "0c 96 01 80 a1 37 a3 53 75 6d 90 91 a0",
		"acknowledgement of text": "04 92 08 a1 31",
		"half an array":           "02 95 01",
	} {
		name, request := name, request
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := binary(t, hub)
			must(t, s.tr.Send(dump(t, request), true))
			piece, _, err := s.tr.Receive()
			must(t, err)
			messages, err := MessagePack.Decode(piece)
			must(t, err)
			m := messages[0]
			if len(messages) != 1 || m.Type != typeClose || !m.AllowReconnect ||
				m.Error == nil || !strings.HasPrefix(*m.Error, "Connection closed with an error. ") {
				t.Fatalf("% x %q", piece, piece)
			}
			if _, _, err := s.tr.Receive(); !isEnd(err) {
				t.Fatal(err)
			}
		})
	}
}

func TestMessagePackCutEverywhere(t *testing.T) {
	t.Parallel()
	s := binary(t, hub)
	request := dump(t, "0c 95 01 80 a1 37 a3 41 64 64 92 28 02")
	for cut := 1; cut < len(request); cut++ {
		must(t, s.tr.Send(request[:cut], true))
		s.gives(hex.EncodeToString(request[cut:]), "07 95 03 80 a1 37 03 2a")
	}
	// Text messages and binary ones are all the same to the server.
	must(t, s.tr.Send([]byte{2}, false))
	s.gives("91 06 0c 95 01 80 a1 37 a3 41 64 64 92 28 02", "07 95 03 80 a1 37 03 2a")
}
