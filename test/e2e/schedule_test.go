package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"makola/test/stack"
)

// platformEmail is where those who run this Makola are told of what concerns all shops.
const platformEmail = "platform@makola.example"

// TestCronLooksAfterPeopleAndProviders lets cron run the jobs that look after accounts and payment providers, and looks at what became of each: rows, the API, mails.
func TestCronLooksAfterPeopleAndProviders(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.exec(monday)
	all := []*stack.Process{h.Start("api-gateway"), h.Start("billing-worker", "PLATFORM_EMAIL="+platformEmail)}
	for _, name := range []string{"paystack-simulator", "mail-viewer", "notifier"} {
		all = append(all, h.Start(name))
	}
	stack.Ready(t, all...)
	ama := h.register()
	ama.must(http.StatusOK, http.MethodPatch, "settings", map[string]any{"notifications": map[string]any{"activityReports": true}})
	// The same was done in each of the last weeks, whichever of them is the last that is over.
	for range 2 {
		h.exec(`insert into audit.entry (id, tenant_id, at, user_id, actor, action, entity) select gen_random_uuid(), b.id, date_trunc('week', now()) - w * interval '1 week' + interval '3 days', b.owner_id, 'ama', a, 'thing'
			from accounts.business b, generate_series(1, 3) w, unnest(array['LOGIN', 'SALE', 'SALE']) a where b.id = $1`, ama.ID)
	}
	h.exec(`update audit.entry set id = ('ffffffff-0000-7000-8000-' || right(id::text, 12))::uuid where actor = 'ama'`)
	idle, waiting := uuid.New(), uuid.New()
	h.exec(`insert into accounts.user (id, email, name, password_hash, is_active, created_at, updated_at) values ($1, 'gone@example.com', 'Kofi Gone', 'x', false, now() - interval '1 year', now() - interval '91 days')`, idle)
	h.exec(`insert into accounts.invitation (id, tenant_id, email, role, invited_by, expires_at) select $1, id, 'late@example.com', 'STAFF', owner_id, now() - interval '1 minute' from accounts.business where id = $2`, waiting, ama.ID)
	// Another job calls the provider as well; its answer would close the breaker.
	h.exec(`insert into cron.run (job, slot, skipped) values ('compare-payments', now() + interval '10 years', 'not in this test')`)
	faults := "http://" + h.Simulator + "/_simulator/faults"
	require.Equal(t, http.StatusCreated, call(t, http.MethodPost, faults, []byte(`{"operation": "probe", "kind": "500"}`)).Status)
	h.exec(`insert into billing.gateway_health (provider, consecutive_failures, last_error) values ('paystack', 4, 'HTTP 502')`) // one more is an outage

	const mine = `queue in ('accounts', 'subscriptions', 'notifications')`
	h.sweepOf(mine, "cleanup-inactive-users", "generate-user-activity-report", "check-payment-gateway-health", "expire-invitations")

	require.Equal(t, 1, h.count(`select count(*) from accounts.user where id = $1 and name = 'Deleted user' and password_hash = '' and anonymized_at is not null`, idle), "cleanup-inactive-users")
	require.Equal(t, 1, h.count(`select count(*) from audit.entry where action = 'user.anonymized' and entity_id = $1`, idle.String()))
	require.Equal(t, 1, h.count(`select count(*) from accounts.user where anonymized_at is null`), "ama is still there")
	require.Equal(t, 1, h.count(`select count(*) from accounts.invitation where id = $1 and status = 'EXPIRED'`, waiting), "expire-invitations")

	weeks := ama.list("activity-reports")
	require.Len(t, weeks, 1, "generate-user-activity-report")
	require.Equal(t, []any{2.0, 1.0, 6.0}, []any{weeks[0]["logins"], weeks[0]["people"], weeks[0]["actions"]})
	require.Equal(t, 1, h.count(`select count(*) from accounts.platform_activity where businesses = 1 and logins = 2 and actions = 6`))
	week := h.letter(ama.Email, "Who did what at Ama's Provisions")
	require.Contains(t, week.Text, "Sold something")
	require.Contains(t, week.Text, "/unsubscribe/")

	down := h.letter(platformEmail, "Paystack is down")
	require.Contains(t, down.Text, "HTTP 500")
	require.Equal(t, 1, h.count(`select count(*) from billing.gateway_health where provider = 'paystack' and state = 'OPEN'`), "check-payment-gateway-health")
	refused := ama.do(http.MethodPost, "/api/v1/ai/credits/purchases", map[string]any{"package": "starter"}, "Idempotency-Key", uuid.NewString())
	require.Equal(t, http.StatusServiceUnavailable, refused.Status, refused.Text)

	// Five minutes later it answers again.
	require.Equal(t, http.StatusOK, call(t, http.MethodDelete, faults, nil).Status)
	h.exec(`update billing.gateway_probe set at = at - interval '5 minutes'`)
	h.exec(`update billing.gateway_health set opened_at = opened_at - interval '5 minutes'`)
	h.later(5 * time.Minute)
	h.sweepOf(mine, "check-payment-gateway-health")
	h.letter(platformEmail, "Paystack has recovered")
	require.Len(t, h.letters(platformEmail, "Paystack"), 2, "each is told once")
	_, page := ama.buy("starter")
	require.NotEmpty(t, page)
	require.Equal(t, 2, h.count(`select count(*) from billing.gateway_probe`))
}
