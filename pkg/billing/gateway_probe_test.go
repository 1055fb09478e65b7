package billing_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/payments"
)

// begin asks as billing-worker does.
func (g *gateways) begin(t *testing.T) (ask bool) {
	t.Helper()
	return g.beginAs(t, uuid.New())
}

func (g *gateways) beginAs(t *testing.T, task uuid.UUID) (ask bool) {
	t.Helper()
	require.NoError(t, g.other.DB.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		ask, err = billing.BeginProbe(tx, "paystack", task)
		return err
	}))
	return ask
}

func (g *gateways) record(t *testing.T, probes ...billing.Probe) (standings []billing.Standing) {
	t.Helper()
	require.NoError(t, g.other.DB.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		standings, err = billing.RecordProbes(tx, probes)
		return err
	}))
	return standings
}

func (g *gateways) news(t *testing.T) (news []billing.Outage) {
	t.Helper()
	require.NoError(t, g.other.DB.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		news, err = billing.TakeOutages(tx)
		return err
	}))
	return news
}

func (g *gateways) count(t *testing.T, sql string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, g.admin.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

// fail opens the breaker.
func (g *gateways) fail(t *testing.T) {
	t.Helper()
	for range billing.OpenAfter {
		g.gateway.Observe(t.Context(), failed())
	}
}

func TestAProviderThatIsDownIsAskedAfterItsTimeByOne(t *testing.T) {
	t.Parallel()
	g := watch(t)
	require.True(t, g.begin(t), "nothing is known yet")
	g.gateway.Observe(t.Context(), answered())
	require.True(t, g.begin(t))
	g.fail(t)
	require.False(t, g.begin(t), "it is left alone")
	g.later(t, billing.ProbeAfter-time.Second)
	require.False(t, g.begin(t))
	state, _ := g.row(t)
	require.Equal(t, "OPEN", state)
	g.later(t, 2*time.Second)

	var mu sync.Mutex
	asked := 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_ = g.other.DB.InSystem(t.Context(), func(tx *gorm.DB) error {
				ask, err := billing.BeginProbe(tx, "paystack", uuid.New())
				mu.Lock()
				defer mu.Unlock()
				if ask && err == nil {
					asked++
				}
				return err
			})
		})
	}
	wg.Wait()
	require.Equal(t, 1, asked)
	state, _ = g.row(t)
	require.Equal(t, "HALF_OPEN", state)
	refusedFor(t, g.admit(t, "paystack"))
	g.later(t, 3*time.Minute)
	require.False(t, g.begin(t), "the one who asks may still be told")
	g.later(t, 2*time.Minute-time.Second)
	killed := uuid.New()
	require.True(t, g.beginAs(t, killed), "a run of the schedule that comes a second early is not in vain")
	require.False(t, g.begin(t))
	require.True(t, g.beginAs(t, killed), "whoever was killed while asking goes on")
	g.other.Observe(t.Context(), failed())
	require.False(t, g.beginAs(t, killed), "unless the answer is known")
}

func TestNobodyIsAskedTwiceWithinMinutes(t *testing.T) {
	t.Parallel()
	g := watch(t)
	require.True(t, g.begin(t))
	g.record(t, billing.Probe{Provider: "paystack", Result: billing.ProbeOK})
	require.False(t, g.begin(t))
	_, err := g.admin.Exec(t.Context(), `update billing.gateway_probe set at = at - interval '299 seconds'`)
	require.NoError(t, err)
	require.True(t, g.begin(t))
}

func TestAProbeDecidesAboutTheBreakerAlsoWhenNobodyObservedIt(t *testing.T) {
	t.Parallel()
	for result, want := range map[billing.ProbeResult]string{billing.ProbeOK: "CLOSED", billing.ProbeRefused: "CLOSED", billing.ProbeUnavailable: "OPEN", billing.ProbeLeftAlone: "HALF_OPEN"} {
		t.Run(string(result), func(t *testing.T) {
			t.Parallel()
			g := watch(t)
			g.fail(t)
			g.later(t, billing.ProbeAfter)
			require.True(t, g.begin(t))
			standings := g.record(t, billing.Probe{Provider: "stripe", Result: billing.ProbeOK, Latency: 80 * time.Millisecond},
				billing.Probe{Provider: "paystack", Result: result, Latency: 1500 * time.Microsecond, Error: "\x00" + strings.Repeat("ü", 300)})
			require.Len(t, standings, 2)
			require.Equal(t, billing.Standing{Provider: "stripe", State: "CLOSED"}, standings[0])
			require.Equal(t, want, standings[1].State)
			state, failures := g.row(t)
			require.Equal(t, want, state)
			require.Equal(t, want == "CLOSED", failures == 0)
			kept := 1
			if result == billing.ProbeLeftAlone {
				kept = 0
			}
			require.Equal(t, kept, g.count(t, `select count(*) from billing.gateway_probe where provider = 'paystack' and result = $1 and state = $2 and latency_ms = 1 and length(error) between 90 and 200`, string(result), want))
			require.Equal(t, 1, g.count(t, `select count(*) from billing.gateway_probe where provider = 'stripe' and latency_ms = 80 and error = ''`))
		})
	}
}

