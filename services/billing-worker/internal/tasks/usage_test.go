package tasks_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// lots puts one lot of each number of credits into the shop's account, with the entries that belong to it.
func (s *shop) lots(t *testing.T, admin *pgx.Conn, credits ...money.Credits) {
	t.Helper()
	for _, c := range credits {
		_, err := admin.Exec(t.Context(), `
			with t as (insert into billing.ledger_transfer (id, tenant_id, kind, idempotency_key) values (gen_random_uuid(), $1, 'trial', gen_random_uuid()::text) returning id),
			     l as (insert into billing.credit_lot (id, tenant_id, source, granted, remaining, expires_at) values (gen_random_uuid(), $1, 'TRIAL', $2, $2, now() + interval '180 days') returning id),
			     a as (update billing.ledger_account set balance = balance + case when tenant_id = $1 then $2 else -$2 end
			            where tenant_id = $1 and kind = 'credits' or kind = 'credits_issued' returning id, tenant_id)
			insert into billing.ledger_entry (transfer_id, line, tenant_id, account_id, lot_id, unit, amount)
			select t.id, 1, $1, a.id, l.id, 'CRD', $2 from t, l, a where a.tenant_id = $1
			union all select t.id, 2, $1, a.id, null, 'CRD', -$2 from t, a where a.tenant_id is null`, s.tenant, int64(c))
		require.NoError(t, err)
	}
}

// use reserves and captures one call of the feature, as the gateway does.
func (s *shop) use(t *testing.T, feature string) (h *billing.Hold) {
	t.Helper()
	require.NoError(t, s.gateway.InTenant(tenant.With(t.Context(), s.tenant), func(tx *gorm.DB) (err error) {
		if h, err = billing.Reserve(tx, s.owner, feature, time.Now()); err != nil {
			return err
		}
		h, _, err = billing.Capture(tx, h.ID, feature, nil, billing.Usage{})
		return err
	}))
	return h
}

func raise(t *testing.T, worker *postgres.DB) (alerts []billing.RaisedAlert) {
	t.Helper()
	require.NoError(t, worker.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		alerts, err = billing.RaiseAlerts(tx, nil)
		return err
	}))
	return alerts
}

func (s *shop) recordUsage(t *testing.T, of, hold uuid.UUID) (id contract.ID) {
	t.Helper()
	require.NoError(t, s.worker.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		id, err = aifeatures.NewTasks(s.h.Queue).RecordUsage(t.Context(), tx, &aifeatures.RecordUsageArgs{HoldId: hold.String()}, task.ForTenant(of))
		return err
	}))
	return id
}

func TestUsesAreRecordedTogetherAndTheOwnerIsToldOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.lots(t, s.admin, 15_00)
	var ids []contract.ID
	var holds []uuid.UUID
	for range 4 { // 12.00
		h := s.use(t, "credit_assessment")
		holds = append(holds, h.ID)
		ids = append(ids, s.recordUsage(t, s.tenant, h.ID))
	}
	strangers := s.recordUsage(t, uuid.New(), holds[0])
	s.h.Drain(t.Context())
	for _, id := range ids {
		require.JSONEq(t, `{"status":"recorded","credits_used":"3.00"}`, s.result(t, id))
	}
	require.Equal(t, "failed", s.h.View(t.Context(), strangers).Status())
	again := s.recordUsage(t, s.tenant, holds[0])
	s.h.Drain(t.Context())
	require.Contains(t, s.result(t, again), "already_recorded")
	require.Equal(t, money.Credits(3_00), s.balance(t))
	alerts := s.h.Tasks(t.Context(), "ai_features.send_low_credit_alert")
	require.Len(t, alerts, 1, "low, told once")
	require.Contains(t, string(alerts[0].Result), `"queued"`)
	require.Len(t, s.h.Tasks(t.Context(), "notifications.send_email"), 1)

	s.recordUsage(t, s.tenant, s.use(t, "credit_assessment").ID)
	s.h.Drain(t.Context())
	require.Len(t, s.h.Tasks(t.Context(), "ai_features.send_low_credit_alert"), 2, "depleted is another alert")
	require.Empty(t, raise(t, s.worker))
	s.exec(t, "update billing.usage_alert set created_at = now() - interval '3 days'")
	require.Empty(t, raise(t, s.worker), "and nobody is told every day")
	s.lots(t, s.admin, 5_00)
	raised := raise(t, s.worker)
	require.Len(t, raised, 1, "credits that were added make the alert possible again")
	require.Equal(t, billing.AlertLow, raised[0].Kind)
}

