package signalr

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// frame is a masked frame of a client, with any first byte.
func frame(first byte, payload string) []byte {
	if len(payload) > 125 {
		panic("too long for this")
	}
	mask := []byte{1, 2, 3, 4}
	out := append([]byte{first, 0x80 | byte(len(payload))}, mask...)
	for i := range payload {
		out = append(out, payload[i]^mask[i%4])
	}
	return out
}

// bytes writes to the TCP connection below the WebSocket.
func (s *script) bytes(data ...[]byte) {
	s.t.Helper()
	for _, piece := range data {
		_, err := s.tr.(*webSocket).frames.Conn.Write(piece)
		must(s.t, err)
	}
}

const addOneTwo = `{"type":1,"invocationId":"i","target":"Add","arguments":[1,2]}` + "\x1e"

func TestFragments(t *testing.T) {
	t.Parallel()
	s := newScript(t, hub)
	// Of text and of bytes, with a Ping among them; of no bytes too.
	s.bytes(frame(0x01, addOneTwo[:10]), frame(0x00, addOneTwo[10:20]), frame(0x80, addOneTwo[20:]))
	s.says("", three)
	s.bytes(frame(0x02, ""), frame(0x00, addOneTwo[:5]), frame(0x80, addOneTwo[5:]))
	s.says("", three)
	s.bytes(frame(0x81, ""), frame(0x82, addOneTwo))
	s.says("", three)
}

func TestPingFrames(t *testing.T) {
	t.Parallel()
	s := newScript(t, hub)
	pongs := make(chan string, 2)
	s.tr.(*webSocket).socket.SetPongHandler(func(payload string) error {
		pongs <- payload
		return nil
	})
	s.bytes(frame(0x01, addOneTwo[:10]), frame(0x89, "between"), frame(0x80, addOneTwo[10:]), frame(0x89, ""))
	s.says(addOneTwo, three, three)
	equal(t, <-pongs, "between")
	equal(t, <-pongs, "")
}

func TestFramesThatBreakTheProtocol(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		data []byte
		code int
	}{
		{"not masked", []byte{0x81, 0x01, 'x'}, 1002},
		{"reserved bit", frame(0xc1, "x"), 1002},
		{"unknown opcode", frame(0x83, "x"), 1002},
		{"unknown control opcode", frame(0x8b, "x"), 1002},
		{"stray continuation", frame(0x80, "x"), 1002},
		{"message inside a message", append(frame(0x01, "x"), frame(0x81, "y")...), 1002},
		{"fragmented Ping", frame(0x09, "x"), 1002},
		{"long Ping", []byte{0x89, 0xfe, 0x00, 0x7e, 0, 0, 0, 0}, 1002},
		{"Close of one byte", frame(0x88, "x"), 1002},
		{"Close with a code that is none", frame(0x88, "\x03\xed"), 1002},
		{"text that is no UTF-8", frame(0x81, "\xff"), 1007},
		{"half a character", frame(0x81, "\xe2\x82"), 1007},
	} {
		row := row
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			tag := newTag()
			s := newScript(t, hub+"?tag="+tag)
			s.bytes(row.data)
			begin := time.Now()
			_, _, err := s.tr.Receive()
			var end *websocket.CloseError
			if !errors.As(err, &end) || end.Code != row.code {
				t.Fatalf("%v, not %d", err, row.code)
			}
			if passed := time.Since(begin); passed > 2*time.Second {
				t.Errorf("the end of the TCP connection took %v", passed)
			}
			if entry := awaitEntry(t, tag, "disconnected"); !strings.HasSuffix(entry, " WebSocketException") {
				t.Error(entry)
			}
		})
	}
}

