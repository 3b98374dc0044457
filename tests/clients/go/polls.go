package signalr

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// noCache are the headers of every answer to a poll, errors too (§1.3).
var noCache = []string{
	"Cache-Control", "no-cache, no-store",
	"Pragma", "no-cache",
	"Expires", "Thu, 01 Jan 1970 00:00:00 GMT",
}

// polls is the transport of §2.4.
type polls struct {
	endpoint *endpoint
	ctx      context.Context
	drop     context.CancelFunc
	deleted  int32 // 1 after DELETE
}

func (e *endpoint) openPolls(ctx context.Context) (transport, error) {
	p := &polls{endpoint: e}
	p.ctx, p.drop = context.WithCancel(context.Background())
	begin := time.Now()
	response, body, err := p.poll(ctx)
	switch {
	case err != nil:
	case response.StatusCode != http.StatusOK:
		err = statusError(response, body)
	case len(body) > 0:
		err = violation("§2.4", "the first poll brings %q", body)
	case time.Since(begin) > time.Second:
		err = violation("§2.4", "the first poll took %v", time.Since(begin))
	default:
		err = wantHeaders(response, "§2.4", "Content-Type", "application/octet-stream", "Content-Length", "0")
	}
	if err != nil {
		p.drop()
		return nil, err
	}
	return p, nil
}

func (p *polls) poll(ctx context.Context) (*http.Response, []byte, error) {
	address := p.endpoint.address("_", strconv.FormatInt(time.Now().UnixMilli(), 10))
	response, body, err := p.endpoint.do(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	return response, body, wantHeaders(response, "§1.3", noCache...)
}

// Receive polls until there is something.
func (p *polls) Receive() ([]byte, format, error) {
	for {
		response, body, err := p.poll(p.ctx)
		if err != nil {
			if _, ok := err.(*Violation); ok {
				return nil, 0, err
			}
			return nil, 0, errLost
		}
		switch response.StatusCode {
		case http.StatusOK:
			kind := "application/octet-stream"
			if len(body) == 0 {
				kind = "text/plain"
			}
			err := wantHeaders(response, "§2.4", "Content-Type", kind, "Content-Length", strconv.Itoa(len(body)))
			if err != nil || len(body) > 0 {
				return body, formatUnsaid, err
			}
		case http.StatusNoContent:
			if err := wantHeaders(response, "§2.4", "Content-Type", "text/plain"); err != nil {
				return nil, 0, err
			}
			return nil, 0, p.awaitEnd()
		case http.StatusNotFound:
			// Right only for a poll that DELETE overtook.
			if atomic.LoadInt32(&p.deleted) == 1 {
				return nil, 0, io.EOF
			}
			fallthrough
		default:
			return nil, 0, statusError(response, body)
		}
	}
}

// awaitEnd checks that the connection is forgotten after the 204 (COR-054).
func (p *polls) awaitEnd() error {
	for end := time.Now().Add(closePatience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		response, body, err := p.poll(p.ctx)
		if err != nil {
			return err
		}
		switch {
		case response.StatusCode == http.StatusNoContent:
			continue
		case response.StatusCode != http.StatusNotFound:
			return statusError(response, body)
		}
		if string(body) != "No Connection with that ID" {
			return violation("§1.4", "404 with %q", body)
		}
		return io.EOF
	}
	return violation("§2.4", "polls go on after the end")
}

func (p *polls) Send(data []byte, binary bool) error {
	return p.endpoint.post(p.ctx, data)
}

// Delete ends the connection by the request for it (§1.6).
func (p *polls) Delete(ctx context.Context) error {
	atomic.StoreInt32(&p.deleted, 1)
	response, body, err := p.endpoint.do(ctx, http.MethodDelete, p.endpoint.address(), nil)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusAccepted || len(body) > 0 {
		return statusError(response, body)
	}
	return wantHeaders(response, "§1.6", "Content-Type", "text/plain")
}

func (p *polls) Drop() { p.drop() }