func TestAnAlertThatHasRecoveredIsNotMailed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.lots(t, s.admin, 50)
	alerts := raise(t, s.worker)
	require.Len(t, alerts, 1)
	require.Equal(t, billing.AlertDepleted, alerts[0].Kind)
	s.lots(t, s.admin, 100_00)
	send := func(args *aifeatures.SendLowCreditAlertArgs, of uuid.UUID) (id contract.ID) {
		require.NoError(t, s.worker.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
			id, err = aifeatures.NewTasks(s.h.Queue).SendLowCreditAlert(t.Context(), tx, args, task.ForTenant(of))
			return err
		}))
		s.h.Drain(t.Context())
		return id
	}
	args := &aifeatures.SendLowCreditAlertArgs{BusinessId: s.tenant.String(), AlertId: alerts[0].ID.String()}
	require.Contains(t, s.result(t, send(args, uuid.Nil)), `"recovered"`, "an old publisher's task names the business in its arguments alone")
	require.Equal(t, "failed", s.h.View(t.Context(), send(args, uuid.New())).Status())
	require.Equal(t, "failed", s.h.View(t.Context(), send(&aifeatures.SendLowCreditAlertArgs{BusinessId: s.tenant.String(), AlertId: uuid.NewString()}, s.tenant)).Status())
	require.Empty(t, s.h.Tasks(t.Context(), "notifications.send_email"))
	require.Empty(t, s.notices(t))

	s.exec(t, "update billing.credit_lot set expires_at = now() + interval '6 days' where granted = 10000")
	alerts = raise(t, s.worker)
	require.Len(t, alerts, 1)
	require.Equal(t, billing.AlertExpiring, alerts[0].Kind)
	require.Contains(t, s.result(t, send(&aifeatures.SendLowCreditAlertArgs{BusinessId: s.tenant.String(), AlertId: alerts[0].ID.String()}, s.tenant)), `"queued"`)
	require.Equal(t, []string{"CREDITS_EXPIRING MEDIUM can_view_financial_data 100.00 AI credits are about to expire"}, s.notices(t))
	require.Contains(t, s.result(t, send(&aifeatures.SendLowCreditAlertArgs{BusinessId: s.tenant.String(), AlertId: alerts[0].ID.String()}, s.tenant)), `"already_queued"`)
	require.Len(t, s.notices(t), 1, "one alert is one notice")
	s.exec(t, "update billing.usage_alert set created_at = now() - interval '3 days'")
	require.Empty(t, raise(t, s.worker), "a lot is warned of once")
	s.exec(t, "update accounts.business set is_active = false")
	s.exec(t, "delete from billing.usage_alert")
	require.Empty(t, raise(t, s.worker), "a business that is not active is left alone")
}

func TestEndedCreditsArePostedInBatchesAndAlertedAbout(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.lots(t, s.admin, 20_00, 10_00)
	s.exec(t, "update billing.credit_lot set expires_at = now() - interval '1 hour' where granted = 2000")
	require.NoError(t, s.worker.InSystem(t.Context(), func(tx *gorm.DB) error {
		_, err := aifeatures.NewTasks(s.h.Queue).ExpireCredits(t.Context(), tx, &aifeatures.ExpireCreditsArgs{})
		return err
	}))
	s.h.Drain(t.Context())
	require.JSONEq(t, `{"status":"done","lots":1,"credits":"20.00"}`, string(s.h.Tasks(t.Context(), "ai_features.expire_credits")[0].Result))
	require.Equal(t, money.Credits(10_00), s.balance(t))
	require.NoError(t, s.worker.InSystem(t.Context(), func(tx *gorm.DB) error {
		_, err := aifeatures.NewTasks(s.h.Queue).CheckLowAiCredits(t.Context(), tx, &aifeatures.CheckLowAiCreditsArgs{})
		return err
	}))
	s.h.Drain(t.Context())
	require.JSONEq(t, `{"status":"done","alerts":1}`, string(s.h.Tasks(t.Context(), "ai_features.check_low_ai_credits")[0].Result))
}

func TestTheNightlyCheckTellsOfDrift(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.lots(t, s.admin, 20_00)
	check := func() string {
		require.NoError(t, s.worker.InSystem(t.Context(), func(tx *gorm.DB) error {
			_, err := aifeatures.NewTasks(s.h.Queue).VerifyLedger(t.Context(), tx, &aifeatures.VerifyLedgerArgs{})
			return err
		}))
		s.h.Drain(t.Context())
		all := s.h.Tasks(t.Context(), "ai_features.verify_ledger")
		return string(all[len(all)-1].Result)
	}
	require.Contains(t, check(), `"ok"`)
	s.exec(t, "update billing.credit_lot set remaining = remaining - 1")
	require.Contains(t, check(), `"drift"`)
	var faults int
	var details string
	require.NoError(t, s.admin.QueryRow(t.Context(), "select faults, details::text from billing.ledger_check").Scan(&faults, &details))
	require.Equal(t, 2, faults, "the lot and its business")
	require.Contains(t, details, fmt.Sprintf("%q", "a lot's remainder is the sum of its entries"))
}
