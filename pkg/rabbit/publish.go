package rabbit

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// What became of a message that was not confirmed. Callers branch with errors.Is; the texts add the broker's own words.
var (
	// ErrReturned: the broker took the message but no queue is bound for its key. It is kept nowhere; publish it again later.
	ErrReturned = errors.New("returned by the broker")
	// ErrNacked: the broker refused the message, for example because the queue is full. Publish it again later.
	ErrNacked = errors.New("refused by the broker")
	// ErrUnknown: no answer (timeout, connection lost or absent). The message may or may not be kept: publish it again and
	// let the consumer recognise duplicates.
	ErrUnknown = errors.New("fate unknown")
	// ErrBlocked: not sent, because the broker is short of memory or disk and reads nothing. Keep it and try later.
	ErrBlocked = errors.New("blocked by the broker")
	// ErrInvalid: not sent, because AMQP cannot carry it: a property over 255 bytes, headers over 64 KiB, or a header of an
	// unsupported type. It never will be sent.
	ErrInvalid = errors.New("not a valid message")
)

// Message is the library's message under a name of ours, so that other packages need not import it.
type Message = amqp.Publishing

// Table is the library's table of headers or arguments, under a name of ours.
type Table = amqp.Table

// Persistent is the delivery mode of messages that survive a restart of the broker, Transient that of those that need not.
const (
	Persistent = amqp.Persistent
	Transient  = amqp.Transient
)

// Publishing is one message and where it goes. The caller builds all of Msg; nothing is added.
type Publishing struct {
	Exchange string // empty means the default exchange: Key is then a queue's name
	Key      string
	Msg      Message
}

// PublisherOptions tune a Publisher. The zero value works.
type PublisherOptions struct {
	// Timeout bounds one PublishBatch altogether. Default 5 s.
	Timeout time.Duration
	// Window is how many messages may await their confirm at once. Default 1024: beyond it nothing gets faster.
	Window int
}

// Publisher publishes with confirms on one channel. It is safe for concurrent use; batches are served one after another.
type Publisher struct {
	c       *Conn
	timeout time.Duration
	window  int

	turn chan struct{} // holds one token while a batch is published; a mutex that a context can give up on
	pipe *pipe         // guarded by turn

	bestEffortTurn chan struct{}
	bestEffortLink *link // guarded by bestEffortTurn
	bestEffort     *amqp.Channel
}

// pipe is one confirm-mode channel. It is thrown away after the first answer that did not come, so that late answers cannot be
// mistaken for those of the next batch.
type pipe struct {
	link    *link
	ch      *amqp.Channel
	returns chan amqp.Return // closed by the library
	calling atomic.Bool      // inside a library call: the watchdog may cut
}

// NewPublisher returns a publisher on this connection. It needs no closing.
func (c *Conn) NewPublisher(opts PublisherOptions) *Publisher {
	p := &Publisher{
		c: c, timeout: opts.Timeout, window: opts.Window,
		turn: make(chan struct{}, 1), bestEffortTurn: make(chan struct{}, 1),
	}
	if p.timeout <= 0 {
		p.timeout = 5 * time.Second
	}
	if p.window <= 0 {
		p.window = 1024
	}
	return p
}

// PublishBatch publishes all msgs with the mandatory flag, waits for all confirms, and returns one error per message, in order.
// Nil means that the broker keeps the message in at least one queue. Otherwise it is ErrReturned, ErrNacked, ErrUnknown, ErrBlocked
// or ErrInvalid. It returns within the timeout (and a quarter of a second) even when the socket hangs.
//
// A message for an exchange that does not exist makes the broker close the channel: it and whatever was unconfirmed
// beside it become ErrUnknown. So publish only to declared exchanges.
func (p *Publisher) PublishBatch(ctx context.Context, msgs []Publishing) []error {
	return p.publish(ctx, msgs, false)
}

// Heard publishes one message as PublishBatch does, and reports whether any queue received it. An error means that this is not known.
func (p *Publisher) Heard(ctx context.Context, m Publishing) (bool, error) {
	switch err := p.publish(ctx, []Publishing{m}, true)[0]; {
	case errors.Is(err, ErrReturned):
		return false, nil
	case err != nil:
		return false, err
	default:
		return true, nil
	}
}

func (p *Publisher) publish(ctx context.Context, msgs []Publishing, asking bool) []error {
	b := &batch{
		p: p, deadline: time.Now().Add(p.timeout), msgs: msgs, errs: make([]error, len(msgs)), confirms: make([]*amqp.DeferredConfirmation, len(msgs)), asking: asking,
	}
	if len(msgs) == 0 {
		return b.errs
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return b.failFrom(0, fmt.Errorf("%w: not sent: %w", ErrUnknown, ctx.Err()))
	}
	return b.publish(ctx)
}

// open returns the pipe, a new one if the last is spent or its link gone.
func (p *Publisher) open(b *batch) (*pipe, error) {
	l, _ := p.c.current()
	if l == nil {
		return nil, ErrNotConnected
	}
	if p.pipe != nil && p.pipe.link == l && !p.pipe.ch.IsClosed() {
		return p.pipe, nil
	}
	ch, err := l.channelWithin(b.remaining())
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	// Twice the window: returns are read whenever a confirm is, so fewer are ever waiting. A full buffer would stall the
	// connection for 5 s and then lose the return, while its confirm still says "kept".
	returns := ch.NotifyReturn(make(chan amqp.Return, 2*p.window))
	if err := l.callWithin(b.remaining(), func() error { return ch.Confirm(false) }); err != nil {
		return nil, fmt.Errorf("select confirm mode: %w", err)
	}
	p.pipe = &pipe{link: l, ch: ch, returns: returns}
	return p.pipe, nil
}

// discard gives the pipe up and closes its channel in the background.
func (p *Publisher) discard() {
	spent := p.pipe
	p.pipe = nil
	if !spent.ch.IsClosed() {
		p.c.work.Go(func() { spent.link.closeChannel(spent.ch) })
	}
}