func TestCloseFrameOfTheClient(t *testing.T) {
	t.Parallel()
	for _, w := range ways[:2] {
		for _, row := range []struct {
			code   int
			reason string
		}{{1000, ""}, {1001, "leaving"}, {4000, "x"}} {
			w, row := w, row
			t.Run(w.String()+show(row.code), func(t *testing.T) {
				t.Parallel()
				tag := newTag()
				e := negotiated(t, hub+"?tag="+tag)
				tr, err := e.attach(soon(), WebSockets)
				must(t, err)
				must(t, tr.Send([]byte("{\"protocol\":\""+w.protocol.Name()+"\",\"version\":1}\x1e"), false))
				_, _, err = tr.Receive()
				must(t, err)
				awaitEntry(t, tag, "connected")
				must(t, tr.(*webSocket).SendClose(row.code, row.reason))
				// The answer is 1000 without a reason, and nothing more comes.
				if _, _, err := tr.Receive(); !isEnd(err) {
					t.Fatal(err)
				}
				if entry := awaitEntry(t, tag, "disconnected "); strings.Count(entry, " ") != 1 {
					t.Fatal(entry)
				}
				plain(t, "GET", hub+"?id="+e.id, "").is(t, 404, "text/plain", "No Connection with that ID")
			})
		}
	}
}

func TestEndOfTCPWithoutCloseFrame(t *testing.T) {
	each(t, ways[:3], func(t *testing.T, w way) {
		tag := newTag()
		c := w.connect(t, hub+"?tag="+tag)
		c.alive()
		c.ended = true
		if socket, ok := c.transport.(*webSocket); ok {
			must(t, socket.frames.Conn.(*net.TCPConn).CloseWrite())
		} else {
			c.Vanish()
		}
		equal(t, awaitEntry(t, tag, "disconnected"), "disconnected "+c.Negotiation.ConnectionID)
	})
}

func TestClientThatDoesNotAnswerTheCloseFrame(t *testing.T) {
	t.Parallel()
	s := newScript(t, hub)
	socket := s.tr.(*webSocket)
	socket.socket.SetCloseHandler(func(int, string) error { return nil })
	must(t, s.tr.Send([]byte(`{"type":1,"target":"Abort","arguments":[]}`+"\x1e"), false))
	piece, _, err := s.tr.Receive()
	must(t, err)
	equal(t, string(piece), "{\"type\":7}\x1e")
	// The close timeout is 5 s; then the server cuts the connection.
	begin := time.Now()
	if _, _, err := socket.socket.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Fatal(err)
	}
	must(t, socket.frames.Conn.SetReadDeadline(time.Now().Add(patience)))
	_, err = io.ReadAll(socket.frames.Conn)
	if passed := time.Since(begin); passed < 4*time.Second || passed > 7*time.Second {
		t.Fatal(passed, err)
	}
}

func TestRawConnection(t *testing.T) {
	eachTransport(t, func(t *testing.T, name TransportName) {
		tr, err := negotiated(t, "/echo").attach(soon(), name)
		must(t, err)
		defer tr.Drop()
		for _, text := range []string{"hello", "line\nline", "\n", "ends\r\n", "\x1e\x00", strings.Repeat("long ", 10_000)} {
			must(t, tr.Send([]byte(text), name == LongPolling))
			got := ""
			want := text
			if name == ServerSentEvents {
				want = strings.ReplaceAll(text, "\r\n", "\n")
			}
			for len(got) < len(want) {
				piece, _, err := tr.Receive()
				must(t, err)
				got += string(piece)
			}
			equal(t, got, want)
		}
		switch tr := tr.(type) {
		case *webSocket:
			must(t, tr.SendClose(1000, ""))
		case *polls:
			must(t, tr.Delete(soon()))
		default:
			return
		}
		if _, _, err := tr.Receive(); !isEnd(err) {
			t.Fatal(err)
		}
	}, WebSockets, ServerSentEvents, LongPolling)
}

func TestRawConnectionWithoutNegotiation(t *testing.T) {
	t.Parallel()
	o := Options{URL: server + "/echo"}
	e, err := o.endpoint()
	must(t, err)
	tr, err := e.attach(soon(), WebSockets)
	must(t, err)
	defer tr.Drop()
	must(t, tr.Send([]byte("x"), true))
	piece, _, err := tr.Receive()
	must(t, err)
	equal(t, string(piece), "x")
}
