package load

import (
	"bytes"
	"context"
	"slices"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"makola/pkg/monitor"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
)

// watchedTurns is how often each kind of watching has its turn. The kinds alternate, because the machine itself changes within minutes.
const watchedTurns = 3

// BenchmarkWatched drains no-op tasks that were enqueued before, with Celery's events switched off, with nobody who listens, and while a monitor is told.
func BenchmarkWatched(b *testing.B) {
	kinds := []struct {
		name          string
		events, heard bool
	}{{"events off", false, true}, {"nobody listens", true, false}, {"a monitor listens", true, true}}
	for _, mode := range modes {
		b.Run(mode.name, func(b *testing.B) {
			rates, costs, seen := make([][]int, len(kinds)), make([]time.Duration, len(kinds)), 0
			for range watchedTurns {
				for i, kind := range kinds {
					b.Run(kind.name, func(b *testing.B) {
						pg, broker := postgrestest.New(b), rabbittest.New(b)
						own := rabbit.ControlQueue("load", "1")
						mon := monitor.New(monitor.Config{Events: kind.events, Node: "load@one"}, monitor.Process{Service: "load", Broker: broker.Config(b.Name())},
							broker.Conn(b, rabbit.Monitoring(own)), own, pg.Open("makola_billing"))
						f := newWatchedFactory(b, pg, broker, mon.Watch())
						mon.Attach(f.worker)
						f.produce(b, 32, mode.enqueue)
						goodbye := func() int { return 0 }
						if kind.heard {
							goodbye = listen(b, broker)
						}
						if err := mon.Start(b.Context()); err != nil {
							b.Fatal(err)
						}
						b.Cleanup(func() {
							if err := mon.Stop(context.WithoutCancel(b.Context())); err != nil {
								b.Error(err)
							}
							seen += goodbye()
						})
						began, before := time.Now(), processorTime(b)
						f.start(b)
						f.drained(b)
						rates[i] = append(rates[i], perSecond(noops, time.Since(began)))
						costs[i] += processorTime(b) - before
					})
				}
			}
			for _, r := range rates {
				if len(r) < watchedTurns {
					b.Fatal("a turn failed")
				}
				slices.Sort(r)
			}
			off, quiet, told := rates[0][watchedTurns/2], rates[1][watchedTurns/2], rates[2][watchedTurns/2]
			b.ReportMetric(float64(told)/float64(off), "told/off")
			b.ReportMetric(float64(quiet)/float64(off), "quiet/off")
			each := func(kind int) int64 { return (costs[kind] / (noops * watchedTurns)).Microseconds() }
			note("no-op tasks, "+mode.name+", drained alone, Celery's events off", "%d tasks/s, %d µs of processor each in the worker", off, each(0))
			note("the same, events on, and nobody listens", "%d tasks/s, %s of that; %d µs", quiet, share(quiet, off), each(1))
			note("the same, and a monitor in the same process listens", "%d tasks/s, %s of that; %d µs; it saw %d of %d events", told, share(told, off), each(2), seen, 3*noops*watchedTurns)
		})
	}
}

// listen receives events as Celery's monitors do. The returned function waits for the worker's goodbye and says how many events of tasks came before it.
func listen(b *testing.B, broker *rabbittest.Broker) (goodbye func() int) {
	b.Helper()
	conn, err := amqp.Dial(broker.URL)
	if err != nil {
		b.Fatalf("dial: %v", err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		b.Fatalf("open channel: %v", err)
	}
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		b.Fatalf("declare queue: %v", err)
	}
	if err := ch.QueueBind(q.Name, "#", rabbit.ExchangeCeleryEvents, false, nil); err != nil {
		b.Fatalf("bind queue: %v", err)
	}
	in, err := ch.Consume(q.Name, "", true, true, false, false, nil)
	if err != nil {
		b.Fatalf("consume: %v", err)
	}
	done := make(chan int, 1)
	go func() {
		n := 0
		for d := range in {
			if d.RoutingKey == "worker.offline" {
				break
			}
			n += bytes.Count(d.Body, []byte(`"type":"task-`))
		}
		done <- n
	}()
	return func() int {
		select {
		case n := <-done:
			return n
		case <-time.After(limit):
			b.Error("the worker said no goodbye")
			return 0
		}
	}
}

// processorTime is what this process has used so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatalf("processor time: %v", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
