package load

import (
	"fmt"
	"testing"
	"time"

	"makola/test/stack"
)

// BenchmarkWebhook compares the gateway's webhook with the floor, at 1, 16 and 64 connections. No worker runs, so the tasks that the gateway enqueues stay queued.
// Floor and gateway take turns, in both orders, each with a database of its own, so that neither profits from the other's warm-up; of each the better turn counts.
func BenchmarkWebhook(b *testing.B) {
	for _, load := range []struct{ conns, requests int }{{1, 3_000}, {16, 20_000}, {64, 20_000}} {
		b.Run(fmt.Sprintf("%d_connections", load.conns), func(b *testing.B) {
			var floor, gateway turn
			for i := range 4 {
				if i == 0 || i == 3 {
					floor = floor.better(storm(b, "floor", load.conns, load.requests))
				} else {
					gateway = gateway.better(storm(b, "api-gateway", load.conns, load.requests))
				}
			}
			b.ReportMetric(float64(gateway.rate), "requests/s")
			b.ReportMetric(float64(floor.rate), "floor/s")
			b.ReportMetric(float64(gateway.rate)/float64(floor.rate), "of-floor")
			what := fmt.Sprintf("webhook, %d connections", load.conns)
			note(what+": gateway", "%d/s; p50 %s, p99 %s; %s of the floor", gateway.rate, ms(gateway.p50), ms(gateway.p99), share(gateway.rate, floor.rate))
			note(what+": floor", "%d/s; p50 %s, p99 %s", floor.rate, ms(floor.p50), ms(floor.p99))
		})
	}
}

// turn is what one run came to.
type turn struct {
	rate     int
	p50, p99 time.Duration
}

func (t turn) better(other turn) turn {
	if other.rate > t.rate {
		return other
	}
	return t
}

// storm runs one turn against a program that was started for it.
func storm(b *testing.B, program string, conns, n int) turn {
	b.Helper()
	s := stack.New(b)
	var p *stack.Process
	if program == "floor" {
		p = stack.Launch(b, stack.Program(b, "floor"), "floor", []string{"LISTEN_ADDR=" + s.Gateway, "DATABASE_URL=" + s.DB.URL("makola_webhook"), "PAYSTACK_SECRET_KEYS=" + string(stack.PaystackKey)})
		p.Addr, p.Admin = s.Gateway, s.Gateway
	} else {
		p = s.Start(program)
	}
	stack.Ready(b, p)
	requests := webhooks(s.Gateway, 0, n+500)
	flood(b, s.Gateway, conns, requests[n:]) // warms connections, statements and caches
	took, each := flood(b, s.Gateway, conns, requests[:n])
	var stored int
	if err := s.DB.Admin().QueryRow(b.Context(), "select count(*) from billing.webhook_event").Scan(&stored); err != nil || stored != len(requests) {
		b.Fatalf("%d events are stored, want %d: %v", stored, len(requests), err)
	}
	p.Kill()
	return turn{rate: perSecond(n, took), p50: each.at(500), p99: each.at(990)}
}
