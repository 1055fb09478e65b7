package rabbit

import (
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// turnEvery is how often an idle delivery loop proves that it still turns.
const turnEvery = 5 * time.Second

// run registers a session, pumps it until it ends, and begins again.
func (k *Consumer) run() {
	defer close(k.done)
	closeOut := sync.OnceFunc(func() {
		close(k.out)
		close(k.drained)
	})
	defer closeOut()
	for attempt := 0; ; {
		l, changed := k.c.current()
		err := k.ended()
		if errors.Is(err, errStopping) {
			k.setErr(err)
			return
		}
		if err == nil && l == nil {
			err = ErrNotConnected
		}
		if err != nil { // paused or not connected
			k.setErr(err)
			await(k, changed)
			continue
		}
		began := time.Now()
		s, err := k.register(l)
		if err == nil {
			k.setErr(nil)
			err = k.pump(s)
			k.setErr(err)
			if errors.Is(err, errStopping) {
				k.finish(s, closeOut)
				return
			}
			k.leave(s)
		}
		k.setErr(err)
		if errors.Is(err, errPaused) {
			continue
		}
		if l.conn.IsClosed() {
			await(k, changed) // the supervisor logs and paces lost connections
			continue
		}
		if time.Since(began) > k.c.cfg.ceiling(attempt) {
			attempt = 0
		}
		pause := k.c.cfg.pause(attempt)
		attempt++
		k.c.askRedeclare()
		k.c.log.Warn("consumer lost", "queue", k.cfg.Queue, "error", err, "retry_in", pause)
		timer := time.NewTimer(pause)
		await(k, timer.C)
		timer.Stop()
	}
}

// await waits for the event, for a change of mind, or for the end.
func await[T any](k *Consumer, event <-chan T) {
	select {
	case <-event:
	case <-k.poke:
	case <-k.stop:
	case <-k.close:
	case <-k.c.quit:
	}
}

// register opens a channel and a consumer on it.
func (k *Consumer) register(l *link) (*session, error) {
	ch, err := l.channel()
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	k.epoch++
	s := &session{
		link: l, ch: ch, epoch: k.epoch, low: 1, settled: map[uint64]struct{}{}, tag: k.cfg.Tag,
		// The second and third signal. Buffered, because the library delivers them from its reader.
		closed:    ch.NotifyClose(make(chan *amqp.Error, 1)),
		cancelled: ch.NotifyCancel(make(chan string, 1)),
	}
	if s.tag == "" {
		s.tag = fmt.Sprintf("%s-%d", k.cfg.Queue, s.epoch)
	}
	err = l.call(func() (err error) {
		// Per consumer, never global: quorum queues refuse the latter.
		if err = ch.Qos(k.cfg.Prefetch, 0, false); err != nil {
			return fmt.Errorf("set prefetch: %w", err)
		}
		s.in, err = ch.Consume(k.cfg.Queue, s.tag, false, false, false, false, nil)
		return err
	})
	if err != nil {
		l.closeChannel(ch)
		return nil, fmt.Errorf("consume queue %q: %w", k.cfg.Queue, err)
	}
	return s, nil
}

// pump moves deliveries from the library's unbuffered channel into ours until the session ends, and says why it ended.
func (k *Consumer) pump(s *session) error {
	tick := time.NewTicker(turnEvery)
	defer tick.Stop()
	for {
		k.turned.Store(time.Now().UnixNano())
		select {
		case d, ok := <-s.in:
			if !ok {
				return s.reason()
			}
			if err := k.push(s, d); err != nil {
				return err
			}
		case err := <-s.closed:
			return closeReason(err)
		case <-s.cancelled: // a cancel, or closed together with the channel
			return s.reason()
		case <-tick.C:
		case <-k.poke:
		case <-k.stop:
		case <-k.close:
		case <-k.c.quit:
		}
		if err := k.ended(); err != nil {
			return err
		}
	}
}

// push hands one delivery on. With a full buffer it waits, but not beyond the session.
func (k *Consumer) push(s *session, d amqp.Delivery) error {
	s.saw(d.DeliveryTag)
	d.Acknowledger = nil // disarms Nack and Reject, which are no tools for a retry
	out := Delivery{Delivery: d, Queue: k.cfg.Queue, session: s}
	for {
		select {
		case k.out <- out:
			return nil
		default: // full: more unacked than Prefetch, which the broker does not do
		}
		select {
		case k.out <- out:
			return nil
		case err := <-s.closed:
			return closeReason(err)
		case <-k.poke:
			if err := k.ended(); err != nil {
				return err
			}
		case <-k.stop:
			return errStopping
		case <-k.close:
			return errStopping
		case <-k.c.quit:
			return errStopping
		}
	}
}

// leave ends a lost or paused session: acks are refused from here on, and deliveries of it that nobody has taken yet are dropped,
// because the broker hands them out again.
func (k *Consumer) leave(s *session) {
	s.bury()
	s.link.closeChannel(s.ch)
	for {
		select {
		case <-k.out:
		default:
			return
		}
	}
}

// finish cancels the consumer, passes on what had been delivered before the cancel, closes Deliveries and keeps the channel for acks
// until Close.
func (k *Consumer) finish(s *session, closeOut func()) {
	defer func() {
		s.bury()
		s.link.closeChannel(s.ch)
	}()
	_ = s.link.call(func() error { return s.ch.Cancel(s.tag, false) }) // an error only means that it is gone already
	for d := range s.in {
		if k.push(s, d) != nil {
			break
		}
	}
	closeOut()
	select {
	case <-k.close:
	case <-k.c.quit:
	case err := <-s.closed:
		k.c.log.Info("channel closed while its last deliveries were handled", "queue", k.cfg.Queue, "error", err)
	}
}
