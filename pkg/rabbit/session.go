package rabbit

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Delivery is one message handed out by the broker. It must be acked once, after its effects are committed, or left alone: then it is
// handed out again when its channel closes. The embedded Nack and Reject answer with an error; a retry is a matter for the database.
type Delivery struct {
	amqp.Delivery
	// Queue is the queue it was consumed from.
	Queue string

	session *session
}

// Epoch counts the consumer's channels, from 1. Deliveries of the same epoch came over the same channel.
func (d Delivery) Epoch() uint64 { return d.session.epoch }

// Stale reports whether an ack would be refused. The broker is handing the message out again, so a handler may give up early.
func (d Delivery) Stale() bool { return !d.session.open(d.DeliveryTag) }

// Ack acks this delivery. ErrStale: it could not, and the message comes again.
func (d Delivery) Ack() error { return d.session.ack([]uint64{d.DeliveryTag}) }

// AckMultiple acks this delivery and every earlier one of its epoch. Only for callers who know that all of those are done;
// AckAll finds out by itself.
func (d Delivery) AckMultiple() error { return d.session.ackUpTo(d.DeliveryTag) }

// AckAll acks a set of deliveries with few frames: those before which nothing is left unacked with one "multiple" ack, the others
// one by one. Stale ones are skipped and reported by an error that wraps ErrStale; the rest are acked all the same.
func (k *Consumer) AckAll(ds []Delivery) error {
	bySession := map[*session][]uint64{}
	for _, d := range ds {
		bySession[d.session] = append(bySession[d.session], d.DeliveryTag)
	}
	var errs []error
	for s, tags := range bySession {
		errs = append(errs, s.ack(tags))
	}
	return errors.Join(errs...)
}

// session is one registration of a consumer: one channel, and the delivery tags on it. Tags count 1, 2, 3 … per channel and
// mean nothing on another one.
type session struct {
	link      *link
	ch        *amqp.Channel
	tag       string // the consumer's, not a delivery's
	epoch     uint64
	in        <-chan amqp.Delivery // closed by the library
	closed    chan *amqp.Error     // closed by the library
	cancelled chan string          // closed by the library

	// mu is held while an ack is written, too: a single ack overtaken by a multiple one that covers it would be
	// answered with 406 and the loss of the channel.
	mu      sync.Mutex
	dead    bool
	low     uint64              // every tag below is acked
	high    uint64              // the last tag seen
	settled map[uint64]struct{} // acked tags at or above low
}

// saw notes a delivery before anyone can ack it.
func (s *session) saw(tag uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.high = tag
}

// bury refuses all further acks.
func (s *session) bury() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
}

func (s *session) open(tag uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ackable(tag)
}

func (s *session) ackable(tag uint64) bool {
	_, settled := s.settled[tag]
	return !s.dead && !s.ch.IsClosed() && tag >= s.low && tag <= s.high && !settled
}

// ack acks the tags that can be acked, and reports how many could not.
func (s *session) ack(tags []uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := len(tags)
	tags = slices.Clone(tags)
	slices.Sort(tags)
	tags = slices.DeleteFunc(slices.Compact(tags), func(tag uint64) bool { return !s.ackable(tag) })
	refused := asked - len(tags)

	// reach is how many of the tags have nothing unacked before them that is not among them.
	reach, next := 0, s.low
	for ; reach < len(tags); reach++ {
		for ; next < tags[reach]; next++ {
			if _, settled := s.settled[next]; !settled {
				break
			}
		}
		if next != tags[reach] {
			break
		}
		next++
	}
	if reach > 1 {
		if err := s.send(tags[reach-1], true); err != nil {
			return err
		}
		tags = tags[reach:]
	}
	for _, tag := range tags {
		if err := s.send(tag, false); err != nil {
			return err
		}
	}
	if refused > 0 {
		return fmt.Errorf("%w: %d of %d acks", ErrStale, refused, asked)
	}
	return nil
}

func (s *session) ackUpTo(tag uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ackable(tag) {
		return ErrStale
	}
	return s.send(tag, true)
}

// send writes one ack frame and notes what it covers. An ack that could not be written leaves the session dead.
func (s *session) send(tag uint64, multiple bool) error {
	if err := s.ch.Ack(tag, multiple); err != nil {
		s.dead = true
		return fmt.Errorf("%w: ack: %w", ErrStale, err)
	}
	if !multiple {
		s.settled[tag] = struct{}{}
	} else {
		for ; s.low <= tag; s.low++ {
			delete(s.settled, s.low)
		}
	}
	for {
		if _, settled := s.settled[s.low]; !settled {
			return nil
		}
		delete(s.settled, s.low)
		s.low++
	}
}

// reason says why the deliveries ended. The library announces a channel's close before it closes anything else, so without
// such news it was a cancel.
func (s *session) reason() error {
	select {
	case err := <-s.closed:
		return closeReason(err)
	default:
		return errCancelled
	}
}

func closeReason(err *amqp.Error) error {
	if err == nil {
		return errors.New("channel closed")
	}
	return fmt.Errorf("channel closed: %w", err)
}
