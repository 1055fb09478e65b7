package rabbit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// link is one established connection, from its dial to its loss. It is never reused: after a loss there is a new link.
type link struct {
	conn    *amqp.Connection
	sock    net.Conn
	closed  chan *amqp.Error   // signal one; closed by the library
	blocked chan amqp.Blocking // closed by the library
	timeout time.Duration      // Config.CallTimeout
}

// errBadURL replaces the parser's error, which would quote the address with its password.
var errBadURL = errors.New("AMQP_URL is not a valid amqp:// or amqps:// address")

// dial connects and shakes hands within cfg.DialTimeout. Cancelling ctx interrupts it.
func dial(ctx context.Context, cfg Config) (*link, error) {
	if _, err := amqp.ParseURI(cfg.URL); err != nil {
		return nil, errBadURL
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.DialTimeout)
	defer cancel()
	l := &link{timeout: cfg.CallTimeout}
	unhook := func() bool { return true }
	props := amqp.NewConnectionProperties()
	props.SetClientConnectionName(cfg.Name)
	conn, err := amqp.DialConfig(cfg.URL, amqp.Config{
		Heartbeat:  cfg.Heartbeat,
		Properties: props,
		Locale:     "en_US",
		Dial: func(network, addr string) (net.Conn, error) {
			sock, err := (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			l.sock = sock
			unhook = context.AfterFunc(ctx, l.cut) // the handshake knows no context
			return &boundedWriter{Conn: sock, timeout: cfg.CallTimeout}, nil
		},
	})
	if err != nil {
		unhook()
		if l.sock != nil {
			l.cut()
		}
		return nil, fmt.Errorf("connect to broker: %w", err)
	}
	if !unhook() {
		return nil, fmt.Errorf("connect to broker: %w", context.Cause(ctx))
	}
	l.conn = conn
	// Buffered, because the library delivers these from its reader, and always drained by the supervisor.
	l.closed = conn.NotifyClose(make(chan *amqp.Error, 1))
	l.blocked = conn.NotifyBlocked(make(chan amqp.Blocking, 16))
	return l, nil
}

// cut closes the socket, which makes every pending call on the link fail at once. Closing the library's connection instead
// would wait for the very write that hangs.
func (l *link) cut() { _ = l.sock.Close() }

// call runs fn, which talks to the broker, and cuts the link when it takes longer than the call timeout.
func (l *link) call(fn func() error) error { return l.callWithin(l.timeout, fn) }

func (l *link) callWithin(d time.Duration, fn func() error) error {
	watchdog := time.AfterFunc(d, l.cut)
	defer watchdog.Stop()
	return fn()
}

// channel opens a channel.
func (l *link) channel() (*amqp.Channel, error) { return l.channelWithin(l.timeout) }

func (l *link) channelWithin(d time.Duration) (ch *amqp.Channel, err error) {
	err = l.callWithin(d, func() error {
		ch, err = l.conn.Channel()
		return err
	})
	return ch, err
}

// closeChannel closes ch politely, which requeues what was unacked on it.
func (l *link) closeChannel(ch *amqp.Channel) {
	_ = l.call(ch.Close) // an error only means that it is closed already
}

// queueState asks for the numbers of ready messages and of consumers of queue.
func (l *link) queueState(queue string) (state QueueState, err error) {
	ch, err := l.channel()
	if err != nil {
		return state, fmt.Errorf("open channel: %w", err)
	}
	defer l.closeChannel(ch)
	err = l.call(func() error {
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		state = QueueState{Ready: q.Messages, Consumers: q.Consumers}
		return err
	})
	return state, err
}

// close says goodbye to the broker within d, then cuts.
func (l *link) close(d time.Duration) {
	_ = l.callWithin(d, func() error { return l.conn.CloseDeadline(time.Now().Add(d)) })
	l.cut()
}

// boundedWriter gives every write to the socket a deadline. Without it a peer that stopped reading holds the writer, the writer
// holds the channel's lock, the library's shutdown waits for that lock before it closes the socket, and even missed heartbeats
// free nobody.
type boundedWriter struct {
	net.Conn
	timeout time.Duration
}

// Write writes b or fails after the timeout; a failed write ends the connection.
func (w *boundedWriter) Write(b []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
		return 0, err
	}
	return w.Conn.Write(b)
}
