package rabbit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// ErrNotConnected says that there is no usable connection at the moment; the supervisor is dialling.
var ErrNotConnected = errors.New("not connected to the broker")

// Conn supervises one connection to the broker for the life of a process: it dials, declares the topology, watches, and dials
// again for ever. Publishing and consuming want a Conn each, because the broker throttles whole connections that publish.
// All methods are safe for concurrent use.
type Conn struct {
	cfg  Config
	topo Topology
	log  *slog.Logger

	quit      chan struct{} // closed by Stop
	stopOnce  sync.Once
	redeclare chan struct{} // holds at most one request; read by watch
	work      sync.WaitGroup

	mu      sync.Mutex
	link    *link         // nil while down
	err     error         // why not ready; nil when ready
	since   time.Time     // since when err is what it is
	changed chan struct{} // closed and replaced when link changes

	blocked atomic.Bool
	stats   counters
}

type counters struct{ connects, blocks, returned, nacked, unknown atomic.Uint64 }

// Stats is a snapshot of a connection's life. Counters only grow, and start at zero with the process.
type Stats struct {
	Connected  bool   // a connection is established and its topology declared
	Blocked    bool   // the broker refuses publishes for lack of memory or disk
	Reconnects uint64 // connections established after the first one
	Blocks     uint64 // times the broker announced such a lack
	Returned   uint64 // messages that no queue was bound for
	Nacked     uint64 // messages the broker refused
	Unknown    uint64 // messages given up in mid-batch, whose fate is unknown
}

// New returns a connection that does nothing until Start. The topology is declared (or checked, see Config.Declare) after every connect.
func New(cfg Config, topo Topology, log *slog.Logger) *Conn {
	return &Conn{
		cfg: cfg.withDefaults(), topo: topo, log: log.With("connection", cfg.Name),
		quit: make(chan struct{}), redeclare: make(chan struct{}, 1), changed: make(chan struct{}),
		err: ErrNotConnected, since: time.Now(),
	}
}

// Start begins to connect and returns at once: a broker that is down at start is not an error, Ready reports it. Only ctx's values
// are used; the connection lives until Stop.
func (c *Conn) Start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.work.Go(func() {
		defer cancel()
		c.supervise(ctx)
	})
	c.work.Go(func() {
		select {
		case <-c.quit:
			cancel()
		case <-ctx.Done():
		}
	})
	return nil
}

// Stop closes the connection, ends its consumers (unacked deliveries are requeued by the broker), and waits until every goroutine is
// gone or ctx is done. A stopped connection cannot be started again; calling Stop twice is harmless.
func (c *Conn) Stop(ctx context.Context) error {
	c.stopOnce.Do(func() { close(c.quit) })
	gone := make(chan struct{})
	go func() {
		c.work.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		if l, _ := c.current(); l != nil {
			l.cut()
		}
		return fmt.Errorf("stop broker connection %q: %w", c.cfg.Name, ctx.Err())
	}
}

// Ready returns nil when the connection is established and its topology declared. Otherwise it says what is wrong and since when;
// the error wraps ErrTopology when an operator is needed. A blocked connection is ready: see Blocked.
func (c *Conn) Ready(_ context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		return nil
	}
	return fmt.Errorf("broker connection %q not ready since %s: %w", c.cfg.Name, c.since.UTC().Format(time.RFC3339), c.err)
}

// Blocked reports whether the broker refuses publishes on this connection because it is short of memory or disk.
func (c *Conn) Blocked() bool { return c.blocked.Load() }

// Established returns the number of the connection that is up, from 1, or 0 while there is none, and a channel that is closed when the answer changes. It is for those who
// must do something after each connect.
func (c *Conn) Established() (number uint64, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != nil {
		number = c.stats.connects.Load()
	}
	return number, c.changed
}

// Stats returns a snapshot for metrics.
func (c *Conn) Stats() Stats {
	connects := c.stats.connects.Load()
	return Stats{
		Connected: c.ready(), Blocked: c.Blocked(), Reconnects: max(connects, 1) - 1, Blocks: c.stats.blocks.Load(),
		Returned: c.stats.returned.Load(), Nacked: c.stats.nacked.Load(), Unknown: c.stats.unknown.Load(),
	}
}

// QueueDepth returns how many messages wait in queue; see QueueState.
func (c *Conn) QueueDepth(ctx context.Context, queue string) (ready int, err error) {
	state, err := c.QueueState(ctx, queue)
	return state.Ready, err
}

// QueueState is what the broker says of a queue.
type QueueState struct {
	// Ready is how many messages wait, not counting those handed out and not yet acked.
	Ready int
	// Consumers is how many consumers are registered.
	Consumers int
}

// QueueState returns how many messages wait in queue, and how many consumers it has. It asks on a channel of its own,
// because asking for a missing queue closes the channel. Right after a broker's restart the answer can be 0 for some seconds:
// never act on one reading.
func (c *Conn) QueueState(ctx context.Context, queue string) (QueueState, error) {
	l, _ := c.current()
	switch {
	case ctx.Err() != nil:
		return QueueState{}, ctx.Err()
	case l == nil:
		return QueueState{}, ErrNotConnected
	case c.Blocked():
		return QueueState{}, ErrBlocked // the broker does not read from us: the question would hang
	}
	type answer struct {
		state QueueState
		err   error
	}
	answers := make(chan answer, 1)
	c.work.Go(func() {
		state, err := l.queueState(queue)
		answers <- answer{state, err}
	})
	select {
	case a := <-answers:
		if a.err != nil {
			return QueueState{}, fmt.Errorf("ask depth of queue %q: %w", queue, a.err)
		}
		return a.state, nil
	case <-ctx.Done():
		return QueueState{}, fmt.Errorf("ask depth of queue %q: %w", queue, ctx.Err())
	}
}

func (c *Conn) ready() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err == nil
}

// current returns the link, nil while down, and a channel that is closed when the answer changes.
func (c *Conn) current() (*link, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link, c.changed
}

// set records the supervisor's view: a link or none, and what is wrong.
func (c *Conn) set(l *link, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != l {
		close(c.changed)
		c.changed = make(chan struct{})
	}
	if (err == nil) != (c.err == nil) {
		c.since = time.Now()
	}
	c.link, c.err = l, err
}

// askRedeclare asks the supervisor to declare the topology again because a queue seems to be missing. It never blocks.
func (c *Conn) askRedeclare() {
	select {
	case c.redeclare <- struct{}{}:
	default: // already asked
	}
}

// sleep pauses for d, or until the connection is stopped.
func (c *Conn) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.quit:
	}
}
