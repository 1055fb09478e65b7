package rabbit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// redeclareEvery is the shortest time between two declarations of the topology on one connection, however many consumers and
// publishers find a queue missing at once.
const redeclareEvery = time.Second

// supervise keeps a link up until ctx is done.
func (c *Conn) supervise(ctx context.Context) {
	for attempt := 0; ctx.Err() == nil; attempt++ {
		up, err := c.connectAndWatch(ctx)
		c.blocked.Store(false)
		if ctx.Err() != nil {
			c.set(nil, ErrNotConnected)
			return
		}
		c.set(nil, err)
		if up > c.cfg.ceiling(attempt) {
			attempt = 0 // it held for a while: this is a new trouble
		}
		pause := c.cfg.pause(attempt)
		level := slog.LevelWarn
		if errors.Is(err, ErrTopology) {
			level = slog.LevelError
		}
		c.log.Log(ctx, level, "broker connection down", "error", err, "retry_in", pause)
		c.sleep(pause)
	}
}

// connectAndWatch lives through one connection. It returns how long the connection was usable, and why it could not begin or why it ended.
func (c *Conn) connectAndWatch(ctx context.Context) (up time.Duration, err error) {
	l, err := dial(ctx, c.cfg)
	if err != nil {
		return 0, err
	}
	defer l.close(min(c.cfg.CallTimeout, 2*time.Second)) // a goodbye is a courtesy
	if err := c.declare(l); err != nil {
		return 0, err
	}
	began := time.Now()
	c.log.InfoContext(ctx, "broker connected", "connects", c.stats.connects.Add(1))
	c.set(l, nil)
	err = c.watch(ctx, l)
	return time.Since(began), err
}

// declare declares or checks the topology on a channel of its own.
func (c *Conn) declare(l *link) error {
	ch, err := l.channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	defer l.closeChannel(ch)
	// Some twenty round trips; quorum queues that do not exist yet take tens of milliseconds each.
	return l.callWithin(6*c.cfg.CallTimeout, func() error { return c.topo.Declare(ch, !c.cfg.Declare) })
}

// watch drains the link's notifications and redeclares on request, until the link is lost or ctx is done.
func (c *Conn) watch(ctx context.Context, l *link) error {
	var again <-chan time.Time // a postponed declaration
	declared := time.Now()
	redeclare := func() {
		declared, again = time.Now(), nil
		err := c.declare(l)
		if c.set(l, err); err != nil {
			c.log.ErrorContext(ctx, "redeclare topology", "error", err)
			again = time.After(c.cfg.BackoffMax)
		}
	}
	blocked := l.blocked
	for {
		select {
		case err := <-l.closed:
			if err == nil {
				return ErrNotConnected
			}
			return fmt.Errorf("%w: %w", ErrNotConnected, err)
		case b, ok := <-blocked:
			if !ok {
				blocked = nil // closing; l.closed is next
				continue
			}
			c.blocked.Store(b.Active)
			if b.Active {
				c.stats.blocks.Add(1)
			}
			c.log.WarnContext(ctx, "broker flow control", "blocked", b.Active, "reason", b.Reason)
		case <-c.redeclare:
			if wait := redeclareEvery - time.Since(declared); wait > 0 {
				again = time.After(wait)
				continue
			}
			redeclare()
		case <-again:
			redeclare()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
