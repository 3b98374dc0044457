package signalr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Connection is a live connection to a hub. Its methods may be called from anywhere.
type Connection struct {
	Negotiation *Negotiation
	Transport   TransportName

	options  Options
	endpoint *endpoint
	done     chan struct{}
	live     context.Context // until the end
	cancel   context.CancelFunc
	watchdog *time.Timer

	sending  sync.Mutex // keeps what is written in order
	stateful *stateful  // nil without stateful reconnect

	lock        sync.Mutex
	transport   transport // replaced under both locks
	nextID      int
	pending     map[string]*pending
	completions int
	leaving     bool // this side has ended it
	failure     error
	goodbye     *Message
	pingTimes   []time.Time
}

var (
	errNoGoodbye     = errors.New("the connection ended without a Close message")
	errServerTimeout = errors.New("the server said nothing for too long")
	// ErrClosed is what calls fail with that the connection did not live to see answered.
	ErrClosed = errors.New("the connection is closed")
)

func isEnd(err error) bool { return err == io.EOF }

// run reads until the end.
func (c *Connection) run(rest []byte) {
	hasTimeout := c.Transport != LongPolling
	c.lock.Lock()
	c.watchdog = time.AfterFunc(c.options.ServerTimeout, func() { c.fail(errServerTimeout) })
	if !hasTimeout {
		c.watchdog.Stop()
	}
	c.lock.Unlock()
	if hasTimeout && !c.options.Silent {
		go c.ping()
	}
	if len(rest) > 0 {
		if err := c.take(rest); err != nil {
			c.fail(err)
		}
	}
	for {
		piece, kind, err := c.transport.Receive()
		if err == nil {
			if hasTimeout && c.goodbye == nil {
				c.watchdog.Reset(c.options.ServerTimeout)
			}
			if err = c.checkFormat(kind); err == nil {
				err = c.take(piece)
			}
			if err != nil {
				c.fail(err)
			}
			continue
		}
		if err == errLost && c.mayResume() {
			if err = c.resume(); err == nil {
				continue
			}
		}
		c.finish(err)
		return
	}
}

// take handles a piece that came.
func (c *Connection) take(piece []byte) error {
	messages, err := c.options.Protocol.Decode(piece)
	if err != nil {
		return err
	}
	for _, m := range messages {
		if c.goodbye != nil {
			return violation("§3.10", "type %d after the Close message", m.Type)
		}
		if c.stateful != nil {
			if handle, err := c.stateful.received(c, m); err != nil {
				return err
			} else if !handle {
				continue
			}
		}
		if err := c.handle(m); err != nil {
			return err
		}
	}
	return nil
}

func (c *Connection) handle(m *Message) error {
	switch m.Type {
	case typeInvocation:
		return c.called(m)
	case typeStreamItem:
		return c.item(m)
	case typeCompletion:
		return c.completed(m)
	case typePing:
		if c.Transport == LongPolling {
			return violation("§2.4", "a Ping over long polling")
		}
		c.lock.Lock()
		c.pingTimes = append(c.pingTimes, time.Now())
		c.lock.Unlock()
	case typeClose:
		c.lock.Lock()
		c.goodbye = m
		c.lock.Unlock()
		c.watchdog.Stop()
		c.watchdog = time.AfterFunc(closePatience, func() {
			c.fail(violation("§3.10", "the transport stays after the Close message"))
		})
	case typeAck, typeSequence:
		if c.stateful == nil {
			return violation("§5.1", "type %d without stateful reconnect", m.Type)
		}
	}
	return nil
}

// called runs the handler: at once and in order for plain calls, on its own for questions.
func (c *Connection) called(m *Message) error {
	handler := c.options.Handlers[m.Target]
	if handler == nil {
		return violation("§3.3", "a call of %q, which nobody expects", m.Target)
	}
	call := &Call{ID: m.ID, arguments: m.Arguments, protocol: c.options.Protocol}
	if m.ID == "" {
		_, err := handler(call)
		return err
	}
	go func() {
		answer := &Message{Type: typeCompletion, ID: m.ID}
		value, err := handler(call)
		if err == nil {
			answer.Result, err = c.options.Protocol.Marshal(value)
		}
		if err != nil {
			text := err.Error()
			answer.Error, answer.Result = &text, nil
		}
		_ = c.write(answer)
	}()
	return nil
}

