package rabbit

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// batch is the work of one PublishBatch.
type batch struct {
	p        *Publisher
	deadline time.Time
	msgs     []Publishing
	errs     []error
	confirms []*amqp.DeferredConfirmation // nil where nothing was sent
	returned []amqp.Return
	timedOut bool
	asking   bool // whether anybody is bound: a return is the answer, not a fault
}

// grace is the least time a call to the broker gets: a batch that spent its time waiting for its turn has no right to cut a
// healthy connection.
const grace = 250 * time.Millisecond

// remaining is how long a call to the broker may take before the link is cut.
func (b *batch) remaining() time.Duration { return max(time.Until(b.deadline), grace) }

func (b *batch) publish(ctx context.Context) []error {
	if b.p.c.Blocked() {
		return b.failFrom(0, ErrBlocked)
	}
	pipe, err := b.p.open(b)
	if err != nil {
		return b.failFrom(0, fmt.Errorf("%w: not sent: %w", ErrUnknown, err))
	}
	// Contexts do not interrupt a socket write, cutting the link does.
	watchdog := time.AfterFunc(b.remaining(), func() {
		if pipe.calling.Load() {
			pipe.link.cut()
		}
	})
	b.send(ctx, pipe)
	watchdog.Stop()
	for i := range b.msgs {
		b.settle(ctx, pipe, i)
	}
	b.attributeReturns()
	if b.timedOut || pipe.ch.IsClosed() {
		b.p.discard()
	}
	b.count()
	return b.errs
}

// send writes the messages, keeping at most a window of them unconfirmed.
func (b *batch) send(ctx context.Context, pipe *pipe) {
	oldest := 0
	for i, m := range b.msgs {
		if err := validate(m); err != nil {
			b.errs[i] = err
			continue
		}
		if i-oldest >= b.p.window {
			for ; oldest <= i-b.p.window/2; oldest++ { // half a window at a time, so that both sides keep moving
				b.settle(ctx, pipe, oldest)
			}
		}
		switch {
		case ctx.Err() != nil:
			b.failFrom(i, fmt.Errorf("%w: not sent: %w", ErrUnknown, ctx.Err()))
			return
		case b.p.c.Blocked():
			b.failFrom(i, ErrBlocked)
			return
		}
		pipe.calling.Store(true)
		confirm, err := pipe.ch.PublishWithDeferredConfirm(m.Exchange, m.Key, true, false, m.Msg)
		pipe.calling.Store(false)
		if err != nil {
			b.failFrom(i, fmt.Errorf("%w: publish: %w", ErrUnknown, err))
			return
		}
		b.confirms[i] = confirm
	}
}

// settle waits for message i's confirm and records what it says. It also empties the buffer of returns: a message's return
// is always there before its confirm is.
func (b *batch) settle(ctx context.Context, pipe *pipe, i int) {
	confirm := b.confirms[i]
	if confirm == nil {
		return
	}
	b.confirms[i] = nil
	select {
	case <-confirm.Done():
	default:
		select {
		case <-confirm.Done():
		case <-ctx.Done():
			b.timedOut = true
			b.errs[i] = fmt.Errorf("%w: no confirm: %w", ErrUnknown, ctx.Err())
			return
		}
	}
	switch {
	case confirm.Acked():
	case pipe.ch.IsClosed(): // the library resolves all open confirms to "no" when the channel dies
		b.errs[i] = fmt.Errorf("%w: channel closed before the confirm", ErrUnknown)
	default:
		b.errs[i] = ErrNacked
	}
	for {
		select {
		case r, ok := <-pipe.returns:
			if !ok {
				return
			}
			b.returned = append(b.returned, r)
		default:
			return
		}
	}
}

// attributeReturns finds the messages that were returned. A return carries no sequence number, so it counts against every message
// of the batch with the same exchange, key and message id: too many repeats are harmless, a lost message is not.
func (b *batch) attributeReturns() {
	if len(b.returned) == 0 {
		return
	}
	type address struct{ exchange, key, id string }
	byAddress := make(map[address]amqp.Return, len(b.returned))
	for _, r := range b.returned {
		byAddress[address{r.Exchange, r.RoutingKey, r.MessageId}] = r
	}
	for i, m := range b.msgs {
		if r, ok := byAddress[address{m.Exchange, m.Key, m.Msg.MessageId}]; ok && b.errs[i] == nil {
			b.errs[i] = fmt.Errorf("%w: %d %s (exchange %q, key %q)", ErrReturned, r.ReplyCode, r.ReplyText, m.Exchange, m.Key)
		}
	}
	if !b.asking {
		b.p.c.askRedeclare() // perhaps somebody deleted the queue
	}
}

// count adds the outcome to the connection's statistics.
func (b *batch) count() {
	stats := &b.p.c.stats
	for _, err := range b.errs {
		switch {
		case err == nil:
		case errors.Is(err, ErrReturned):
			if !b.asking {
				stats.returned.Add(1)
			}
		case errors.Is(err, ErrNacked):
			stats.nacked.Add(1)
		case errors.Is(err, ErrUnknown):
			stats.unknown.Add(1)
		}
	}
}

// failFrom records err for every message from i on that has no error yet.
func (b *batch) failFrom(i int, err error) []error {
	for ; i < len(b.errs); i++ {
		if b.errs[i] == nil {
			b.errs[i] = err
		}
	}
	return b.errs
}
