package signalr

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
)

// eventStream is the transport of §2.3: events for one direction, POSTs for the other.
type eventStream struct {
	endpoint *endpoint
	ctx      context.Context
	drop     context.CancelFunc
	body     io.ReadCloser
	lines    *bufio.Reader
}

func (e *endpoint) openEventStream(ctx context.Context) (transport, error) {
	s := &eventStream{endpoint: e}
	s.ctx, s.drop = context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(s.ctx, http.MethodGet, e.streamAddress().String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header = e.headers(true)
	request.Header.Set("Accept", "text/event-stream")
	// The caller's time counts until the stream is open.
	opening := make(chan struct{})
	defer close(opening)
	go func() {
		select {
		case <-ctx.Done():
			s.drop()
		case <-opening:
		}
	}()
	response, err := e.client.Do(request)
	if err != nil {
		return nil, err
	}
	s.body, s.lines = response.Body, bufio.NewReader(response.Body)
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(response.Body)
		s.Drop()
		return nil, statusError(response, body)
	}
	err = wantHeaders(response, "§2.3", "Content-Type", "text/event-stream", "Cache-Control", "no-cache,no-store",
		"Pragma", "no-cache", "Content-Encoding", "identity", "Content-Length", "")
	if err == nil && strings.Join(response.TransferEncoding, ",") != "chunked" {
		err = violation("§2.3", "Transfer-Encoding is %v", response.TransferEncoding)
	}
	if err == nil {
		start := make([]byte, 3)
		if _, err = io.ReadFull(s.lines, start); err == nil && string(start) != ":\r\n" {
			err = violation("§2.3", "the stream begins with %q", start)
		}
	}
	if err != nil {
		s.Drop()
		return nil, err
	}
	return s, nil
}

// Receive reads one event.
func (s *eventStream) Receive() ([]byte, format, error) {
	var pieces [][]byte
	for {
		line, err := s.lines.ReadBytes('\n')
		switch {
		case err == io.EOF && len(line) == 0 && pieces == nil:
			return nil, 0, io.EOF
		case err == io.EOF:
			return nil, 0, violation("§2.3", "the stream ends inside an event: %q", line)
		case err != nil:
			return nil, 0, errLost
		case !bytes.HasSuffix(line, []byte("\r\n")):
			return nil, 0, violation("§2.3", "a line without CR LF: %q", line)
		}
		line = line[:len(line)-2]
		if len(line) == 0 {
			return bytes.Join(pieces, []byte{'\n'}), formatUnsaid, nil
		}
		if !bytes.HasPrefix(line, []byte("data: ")) {
			return nil, 0, violation("§2.3", "a line that is no data: %q", line)
		}
		pieces = append(pieces, line[len("data: "):])
	}
}

func (s *eventStream) Send(data []byte, binary bool) error {
	if binary {
		return errors.New("event streams are text")
	}
	return s.endpoint.post(s.ctx, data)
}

func (s *eventStream) Drop() {
	s.drop()
	_ = s.body.Close()
}