// fail ends a connection that went wrong.
func (c *Connection) fail(err error) {
	c.lock.Lock()
	if c.failure == nil {
		c.failure = err
	}
	c.leaving = true
	c.lock.Unlock()
	c.Interrupt()
}

// finish tells everybody who waits.
func (c *Connection) finish(err error) {
	c.watchdog.Stop()
	c.cancel()
	c.lock.Lock()
	if c.failure == nil {
		switch {
		case err == io.EOF && c.goodbye == nil:
			c.failure = errNoGoodbye
		case err != io.EOF:
			c.failure = err
		}
	}
	for id, p := range c.pending {
		delete(c.pending, id)
		p.end(nil, ErrClosed)
	}
	c.lock.Unlock()
	close(c.done)
}

// ping sends one Ping at once and then regularly (§8.1).
func (c *Connection) ping() {
	ticker := time.NewTicker(c.options.PingInterval)
	defer ticker.Stop()
	for {
		_ = c.write(&Message{Type: typePing})
		select {
		case <-ticker.C:
		case <-c.done:
			return
		}
	}
}

// write sends one message.
func (c *Connection) write(m *Message) error {
	data := c.options.Protocol.Encode(m)
	c.sending.Lock()
	defer c.sending.Unlock()
	if c.stateful != nil {
		return c.stateful.write(c, m, data)
	}
	return c.transport.Send(data, c.options.Protocol.Binary())
}

// WriteBytes sends bytes as they are.
func (c *Connection) WriteBytes(data []byte) error {
	c.sending.Lock()
	defer c.sending.Unlock()
	return c.transport.Send(data, c.options.Protocol.Binary())
}

// Wait waits for the end: the Close message of the server, and what was wrong with the end.
func (c *Connection) Wait(ctx context.Context) (*Message, error) {
	select {
	case <-c.done:
		return c.goodbye, c.failure
	case <-ctx.Done():
		return nil, fmt.Errorf("the connection does not end: %w", ctx.Err())
	}
}

// Stop says goodbye; the server has to answer with a Close message and an orderly end.
func (c *Connection) Stop(ctx context.Context) error {
	c.lock.Lock()
	c.leaving = true
	c.lock.Unlock()
	if err := c.write(&Message{Type: typeClose}); err != nil {
		return err
	}
	goodbye, err := c.Wait(ctx)
	if err == nil && (goodbye.Error != nil || goodbye.AllowReconnect) {
		err = violation("§3.10", "a Close message is answered with %+v", goodbye)
	}
	return err
}

// Delete ends a connection over long polling by DELETE.
func (c *Connection) Delete(ctx context.Context) error {
	p, ok := c.transport.(*polls)
	if !ok {
		return errors.New("only long polling has this")
	}
	c.lock.Lock()
	c.leaving = true
	c.lock.Unlock()
	if err := p.Delete(ctx); err != nil {
		return err
	}
	// The poll may bring a Close message, or nothing (§2.4).
	if goodbye, err := c.Wait(ctx); err != errNoGoodbye && (err != nil || !goodbye.AllowReconnect) {
		return violation("§1.6", "DELETE ends a connection with %+v, %v", goodbye, err)
	}
	return nil
}

// Vanish ends the connection without a word.
func (c *Connection) Vanish() {
	c.lock.Lock()
	c.leaving = true
	c.lock.Unlock()
	c.Interrupt()
}

// Interrupt breaks the transport as a bad network would; stateful reconnect brings it back.
func (c *Connection) Interrupt() {
	c.lock.Lock()
	t := c.transport
	c.lock.Unlock()
	t.Drop()
}

// PingTimes tells when pings of the server came.
func (c *Connection) PingTimes() []time.Time {
	c.lock.Lock()
	defer c.lock.Unlock()
	return append([]time.Time(nil), c.pingTimes...)
}
