package tasks_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/tenant"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// listen gives the shop an endpoint that is told of the kinds.
func (s *shop) listen(t *testing.T, kinds ...string) {
	t.Helper()
	_, err := s.admin.Exec(t.Context(), `insert into webhooks.endpoint (tenant_id, id, url, kinds, secret, created_by) values ($1, gen_random_uuid(), 'https://hooks.example.com/', $2, '', $3)`, s.tenant, kinds, s.owner)
	require.NoError(t, err)
}

// told are the data of the shop's events of that kind, the first one first. Each has one delivery and one task.
func (s *shop) told(t *testing.T, kind string) (list []map[string]any) {
	t.Helper()
	rows, err := s.admin.Query(t.Context(), `select v.body from webhooks.event v join webhooks.delivery d on d.tenant_id = v.tenant_id and d.event_id = v.id
		join task.task t on t.tenant_id = d.tenant_id and t.args ->> 'delivery_id' = d.id::text where v.tenant_id = $1 and v.kind = $2 order by v.id`, s.tenant, kind)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var raw []byte
		require.NoError(t, rows.Scan(&raw))
		var body struct {
			Data map[string]any `json:"data"`
		}
		require.NoError(t, json.Unmarshal(raw, &body))
		list = append(list, body.Data)
	}
	require.NoError(t, rows.Err())
	return list
}

func TestBoughtCreditsAreToldOnceWhereSomebodyListens(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	silent := s.buy(t)
	s.event(t, success(silent))
	s.h.Drain(t.Context())
	require.Empty(t, s.told(t, "credits.purchased"), "nobody listens")
	s.listen(t, "credits.purchased")
	first, second := s.buy(t), s.buy(t)
	for range 2 { // each comes twice
		e := success(first)
		e.DedupeKey += uuid.NewString()
		s.event(t, e)
		e = success(second)
		e.DedupeKey += uuid.NewString()
		s.event(t, e)
	}
	wrong := success(s.buy(t))
	wrong.Amount.Minor--
	s.event(t, wrong)
	s.h.Drain(t.Context())
	var references []any
	for _, data := range s.told(t, "credits.purchased") {
		require.Equal(t, "100.00", data["credits"])
		references = append(references, data["reference"])
	}
	require.ElementsMatch(t, []any{first.Reference, second.Reference}, references)
}

func TestEveryChangeOfASubscriptionIsTold(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.listen(t, "subscription.changed")
	s.event(t, successOfMonth(s.order(t)))
	s.h.Drain(t.Context())
	told := s.told(t, "subscription.changed")
	require.Len(t, told, 1)
	require.Equal(t, "ACTIVE", told[0]["status"])
	end, err := time.Parse(time.RFC3339, told[0]["period_end"].(string))
	require.NoError(t, err)
	require.True(t, end.Equal(s.subscription(t).PeriodEnd))

	for range 2 {
		s.enqueue(t, func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
			return tasks.SuspendSubscription(tenant.With(t.Context(), s.tenant), tx, &subscriptionspb.SuspendSubscriptionArgs{BusinessId: s.tenant.String(), Actor: "esi", Reason: "fraud"})
		})
		s.h.Drain(t.Context())
	}
	s.enqueue(t, func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
		return tasks.ActivateSubscription(t.Context(), tx, &subscriptionspb.ActivateSubscriptionArgs{BusinessId: s.tenant.String(), Actor: "esi", Reason: "cleared"})
	})
	s.h.Drain(t.Context())
	_, err = s.admin.Exec(t.Context(), `update billing.subscription set period_start = now() - interval '40 days', period_end = now() - interval '20 days' where tenant_id = $1`, s.tenant)
	require.NoError(t, err)
	for range 2 {
		s.enqueue(t, func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
			return tasks.CleanupExpiredSubscriptions(t.Context(), tx, &subscriptionspb.CleanupExpiredSubscriptionsArgs{})
		})
		s.h.Drain(t.Context())
	}
	odd := successOfMonth(s.order(t)) // of the wrong amount: a person approves it
	odd.Amount.Minor++
	s.event(t, odd)
	s.h.Drain(t.Context())
	var review string
	require.NoError(t, s.admin.QueryRow(t.Context(), `select id::text from billing.payment_review`).Scan(&review))
	require.NoError(t, s.worker.InSystem(t.Context(), func(tx *gorm.DB) error {
		_, err := aifeatures.NewTasks(s.h.Queue).ResolveReview(t.Context(), tx, &aifeatures.ResolveReviewArgs{ReviewId: review, Decision: "approve", Actor: "esi", Reason: "one pesewa", BusinessId: s.tenant.String()})
		return err
	}))
	s.h.Drain(t.Context())
	var states []any
	for _, data := range s.told(t, "subscription.changed") {
		states = append(states, data["status"])
	}
	require.Equal(t, []any{"ACTIVE", "SUSPENDED", "ACTIVE", "EXPIRED", "ACTIVE"}, states)
}
