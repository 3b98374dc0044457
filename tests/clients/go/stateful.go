package signalr

import (
	"context"
	"sync"
	"time"
)

// ackDelay is how long received messages wait for their Ack (§5.3).
const ackDelay = time.Second

// stateful is what one side keeps for coming back to a connection (§5).
type stateful struct {
	lock sync.Mutex
	// What this side sent.
	sent   int64
	unsure []kept // not acknowledged
	// What it received.
	next, latest int64
	acked        int64 // the last Ack that was sent
	ackPlanned   bool
	noAcks       bool
	// Coming back.
	waiting   bool // for the Sequence
	sequences []int64
	repeated  int
}

type kept struct {
	number int64
	data   []byte
}

func newStateful() *stateful { return &stateful{next: 1} }

// write sends, or keeps for the next transport. The caller holds the lock of the connection's sending.
func (s *stateful) write(c *Connection, m *Message, data []byte) error {
	s.lock.Lock()
	if m.counted() {
		s.sent++
		s.unsure = append(s.unsure, kept{s.sent, data})
	}
	s.lock.Unlock()
	// A transport that is lost is the business of the reader, who comes back with all that is unsure.
	_ = c.transport.Send(data, c.options.Protocol.Binary())
	return nil
}

// received counts a message; false means that it is not to be handled.
func (s *stateful) received(c *Connection, m *Message) (bool, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.waiting && m.Type != typeSequence {
		if m.Type == typePing {
			return false, nil
		}
		return false, violation("§5.5", "type %d before the Sequence", m.Type)
	}
	switch {
	case m.Type == typeSequence:
		if !s.waiting {
			return false, violation("§5.5", "a Sequence without a new transport")
		}
		if m.SequenceID < 1 || m.SequenceID > s.next {
			return false, violation("§5.2", "Sequence %d, received up to %d", m.SequenceID, s.latest)
		}
		s.waiting, s.next = false, m.SequenceID
		s.sequences = append(s.sequences, m.SequenceID)
		return false, nil
	case m.Type == typeAck:
		return false, s.acknowledged(m.SequenceID)
	case !m.counted():
		return true, nil
	}
	number := s.next
	s.next++
	if !s.ackPlanned && !s.noAcks {
		s.ackPlanned = true
		time.AfterFunc(ackDelay, func() { s.sendAck(c) })
	}
	if number <= s.latest {
		s.repeated++
		return false, nil
	}
	s.latest = number
	return true, nil
}

func (s *stateful) acknowledged(number int64) error {
	if number > s.sent {
		return violation("§5.3", "Ack %d of %d messages", number, s.sent)
	}
	for len(s.unsure) > 0 && s.unsure[0].number <= number {
		s.unsure = s.unsure[1:]
	}
	return nil
}

func (s *stateful) sendAck(c *Connection) {
	s.lock.Lock()
	s.ackPlanned = false
	s.acked = s.latest
	number := s.acked
	s.lock.Unlock()
	_ = c.write(&Message{Type: typeAck, SequenceID: number})
}

// mayResume tells whether a lost transport is to be replaced.
func (c *Connection) mayResume() bool {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.stateful != nil && !c.leaving && c.goodbye == nil
}

// resume comes back over a new WebSocket, without negotiation and handshake.
func (c *Connection) resume() error {
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	t, err := c.endpoint.attach(ctx, WebSockets)
	if err != nil {
		return err
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	c.lock.Lock()
	c.transport = t
	c.lock.Unlock()
	s := c.stateful
	s.lock.Lock()
	s.waiting = true
	oldest := s.sent + 1
	if len(s.unsure) > 0 {
		oldest = s.unsure[0].number
	}
	again := append([]kept(nil), s.unsure...)
	s.lock.Unlock()
	protocol := c.options.Protocol
	data := protocol.Encode(&Message{Type: typeSequence, SequenceID: oldest})
	if err := t.Send(data, protocol.Binary()); err != nil {
		return err
	}
	for _, k := range again {
		if err := t.Send(k.data, protocol.Binary()); err != nil {
			return err
		}
	}
	return nil
}
