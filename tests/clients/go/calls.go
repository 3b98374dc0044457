package signalr

import (
	"context"
	"strconv"
	"sync"
)

// pending is a call that the server has to complete.
type pending struct {
	items    chan Raw // nil for a plain call
	unwanted sync.Once
	enough   chan struct{} // closed when items that still come are of no interest
	result   Raw
	err      error
	place    int // among all that the server has completed
	done     chan struct{}
}

func (p *pending) end(result Raw, err error) {
	p.result, p.err = result, err
	if p.items != nil {
		close(p.items)
	}
	close(p.done)
}

// streamBuffer is how many items wait for a reader before the connection does.
const streamBuffer = 64

// start registers a call and sends it.
func (c *Connection) start(kind int, target string, values []any) (string, *pending, error) {
	m, err := c.call(kind, target, values)
	if err != nil {
		return "", nil, err
	}
	p := &pending{done: make(chan struct{}), enough: make(chan struct{})}
	if kind == typeStreamInvocation {
		p.items = make(chan Raw, streamBuffer)
	}
	c.lock.Lock()
	m.ID = c.newID()
	c.pending[m.ID] = p
	c.lock.Unlock()
	return m.ID, p, c.write(m)
}

// newID counts for calls and uploads alike, as they share one space (§3.3).
func (c *Connection) newID() string {
	c.nextID++
	return "g" + strconv.Itoa(c.nextID)
}

// call puts together a call; uploads among the values become streams.
func (c *Connection) call(kind int, target string, values []any) (*Message, error) {
	m := &Message{Type: kind, Target: target}
	for _, value := range values {
		if upload, ok := value.(*Upload); ok {
			m.StreamIDs = append(m.StreamIDs, upload.id)
			continue
		}
		raw, err := c.options.Protocol.Marshal(value)
		if err != nil {
			return nil, err
		}
		m.Arguments = append(m.Arguments, raw)
	}
	return m, nil
}

// Invoke calls a method and reads its result; with nil for a result, that has to be null (§3.4.1).
func (c *Connection) Invoke(ctx context.Context, result any, target string, arguments ...any) error {
	_, p, err := c.start(typeInvocation, target, arguments)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	switch {
	case p.err != nil:
		return p.err
	case p.result == nil:
		return violation("§3.4.1", "a plain call is answered without a result")
	case result != nil:
		return c.options.Protocol.Unmarshal(p.result, result)
	}
	var nothing any
	if err := c.options.Protocol.Unmarshal(p.result, &nothing); err != nil || nothing != nil {
		return violation("§3.4.1", "a method without result is answered with %q", p.result)
	}
	return nil
}

// Send calls a method that gives no answer.
func (c *Connection) Send(target string, arguments ...any) error {
	m, err := c.call(typeInvocation, target, arguments)
	if err != nil {
		return err
	}
	return c.write(m)
}

// Stream is what a method of the server streams.
type Stream struct {
	ID         string
	connection *Connection
	pending    *pending
}

// Stream calls a streaming method.
func (c *Connection) Stream(target string, arguments ...any) (*Stream, error) {
	id, p, err := c.start(typeStreamInvocation, target, arguments)
	return &Stream{id, c, p}, err
}

// Next reads one item; false means the end, with its error.
func (s *Stream) Next(ctx context.Context, item any) (bool, error) {
	select {
	case raw, more := <-s.pending.items:
		if !more {
			return false, s.pending.err
		}
		return true, s.connection.options.Protocol.Unmarshal(raw, item)
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// Cancel asks the server to end the stream; the server still completes it.
func (s *Stream) Cancel() error {
	s.pending.unwanted.Do(func() { close(s.pending.enough) })
	return s.connection.write(&Message{Type: typeCancelInvocation, ID: s.ID})
}

// Done waits for the end of a stream that nobody reads any more.
func (s *Stream) Done(ctx context.Context) error {
	select {
	case <-s.pending.done:
		return s.pending.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Upload is a stream to the server; it stands among the arguments of a call.
type Upload struct {
	id         string
	connection *Connection
}

// NewUpload makes an upload for one call.
func (c *Connection) NewUpload() *Upload {
	c.lock.Lock()
	defer c.lock.Unlock()
	return &Upload{c.newID(), c}
}

// Send uploads items.
func (u *Upload) Send(items ...any) error {
	for _, item := range items {
		raw, err := u.connection.options.Protocol.Marshal(item)
		if err != nil {
			return err
		}
		if err := u.connection.write(&Message{Type: typeStreamItem, ID: u.id, Item: raw}); err != nil {
			return err
		}
	}
	return nil
}

// Complete ends the upload.
func (u *Upload) Complete() error {
	return u.connection.write(&Message{Type: typeCompletion, ID: u.id})
}

// Fail ends the upload with an error.
func (u *Upload) Fail(text string) error {
	return u.connection.write(&Message{Type: typeCompletion, ID: u.id, Error: &text})
}

// item gives an item of the server to its stream.
func (c *Connection) item(m *Message) error {
	c.lock.Lock()
	p := c.pending[m.ID]
	c.lock.Unlock()
	if p == nil || p.items == nil {
		return violation("§3.7", "an item for %q, which is no stream", m.ID)
	}
	select {
	case p.items <- m.Item:
	case <-p.enough:
	case <-c.live.Done():
	}
	return nil
}

// completed ends a call.
func (c *Connection) completed(m *Message) error {
	c.lock.Lock()
	defer c.lock.Unlock()
	p := c.pending[m.ID]
	if p == nil {
		return violation("§3.6", "a Completion for %q, which nobody waits for", m.ID)
	}
	delete(c.pending, m.ID)
	c.completions++
	p.place = c.completions
	if p.items != nil && m.Result != nil {
		p.end(nil, ErrClosed)
		return violation("§3.4.1", "a stream ends with the result %q", m.Result)
	}
	if m.Error != nil {
		p.end(nil, HubError(*m.Error))
	} else {
		p.end(m.Result, nil)
	}
	return nil
}
