// Package groupcommit lets callers that arrive while others commit be committed together.
//
// There is no goroutine and no timer. A caller that finds nobody at work leads: it runs at once, with whatever waits, in its own goroutine, so a lone caller pays nothing
// for the company it does not have. Those who arrive meanwhile wait, and the first of them leads the next run.
package groupcommit

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// What Do returns when an item was not settled by Run, or is not known to be.
var (
	// ErrBusy reports that too many wait already. The item was not taken.
	ErrBusy = errors.New("too many wait to be committed")
	// ErrClosed reports that the group takes nothing any more. The item was not taken.
	ErrClosed = errors.New("group is closed")
	// ErrUnderWay reports that the context ended while the item was being settled: what became of it is not known, and Run may still be writing to it.
	ErrUnderWay = errors.New("gave up while the commit was under way")
)

// Group gathers items. Set its fields before the first Do and leave them. Safe for concurrent use; not to be copied.
type Group[T any] struct {
	// Run settles items, at least one. What becomes of each it writes into the item, which therefore is usually a pointer. It runs in the goroutine of
	// one of the callers, and must bound its own time: ctx has that caller's values and neither its deadline nor its end.
	Run func(ctx context.Context, items []T)
	// Max is the most items of one Run. Required.
	Max int
	// Leaders is how many Runs may be under way at once, so that one prepares while another waits for the disk. Required.
	Leaders int
	// Waiting bounds the items that wait for a Run. Zero means no bound.
	Waiting int

	mu      sync.Mutex
	queue   []*entry[T]
	leaders int
	closed  bool
	idle    chan struct{} // closed when the group is closed and the last leader has gone; nil before Close
}

// entry is one item that waits, and its caller.
type entry[T any] struct {
	item     T
	promoted bool          // guarded by Group.mu
	lead     chan struct{} // capacity 1; a token makes the caller the leader
	done     chan struct{} // closed when the item is settled
}

// Do has Run settle the item, and returns nil when it has. A context that ends before that takes the item back, as far as it was not taken: the error is then the context's cause.
func (g *Group[T]) Do(ctx context.Context, item T) error {
	e := &entry[T]{item: item, lead: make(chan struct{}, 1), done: make(chan struct{})}
	g.mu.Lock()
	if g.closed || g.Waiting > 0 && len(g.queue) >= g.Waiting {
		defer g.mu.Unlock()
		if g.closed {
			return ErrClosed
		}
		return ErrBusy
	}
	g.queue = append(g.queue, e)
	if g.leaders < g.Leaders {
		g.leaders++
		g.promote(e)
	}
	g.mu.Unlock()
	// A leader may take along the item of one that was just promoted. Whoever holds the token passes it on, whatever became of its own item.
	defer func() {
		select {
		case <-e.lead:
			g.run(ctx)
		default:
		}
	}()
	select {
	case <-e.done:
		return nil
	case <-e.lead:
		g.run(ctx)
		<-e.done // by this run, or by that of another leader
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	at := slices.Index(g.queue, e)
	if at < 0 {
		return errors.Join(ErrUnderWay, context.Cause(ctx))
	}
	g.queue = slices.Delete(g.queue, at, at+1)
	return context.Cause(ctx)
}

func (g *Group[T]) promote(e *entry[T]) {
	e.promoted = true
	e.lead <- struct{}{}
}

// run settles what waits, the leader's own item among it, and passes the lead on.
func (g *Group[T]) run(ctx context.Context) {
	g.mu.Lock()
	n := min(len(g.queue), g.Max)
	if n < len(g.queue) { // leaders stand in front, so that each finds its own item settled
		slices.SortStableFunc(g.queue, func(a, b *entry[T]) int {
			switch {
			case a.promoted == b.promoted:
				return 0
			case a.promoted:
				return -1
			default:
				return 1
			}
		})
	}
	batch := slices.Clone(g.queue[:n])
	g.queue = slices.Delete(g.queue, 0, n)
	g.mu.Unlock()

	if n > 0 { // none: another leader took ours along
		items := make([]T, n)
		for i, e := range batch {
			items[i] = e.item
		}
		g.Run(context.WithoutCancel(ctx), items)
		for _, e := range batch {
			close(e.done)
		}
	}

	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.queue {
		if !e.promoted {
			g.promote(e)
			return
		}
	}
	g.leaders--
	if g.closed && g.leaders == 0 {
		close(g.idle)
	}
}

// Close takes nothing more and waits until everything that was taken is settled, or until ctx ends. It may be called again.
func (g *Group[T]) Close(ctx context.Context) error {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		g.idle = make(chan struct{})
		if g.leaders == 0 {
			close(g.idle)
		}
	}
	g.mu.Unlock()
	select {
	case <-g.idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
