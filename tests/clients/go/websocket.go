package signalr

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// closePatience is how long a server may take to end the TCP connection after the Close frames.
const closePatience = 5 * time.Second

// webSocket is the transport of §2.2.
type webSocket struct {
	socket  *websocket.Conn
	frames  *frameCheck
	control error // set by a control frame that should not have come
}

func (e *endpoint) openWebSocket(ctx context.Context) (transport, error) {
	address := e.streamAddress()
	address.Scheme = map[string]string{"http": "ws", "https": "wss"}[address.Scheme]
	w := new(webSocket)
	dialer := websocket.Dialer{
		Jar: e.client.Jar,
		// The server must not take up the offer of a compression.
		EnableCompression: true,
		NetDialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			w.frames = &frameCheck{Conn: conn}
			return w.frames, err
		},
	}
	socket, response, err := dialer.DialContext(ctx, address.String(), e.headers(true))
	if errors.Is(err, websocket.ErrBadHandshake) {
		body, _ := io.ReadAll(response.Body) // gorilla keeps the first kilobyte
		return nil, statusError(response, body)
	}
	if err != nil {
		return nil, err
	}
	w.socket = socket
	socket.SetPingHandler(func(payload string) error {
		w.control = violation("§2.2", "a Ping frame with %q", payload)
		return w.control
	})
	socket.SetPongHandler(func(payload string) error {
		if payload != "" {
			w.control = violation("§2.2", "a Pong frame with %q", payload)
		}
		return w.control
	})
	err = wantHeaders(response, "§2.2", "Upgrade", "websocket", "Connection", "Upgrade",
		"Sec-WebSocket-Protocol", "", "Sec-WebSocket-Extensions", "")
	if err == nil && response.StatusCode != http.StatusSwitchingProtocols {
		err = violation("§2.2", "status %d", response.StatusCode)
	}
	if err != nil {
		w.Drop()
		return nil, err
	}
	return w, nil
}

func (w *webSocket) Receive() ([]byte, format, error) {
	kind, data, err := w.socket.ReadMessage()
	if w.control != nil {
		return nil, 0, w.control
	}
	if w.frames.err != nil {
		return nil, 0, w.frames.err
	}
	if err == nil {
		if kind == websocket.TextMessage {
			return data, formatText, nil
		}
		return data, formatBinary, nil
	}
	var end *websocket.CloseError
	if !errors.As(err, &end) || end.Code == websocket.CloseAbnormalClosure {
		return nil, 0, errLost
	}
	// The default handler has answered the Close frame.
	if end.Text != "" {
		return nil, 0, violation("§2.2", "a Close frame %d with the reason %q", end.Code, end.Text)
	}
	if err := w.awaitEnd(); err != nil {
		return nil, 0, err
	}
	if end.Code != websocket.CloseNormalClosure {
		return nil, 0, end
	}
	return nil, 0, io.EOF
}

// awaitEnd waits for the server to end the TCP connection after the Close frames (RFC 6455 §7.1.1).
func (w *webSocket) awaitEnd() error {
	defer w.socket.Close()
	conn := w.frames.Conn
	_ = conn.SetReadDeadline(time.Now().Add(closePatience))
	rest, err := io.ReadAll(conn)
	if len(rest) > 0 {
		return violation("§2.2", "% x behind the Close frame", rest)
	}
	if err, ok := err.(net.Error); ok && err.Timeout() {
		return violation("§2.2", "the TCP connection stays after the Close frames")
	}
	return nil
}

func (w *webSocket) Send(data []byte, binary bool) error {
	kind := websocket.TextMessage
	if binary {
		kind = websocket.BinaryMessage
	}
	return w.socket.WriteMessage(kind, data)
}

// SendClose sends a Close frame.
func (w *webSocket) SendClose(code int, reason string) error {
	return w.socket.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason),
		time.Now().Add(closePatience))
}

// Drop resets the TCP connection.
func (w *webSocket) Drop() {
	if tcp, ok := w.frames.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = w.socket.Close()
}

// frameCheck follows the frames of a server for what a reader of messages does not see: a server does not
// fragment, and its lengths are the shortest (§2.2, RFC 6455 §5.2).
type frameCheck struct {
	net.Conn
	err    error
	header []byte // what has come of the next header; at first that of the answer
	open   bool   // the answer to the upgrade is behind
	skip   uint64 // what is left of the payload
}

func (f *frameCheck) Read(buffer []byte) (int, error) {
	n, err := f.Conn.Read(buffer)
	for _, b := range buffer[:n] {
		f.next(b)
	}
	return n, err
}

func (f *frameCheck) next(b byte) {
	if f.skip > 0 {
		f.skip--
		return
	}
	f.header = append(f.header, b)
	n := len(f.header)
	if !f.open {
		if n >= 4 && string(f.header[n-4:]) == "\r\n\r\n" {
			f.open, f.header = true, f.header[:0]
		}
		return
	}
	if n < 2 {
		return
	}
	size := map[byte]int{126: 2, 127: 8}[f.header[1]]
	if n < 2+size {
		return
	}
	length := uint64(f.header[1])
	if size > 0 {
		length = 0
		for _, b := range f.header[2:] {
			length = length<<8 | uint64(b)
		}
	}
	if f.header[0]&0xf0 != 0x80 {
		f.err = violation("§2.2", "a fragment, or reserved bits: %#x", f.header[0])
	}
	if size == 2 && length < 126 || size == 8 && length < 1<<16 || f.header[1] > 127 {
		f.err = violation("RFC 6455 §5.2", "the header % x", f.header)
	}
	f.skip, f.header = length, f.header[:0]
}
