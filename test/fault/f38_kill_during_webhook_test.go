package fault

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/outbound"
	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/pkg/webhooks"
	webhookspb "makola/proto/makola/webhooks/v1"
)

// TestF38 kills notifier between a webhook's request and the commit that would write it down, and its successor between that commit and the ack. The endpoint sees each event once or
// twice, under one webhook-id with one body and a good signature; the log shows each delivered once, by one attempt.
func TestF38KillDuringWebhook(t *testing.T) {
	t.Parallel()
	const key = "fault-only-webhooks-fault-only-webhooks"
	w := newWorld(t)
	var mu sync.Mutex
	var verifier *standardwebhooks.Webhook
	seen, bodies, forged := map[string]int{}, map[string]string{}, 0
	receiver := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		id := r.Header.Get("webhook-id")
		if before, again := bodies[id]; verifier.Verify(body, r.Header) != nil || again && before != string(body) {
			forged++
		}
		seen[id]++
		bodies[id] = string(body)
	}))
	t.Cleanup(receiver.Close)

	shop, owner := uuid.New(), uuid.New()
	w.exec(`insert into accounts.user (id, email, name, password_hash) values ($1, 'ama@example.com', 'Ama', '!')`, owner)
	w.exec(`insert into accounts.business (id, owner_id, name, email) values ($1, $2, 'Ama''s Provisions', 'shop@example.com')`, shop, owner)
	gateway, err := postgres.Open(t.Context(), postgres.Config{URL: w.url("makola_gateway"), MaxConns: 2})
	require.NoError(t, err)
	t.Cleanup(func() { _ = gateway.Close() })
	keys, err := webhooks.ParseKeys(key)
	require.NoError(t, err)
	const events = 5
	ctx := tenant.With(t.Context(), shop)
	require.NoError(t, gateway.InTenant(ctx, func(tx *gorm.DB) error {
		url := receiver.URL
		endpoints := &webhooks.Endpoints{Keys: keys, Outbound: outbound.Config{AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, AllowPlainHTTP: true}}
		_, secret, err := endpoints.Create(tx, audit.Entry{User: owner, Actor: "ama@example.com"}, webhooks.Wish{URL: &url, Kinds: &[]webhooks.Kind{webhooks.KindReportReady}})
		if err != nil {
			return err
		}
		mu.Lock()
		verifier, err = standardwebhooks.NewWebhook(secret)
		mu.Unlock()
		if err != nil {
			return err
		}
		var list []webhooks.Event
		for range events {
			list = append(list, webhooks.Event{Tenant: shop, At: time.Now(), Data: webhooks.ReportReady{ReportID: uuid.New()}})
		}
		return webhooks.Emit(ctx, tx, webhookspb.NewTasks(task.NewQueue(gateway, nil, task.QueueConfig{})), list)
	}))

	v := w.service("notifier", "services/notifier", []string{
		"DATABASE_URL=" + w.url("makola_notifier"), "SMTP_URL=smtp://127.0.0.1:1", "MAIL_FROM=Makola <no-reply@makola.example>", "WEBHOOK_SECRET_KEYS=" + key,
		"OUTBOUND_ALLOW_NETWORKS=127.0.0.0/8", "OUTBOUND_ALLOW_PLAIN_HTTP=true",
	}, "long.before_commit:1", "long.after_commit:1")
	w.await("both are killed", func() bool { return v.deaths() >= 2 })
	w.await("every event is delivered", func() bool {
		return w.count(`select count(*) from webhooks.delivery where state = 'DELIVERED' and attempts = 1 and jsonb_array_length(log) = 1`) == events
	})
	w.await("every task has ended", func() bool { return w.count(`select count(*) from task.task where state = 'succeeded'`) == events })
	mu.Lock()
	defer mu.Unlock()
	require.Zero(t, forged)
	require.Len(t, seen, events)
	twice := 0
	for id, n := range seen {
		require.LessOrEqual(t, n, 2, id)
		if n == 2 {
			twice++
		}
	}
	require.Positive(t, twice, "the one whose attempt was lost was sent again")
	require.Equal(t, events, w.count(`select count(*) from webhooks.delivery`))
}
