package webhook_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"makola/pkg/money"
	"makola/pkg/payments/fake"
	"makola/pkg/task"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// One address serves both products; which task an event gets follows from our own reference.
func TestTheReferenceSaysWhichTaskAnEventGets(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reference string
		knows     bool
		task      string
	}{
		"credits":                       {"AI-1", true, "ai_features.process_payment_webhook"},
		"a subscription":                {"SUB-1", true, "subscriptions.process_payment"},
		"a subscription, by detour":     {"SUB-1", false, "ai_features.process_webhook_event"},
		"something that nobody knows":   {"ORDER-1", true, "ai_features.process_webhook_event"},
		"a prefix in the wrong letters": {"sub-1", true, "ai_features.process_webhook_event"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t)
			if c.knows {
				g.committer.Subscriptions = subscriptionspb.NewTasks(task.NewQueue(g.db, nil, task.QueueConfig{}))
			}
			body, header := fake.SignedWebhook(key, fake.Charge{TransactionID: 1, Reference: c.reference, Amount: money.FromMinor(12000, money.GHS), PaidAt: time.Now()})
			for range 2 {
				status, _, _, err := g.post(t.Context(), body, header)
				require.NoError(t, err)
				require.Equal(t, http.StatusOK, status)
			}
			var got, queue string
			require.NoError(t, g.admin.QueryRow(t.Context(), "select t.name, t.queue from task.task t join billing.webhook_event e on e.task_id = t.id").Scan(&got, &queue))
			require.Equal(t, c.task, got)
			require.Equal(t, 1, g.count(t, "task.task"), "a redelivery gets none")
		})
	}
}