func TestHistoryIsKeptForAMonth(t *testing.T) {
	t.Parallel()
	g := watch(t)
	_, err := g.admin.Exec(t.Context(), `insert into billing.gateway_probe (id, provider, at, result, state) select gen_random_uuid(), 'paystack', now() - i * interval '1 day', 'ok', 'CLOSED' from generate_series(1, 60) i`)
	require.NoError(t, err)
	_, err = g.admin.Exec(t.Context(), `insert into billing.gateway_outage (provider, opened_at, closed_at) values ('paystack', now() - interval '500 days', now() - interval '499 days'), ('stripe', now() - interval '500 days', null)`)
	require.NoError(t, err)
	g.record(t, billing.Probe{Provider: "paystack", Result: billing.ProbeOK})
	require.Equal(t, 30, g.count(t, `select count(*) from billing.gateway_probe`), "29 days of it and the new one")
	require.Equal(t, 1, g.count(t, `select count(*) from billing.gateway_outage where closed_at is null`), "an outage that is not over is not old")
}

func TestAnOutageIsToldOnceWhenItBeginsAndOnceWhenItIsOver(t *testing.T) {
	t.Parallel()
	g := watch(t)
	for range billing.OpenAfter - 1 {
		g.gateway.Observe(t.Context(), failed())
	}
	require.Empty(t, g.news(t))
	g.other.Observe(t.Context(), failed())
	var mu sync.Mutex
	var begun []billing.Outage
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			_ = g.other.DB.InSystem(t.Context(), func(tx *gorm.DB) error {
				news, err := billing.TakeOutages(tx)
				mu.Lock()
				defer mu.Unlock()
				begun = append(begun, news...)
				return err
			})
		})
	}
	wg.Wait()
	require.Len(t, begun, 1, "of many at once one is told")
	require.Equal(t, "paystack", begun[0].Provider)
	require.Equal(t, "HTTP 502", begun[0].Error)
	require.Nil(t, begun[0].ClosedAt)
	for range 3 {
		g.gateway.Observe(t.Context(), failed())
	}
	g.later(t, billing.ProbeAfter)
	require.True(t, g.begin(t))
	g.other.Observe(t.Context(), failed())
	require.Empty(t, g.news(t), "it has been down all the time")

	g.gateway.Observe(t.Context(), answered())
	over := g.news(t)
	require.Len(t, over, 1)
	require.Equal(t, begun[0].OpenedAt, over[0].OpenedAt)
	require.NotNil(t, over[0].ClosedAt)
	require.Empty(t, g.news(t))

	g.fail(t)
	g.gateway.Observe(t.Context(), answered())
	blip := g.news(t)
	require.Len(t, blip, 1, "what is over before anybody was told is told once")
	require.NotNil(t, blip[0].ClosedAt)
	require.Empty(t, g.news(t))
	require.Equal(t, 2, g.count(t, `select count(*) from billing.gateway_outage where told_down_at is not null and told_up_at is not null`))
}

func TestWhatABinaryOfYesterdaySeesIsNotedAsWell(t *testing.T) {
	t.Parallel()
	g := watch(t)
	for _, sql := range []string{
		`insert into billing.gateway_health (provider, state, consecutive_failures, opened_at, last_error) values ('stripe', 'OPEN', 5, now(), 'HTTP 500')`,
		`update billing.gateway_health set state = 'HALF_OPEN', probed_at = now()`,
		`update billing.gateway_health set state = 'CLOSED', opened_at = null, probed_at = null, consecutive_failures = 0`,
		`update billing.gateway_health set last_success_at = now()`,
	} {
		_, err := g.admin.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	require.Equal(t, 1, g.count(t, `select count(*) from billing.gateway_outage where provider = 'stripe' and error = 'HTTP 500' and closed_at is not null`))
}

func TestTheStateOfEveryProviderIsShownWithItsHistory(t *testing.T) {
	t.Parallel()
	g := watch(t)
	list := func(names ...string) (all []billing.Gateway) {
		require.NoError(t, g.db.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
			all, err = billing.Gateways(tx, names)
			return err
		}))
		return all
	}
	require.Empty(t, list())
	require.Equal(t, []billing.Gateway{{Provider: "flutterwave", State: "CLOSED"}}, list("flutterwave"), "nobody has called it")
	g.record(t, billing.Probe{Provider: "paystack", Result: billing.ProbeOK, Latency: 100 * time.Millisecond})
	g.record(t, billing.Probe{Provider: "paystack", Result: billing.ProbeRefused, Latency: 200 * time.Millisecond, Error: "key"})
	g.fail(t)
	g.record(t, billing.Probe{Provider: "paystack", Result: billing.ProbeUnavailable, Error: "HTTP 502"})
	g.record(t, billing.Probe{Provider: "paystack", Result: billing.ProbeLeftAlone})
	all := list("flutterwave", "paystack")
	require.Len(t, all, 2)
	p := all[1]
	require.Equal(t, []any{"paystack", "OPEN", billing.OpenAfter, "HTTP 502"}, []any{p.Provider, p.State, p.Failures, p.LastError})
	require.NotNil(t, p.OpenedAt)
	require.Equal(t, billing.ProbeUnavailable, p.Last.Result, "being left alone is no probe")
	require.Equal(t, []any{3, 1, 150 * time.Millisecond}, []any{p.Probes, p.Unanswered, p.MeanLatency}, "no answer has no latency")
	require.Len(t, p.Outages, 1)
	g.gateway.Observe(t.Context(), payments.Call{Provider: "retired"})
	require.Len(t, list("paystack"), 2, "what is not configured any more is shown while it is known")
}
