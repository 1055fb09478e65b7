package rabbit

import (
	"context"
	"fmt"
)

// PublishBestEffort publishes one message without waiting for a confirm and without asking for its return: right for news that
// nobody misses (progress events, answers to a client that may have left). It uses a channel of its own, so that a missing exchange,
// which closes the channel, never disturbs PublishBatch; such a message is lost and the next one gets a new channel.
// Nil means "written to the socket". Errors are ErrUnknown, ErrBlocked and ErrInvalid.
func (p *Publisher) PublishBestEffort(ctx context.Context, m Publishing) error {
	if err := validate(m); err != nil {
		return err
	}
	select {
	case p.bestEffortTurn <- struct{}{}:
		defer func() { <-p.bestEffortTurn }()
	case <-ctx.Done():
		return fmt.Errorf("%w: not sent: %w", ErrUnknown, ctx.Err())
	}
	l, _ := p.c.current()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: not sent: %w", ErrUnknown, ctx.Err())
	case l == nil:
		return fmt.Errorf("%w: not sent: %w", ErrUnknown, ErrNotConnected)
	case p.c.Blocked():
		return ErrBlocked
	}
	if p.bestEffort == nil || p.bestEffort.IsClosed() || p.bestEffortLink != l {
		ch, err := l.channel()
		if err != nil {
			return fmt.Errorf("%w: not sent: open channel: %w", ErrUnknown, err)
		}
		p.bestEffort, p.bestEffortLink = ch, l
	}
	if err := p.bestEffort.PublishWithContext(ctx, m.Exchange, m.Key, false, false, m.Msg); err != nil {
		return fmt.Errorf("%w: publish: %w", ErrUnknown, err)
	}
	return nil
}
