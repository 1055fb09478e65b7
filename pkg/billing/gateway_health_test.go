package billing_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/payments"
	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/tenant"
)

// gateways is two processes that watch the same providers.
type gateways struct {
	admin          *pgx.Conn
	db             *postgres.DB
	gateway, other *billing.GatewayHealth
}

func watch(t *testing.T) *gateways {
	t.Helper()
	pg := postgrestest.New(t)
	g := &gateways{admin: pg.Admin(), db: pg.Open("makola_gateway")}
	g.gateway, g.other = &billing.GatewayHealth{DB: g.db}, &billing.GatewayHealth{DB: pg.Open("makola_billing")}
	return g
}

func failed() payments.Call {
	return payments.Call{Provider: "paystack", Err: errors.New("HTTP 502")}
}

func answered() payments.Call { return payments.Call{Provider: "paystack"} }

func (g *gateways) row(t *testing.T) (state string, failures int) {
	t.Helper()
	require.NoError(t, g.admin.QueryRow(t.Context(), "select state, consecutive_failures from billing.gateway_health where provider = 'paystack'").Scan(&state, &failures))
	return state, failures
}

// admit asks as the gateway does, in a transaction of a business.
func (g *gateways) admit(t *testing.T, provider string) error {
	t.Helper()
	return g.db.InTenant(tenant.With(t.Context(), uuid.New()), func(tx *gorm.DB) error { return billing.AdmitCheckout(tx, provider) })
}

// later lets time pass for the row.
func (g *gateways) later(t *testing.T, d time.Duration) {
	t.Helper()
	_, err := g.admin.Exec(t.Context(), "update billing.gateway_health set opened_at = opened_at - $1::interval, probed_at = probed_at - $1::interval", d)
	require.NoError(t, err)
}

func refusedFor(t *testing.T, err error) time.Duration {
	t.Helper()
	down, ok := errors.AsType[*billing.GatewayDownError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "paystack", down.Provider)
	return down.RetryAfter
}

func TestFailuresOfAllProcessesTogetherOpenTheBreakerForEverybody(t *testing.T) {
	t.Parallel()
	g := watch(t)
	require.NoError(t, g.admit(t, "paystack"), "nothing is known yet")
	for i, h := range []*billing.GatewayHealth{g.gateway, g.other, g.gateway, g.other} {
		h.Observe(t.Context(), failed())
		state, failures := g.row(t)
		require.Equal(t, "CLOSED", state)
		require.Equal(t, i+1, failures)
		require.NoError(t, g.admit(t, "paystack"))
	}
	g.other.Observe(t.Context(), failed())
	state, _ := g.row(t)
	require.Equal(t, "OPEN", state)
	wait := refusedFor(t, g.admit(t, "paystack"))
	require.Greater(t, wait, 290*time.Second)
	require.LessOrEqual(t, wait, billing.ProbeAfter)
	require.NoError(t, g.admit(t, "stripe"), "each provider has a row of its own")
	var message string
	require.NoError(t, g.admin.QueryRow(t.Context(), "select last_error from billing.gateway_health").Scan(&message))
	require.Equal(t, "HTTP 502", message)
}

func TestASuccessInBetweenStartsTheCountAnew(t *testing.T) {
	t.Parallel()
	g := watch(t)
	for range 4 {
		g.gateway.Observe(t.Context(), failed())
	}
	g.other.Observe(t.Context(), answered())
	g.gateway.Observe(t.Context(), failed())
	state, failures := g.row(t)
	require.Equal(t, "CLOSED", state)
	require.Equal(t, 1, failures)
}

func TestAfterItsTimeOneCheckoutProbesAndDecides(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		found  payments.Call
		state  string
		admits bool
	}{
		{"a success closes the breaker", answered(), "CLOSED", true},
		{"a failure keeps it open for the whole time again", failed(), "OPEN", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			g := watch(t)
			for range billing.OpenAfter {
				g.gateway.Observe(t.Context(), failed())
			}
			var opened, after time.Time
			g.later(t, 299*time.Second)
			require.Equal(t, time.Second, refusedFor(t, g.admit(t, "paystack")).Round(time.Second))
			g.later(t, 2*time.Second)
			require.NoError(t, g.admin.QueryRow(t.Context(), "select opened_at from billing.gateway_health").Scan(&opened))

			var mu sync.Mutex
			admitted := 0
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					if g.admit(t, "paystack") == nil {
						mu.Lock()
						admitted++
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			require.Equal(t, 1, admitted, "one looks, the others wait for what it finds")
			state, _ := g.row(t)
			require.Equal(t, "HALF_OPEN", state)
			require.LessOrEqual(t, refusedFor(t, g.admit(t, "paystack")), 10*time.Second)

			g.other.Observe(t.Context(), tc.found)
			state, _ = g.row(t)
			require.Equal(t, tc.state, state)
			if tc.admits {
				require.NoError(t, g.admit(t, "paystack"))
				return
			}
			require.Greater(t, refusedFor(t, g.admit(t, "paystack")), 290*time.Second)
			require.NoError(t, g.admin.QueryRow(t.Context(), "select opened_at from billing.gateway_health").Scan(&after))
			require.Equal(t, opened, after, "it has been down all the time")
		})
	}
}

func TestAProbeThatNeverTellsIsFollowedByAnother(t *testing.T) {
	t.Parallel()
	g := watch(t)
	for range billing.OpenAfter {
		g.gateway.Observe(t.Context(), failed())
	}
	for range 2 {
		g.later(t, billing.ProbeAfter)
		require.NoError(t, g.admit(t, "paystack"))
		refusedFor(t, g.admit(t, "paystack"))
	}
}

func TestSuccessAfterSuccessIsNotWrittenEachTime(t *testing.T) {
	t.Parallel()
	g := watch(t)
	written := func() (at time.Time) {
		require.NoError(t, g.admin.QueryRow(t.Context(), "select updated_at from billing.gateway_health").Scan(&at))
		return at
	}
	g.gateway.Observe(t.Context(), answered())
	first := written()
	for range 100 {
		g.gateway.Observe(t.Context(), answered())
	}
	require.Equal(t, first, written())
	g.gateway.Observe(t.Context(), failed())
	g.gateway.Observe(t.Context(), answered())
	require.NotEqual(t, first, written(), "what changes is written at once")
	state, failures := g.row(t)
	require.Equal(t, "CLOSED", state)
	require.Zero(t, failures)
}

func TestHealthThatCannotBeWrittenDisturbsNobody(t *testing.T) {
	t.Parallel()
	g := watch(t)
	_, err := g.admin.Exec(t.Context(), "alter table billing.gateway_health rename to gone")
	require.NoError(t, err)
	g.gateway.Observe(t.Context(), answered()) // logs, and returns
	_, err = g.admin.Exec(t.Context(), "alter table billing.gone rename to gateway_health")
	require.NoError(t, err)
	g.gateway.Observe(t.Context(), answered())
	state, _ := g.row(t)
	require.Equal(t, "CLOSED", state, "and the next call is written, though a success came before")
}

func TestForeignErrorTextIsBounded(t *testing.T) {
	t.Parallel()
	g := watch(t)
	g.gateway.Observe(t.Context(), payments.Call{Provider: "paystack", Err: errors.New("\x00\xff" + strings.Repeat("ü", 500))})
	_, failures := g.row(t)
	require.Equal(t, 1, failures)
}
