package signalr

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// endpoint is where the requests of one connection go, and what they carry.
type endpoint struct {
	client  *http.Client
	hub     url.URL // with the query of the user
	header  http.Header
	token   string // access token
	inQuery bool   // WebSockets and event streams carry the access token in the query
	id      string // connection token; empty before and without negotiation
}

// address is the URL of the hub with `id` and what else the query needs.
func (e *endpoint) address(extra ...string) *url.URL {
	address := e.hub
	query := address.Query()
	if e.id != "" {
		query.Set("id", e.id)
	}
	for i := 0; i+1 < len(extra); i += 2 {
		query.Set(extra[i], extra[i+1])
	}
	address.RawQuery = query.Encode()
	return &address
}

// streamAddress is the address for the transports of browsers, which cannot set headers.
func (e *endpoint) streamAddress() *url.URL {
	if e.inQuery && e.token != "" {
		return e.address("access_token", e.token)
	}
	return e.address()
}

// headers are those of each request; a stream that has its token in the query has none here.
func (e *endpoint) headers(stream bool) http.Header {
	header := e.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("X-Requested-With", "XMLHttpRequest")
	if e.token != "" && !(stream && e.inQuery) {
		header.Set("Authorization", "Bearer "+e.token)
	}
	return header
}

// do sends a request and reads the whole answer.
func (e *endpoint) do(ctx context.Context, method string, address *url.URL, body []byte) (*http.Response, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, address.String(), bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	request.Header = e.headers(false)
	if method == http.MethodPost && len(body) > 0 {
		request.Header.Set("Content-Type", "application/octet-stream")
	}
	response, err := e.client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response, answer, err
}

// post carries bytes to the server for the transports that only receive (§1.5).
func (e *endpoint) post(ctx context.Context, data []byte) error {
	response, body, err := e.do(ctx, http.MethodPost, e.address(), data)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return statusError(response, body)
	}
	if len(body) > 0 {
		return violation("§1.4", "a POST is answered with %q", body)
	}
	return wantHeaders(response, "§1.4", "Content-Type", "text/plain")
}

func statusError(response *http.Response, body []byte) error {
	_, reason, _ := strings.Cut(response.Status, " ")
	return &StatusError{response.StatusCode, reason, string(body)}
}

// wantHeaders checks pairs of name and value; an empty value means that there is none.
func wantHeaders(response *http.Response, section string, pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		got := strings.Join(response.Header.Values(pairs[i]), " | ")
		if got != pairs[i+1] {
			return violation(section, "%s is %q, not %q (status %d)", pairs[i], got, pairs[i+1], response.StatusCode)
		}
	}
	return nil
}
