package load

import (
	"fmt"
	"testing"
	"time"

	"makola/test/stack"
)

// turns is how often floor and gateway take turns.
const turns = 4

// BenchmarkWebhook compares the gateway's webhook with the floor, at 1, 16 and 64 connections. No worker runs, so the tasks that the gateway enqueues stay queued.
// Floor and gateway run side by side, each with a database of its own, and take turns; of each the best turn counts, which is the one that the rest of the machine disturbed least.
func BenchmarkWebhook(b *testing.B) {
	for _, load := range []struct{ conns, requests int }{{1, 2_000}, {16, 20_000}, {64, 20_000}} {
		b.Run(fmt.Sprintf("%d_connections", load.conns), func(b *testing.B) {
			floor, gateway := newTarget(b, true), newTarget(b, false)
			for _, t := range []*target{floor, gateway} {
				t.storm(b, load.conns, load.requests/turns/4) // warms connections, statements and caches
				t.best, t.before, t.sentBefore = turn{}, t.program.CPU(), t.sent
			}
			for range turns {
				floor.storm(b, load.conns, load.requests/turns)
				gateway.storm(b, load.conns, load.requests/turns)
			}
			floor.check(b)
			gateway.check(b)
			f, g := floor.best, gateway.best
			b.ReportMetric(float64(g.rate), "requests/s")
			b.ReportMetric(float64(f.rate), "floor/s")
			b.ReportMetric(float64(g.rate)/float64(f.rate), "of-floor")
			what := fmt.Sprintf("webhook, %d connections", load.conns)
			note(what+": gateway", "%d/s; p50 %s, p99 %s; %d µs of processor each; %s of the floor", g.rate, ms(g.p50), ms(g.p99), gateway.cost().Microseconds(), share(g.rate, f.rate))
			note(what+": floor", "%d/s; p50 %s, p99 %s; %d µs of processor each", f.rate, ms(f.p50), ms(f.p99), floor.cost().Microseconds())
		})
	}
}

// turn is what one run came to.
type turn struct {
	rate     int
	p50, p99 time.Duration
}

// target is a program that takes webhooks, and its own stack.
type target struct {
	stack   *stack.Stack
	program *stack.Process
	best    turn
	sent    int
	// before is the processor time used before the turns, and sentBefore what was sent by then.
	before     time.Duration
	sentBefore int
}

// cost is the processor time that the program itself needed for one webhook; PostgreSQL's is not in it.
func (t *target) cost() time.Duration {
	return (t.program.CPU() - t.before) / time.Duration(t.sent-t.sentBefore)
}

func newTarget(b *testing.B, floor bool) *target {
	b.Helper()
	s := stack.New(b)
	var p *stack.Process
	if floor {
		p = stack.Launch(b, stack.Program(b, "floor"), "floor", []string{"LISTEN_ADDR=" + s.Gateway, "DATABASE_URL=" + s.DB.URL("makola_webhook"), "PAYSTACK_SECRET_KEYS=" + string(stack.PaystackKey)})
		p.Addr, p.Admin = s.Gateway, s.Gateway
	} else {
		p = s.Start("api-gateway")
	}
	stack.Ready(b, p)
	return &target{stack: s, program: p}
}

// storm runs one turn.
func (t *target) storm(b *testing.B, conns, n int) {
	b.Helper()
	requests := webhooks(t.stack.Gateway, t.sent, t.sent+n)
	t.sent += n
	took, each := flood(b, t.stack.Gateway, conns, requests)
	if rate := perSecond(n, took); rate > t.best.rate {
		t.best = turn{rate: rate, p50: each.at(500), p99: each.at(990)}
	}
}

// check fails the test unless every webhook was stored.
func (t *target) check(b *testing.B) {
	b.Helper()
	var stored int
	if err := t.stack.DB.Admin().QueryRow(b.Context(), "select count(*) from billing.webhook_event").Scan(&stored); err != nil || stored != t.sent {
		b.Fatalf("%d events are stored, want %d: %v", stored, t.sent, err)
	}
}
