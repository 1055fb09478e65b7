package tasks_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/payments"
	"makola/pkg/postgres/postgrestest"
	"makola/proto/contract"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

func renewSweep(t *testing.T) func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
	t.Helper()
	return func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
		return tasks.ProcessAutoRenewals(t.Context(), tx, &subscriptionspb.ProcessAutoRenewalsArgs{})
	}
}

func invoiceSweep(t *testing.T) func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
	t.Helper()
	return func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
		return tasks.GenerateMonthlyInvoices(t.Context(), tx, &subscriptionspb.GenerateMonthlyInvoicesArgs{})
	}
}

func dunSweep(t *testing.T) func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
	t.Helper()
	return func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
		return tasks.SendPaymentReminders(t.Context(), tx, &subscriptionspb.SendPaymentRemindersArgs{})
	}
}

func usageSweep(t *testing.T) func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
	t.Helper()
	return func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
		return tasks.CheckUsageLimits(t.Context(), tx, &subscriptionspb.CheckUsageLimitsArgs{})
	}
}

// invoiceMails lists the mails about invoices, as number and reminder.
func (s *shop) invoiceMails(t *testing.T) []string {
	t.Helper()
	rows, err := s.admin.Query(t.Context(), `select concat_ws(' ', data ->> 'number', coalesce(data ->> 'reminder', '0'), data ->> 'total_minor') from notifications.email where template = 'invoice' order by id`)
	require.NoError(t, err)
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return list
}

func TestARenewalIsInvoicedTheDayBeforeAndExtendsNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.paid(t)
	s.exec(t, `update billing.subscription set auto_renew = true`)
	end := s.subscription(t).PeriodEnd
	s.clock = end.AddDate(0, 0, -2)
	require.Equal(t, `{"issued":0,"status":"done"}`, s.sweep(t, renewSweep(t)))
	s.clock = end.AddDate(0, 0, -1)
	require.Equal(t, `{"issued":1,"status":"done"}`, s.sweep(t, renewSweep(t)))
	require.Equal(t, end, s.subscription(t).PeriodEnd)
	number := fmt.Sprintf("INV-%s-", s.clock.UTC().Format("200601"))
	require.Len(t, s.invoiceMails(t), 1)
	require.True(t, strings.HasPrefix(s.invoiceMails(t)[0], number), s.invoiceMails(t)[0])
	require.Contains(t, s.notices(t), "PAYMENT_DUE HIGH can_manage_payments The next month is to be paid by "+end.UTC().Format("2 January 2006"))
	s.clock = end.Add(time.Hour)
	require.Contains(t, s.sweep(t, invoiceSweep(t)), `"issued":0`, "it has its invoice")
}

func TestAMonthWhoseRenewalWasMissedIsInvoicedAllTheSame(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.paid(t)
	s.exec(t, `update billing.subscription set auto_renew = true`)
	s.clock = s.subscription(t).PeriodEnd.AddDate(0, 0, 3)
	require.Equal(t, `{"paid":0,"issued":1,"status":"continued"}`, s.sweep(t, invoiceSweep(t)))
	require.Len(t, s.invoiceMails(t), 1)
	require.Contains(t, s.sweep(t, dunSweep(t)), `"reminded":0`, "it is due on the day of its issue, not before")
	s.clock = s.clock.AddDate(0, 0, 3)
	require.Contains(t, s.sweep(t, dunSweep(t)), `"reminded":1`, "three days late is one reminder, not two")
	require.Len(t, s.invoiceMails(t), 2)
	require.Contains(t, s.invoiceMails(t)[1], " 2 12000")
	require.Contains(t, s.notices(t), "PAYMENT_OVERDUE CRITICAL can_manage_payments An invoice is overdue")
}

func TestOneBusinessWithoutPriceKeepsNoOtherFromBeingInvoiced(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	openShop(t, s.pg)
	s.exec(t, `update billing.subscription set status = 'ACTIVE', is_trial = false, auto_renew = true, period_end = $1`, s.clock.Add(time.Hour))
	s.exec(t, `update billing.pricing_tier set max_storefronts = 800 where max_storefronts is null`)
	s.exec(t, `update billing.subscription set next_storefronts = 900 where tenant_id = $1`, s.tenant)
	require.Contains(t, s.sweep(t, renewSweep(t)), `"issued":1`)
}

func TestWhoHasMoreThanIsCoveredIsToldOnceAMonth(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.clock = time.Date(s.clock.Year()+1, 3, 10, 12, 0, 0, 0, time.UTC)
	s.exec(t, `update billing.subscription set period_end = $1`, s.clock.AddDate(1, 0, 0))
	shopfronts := func(names string) {
		s.exec(t, `insert into inventory.location (id, tenant_id, kind, name, code) select gen_random_uuid(), $1, 'STOREFRONT', n, n from unnest($2::text[]) n`, s.tenant, names)
	}
	shopfronts("{AA,BB,CC,DD,EE}")
	s.exec(t, `insert into inventory.product (id, tenant_id, name, sku) select gen_random_uuid(), $1, 'P' || i, 'P' || i from generate_series(1, 8) i`, s.tenant)
	require.Contains(t, s.sweep(t, usageSweep(t)), `"alerts":0`, "a trial covers five storefronts, and nothing limits products")
	s.exec(t, `update billing.subscription set status = 'ACTIVE', is_trial = false, storefronts = 5`)
	require.Contains(t, s.sweep(t, usageSweep(t)), `"alerts":0`, "who has what is paid for is told nothing")
	s.exec(t, `update billing.pricing_tier set max_products = 10 where min_storefronts = 5`)
	require.Contains(t, s.sweep(t, usageSweep(t)), `"alerts":1`)
	shopfronts("{FF}")
	require.Contains(t, s.sweep(t, usageSweep(t)), `"alerts":1`)
	require.Equal(t, []string{"USAGE_LIMIT_WARNING MEDIUM can_manage_payments 8 of 10 products", "USAGE_LIMIT_REACHED CRITICAL can_manage_payments 6 storefronts, and 5 are covered"}, s.notices(t))
	s.clock = s.clock.AddDate(0, 1, 0)
	require.Contains(t, s.sweep(t, usageSweep(t)), `"alerts":2`, "next month again")
	s.exec(t, `update accounts.business set is_active = false`)
	s.clock = s.clock.AddDate(0, 1, 0)
	require.Contains(t, s.sweep(t, usageSweep(t)), `"alerts":0`)
}

// oldEvents stores events of several ages and states, by their keys.
func oldEvents(t *testing.T, pg *postgrestest.Database) {
	t.Helper()
	admin := pg.Admin()
	for key, age := range map[string]int{"fresh": 10, "old": 91, "old-ignored": 120, "old-received": 200, "old-waiting": 200, "ancient": 400} {
		at := time.Now().AddDate(0, 0, -age)
		state := "processed"
		if _, after, found := strings.Cut(key, "-"); found && after != "waiting" {
			state = after
		}
		_, err := admin.Exec(t.Context(), `insert into billing.webhook_event (id, provider, dedupe_key, event_type, body, headers, received_at, state, finished_at)
			values ($1, 'paystack', $2, 'charge.success', $2::text::bytea, '{"a": "b"}', $3, $4, case when $4 <> 'received' then $3::timestamptz end)`, idOf(at), key, at, state)
		require.NoError(t, err)
	}
	_, err := admin.Exec(t.Context(), `insert into billing.payment_review (id, tenant_id, event_id, provider, reference, reason) select gen_random_uuid(), gen_random_uuid(), id, 'paystack', 'AI-1', 'amount' from billing.webhook_event where dedupe_key = 'old-waiting'`)
	require.NoError(t, err)
}

// idOf is a version 7 UUID of an instant.
func idOf(at time.Time) uuid.UUID {
	id := uuid.Must(uuid.NewV7())
	ms := uint64(at.UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id
}

func TestOldEventsAreForgottenAndTheirKeysKept(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	oldEvents(t, s.pg)
	clean := func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
		return tasks.CleanupOldWebhookEvents(t.Context(), tx, &subscriptionspb.CleanupOldWebhookEventsArgs{})
	}
	require.Equal(t, `{"status":"done","deleted":1,"emptied":3}`, s.sweep(t, clean))
	rows, err := s.admin.Query(t.Context(), `select dedupe_key || ' ' || length(body) || ' ' || coalesce(encode(body_sha256, 'hex'), '-') from billing.webhook_event order by dedupe_key`)
	require.NoError(t, err)
	left, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	hash := func(body string) string {
		sum := sha256.Sum256([]byte(body))
		return hex.EncodeToString(sum[:])
	}
	require.Equal(t, []string{"fresh 5 -", "old 0 " + hash("old"), "old-ignored 0 " + hash("old-ignored"), "old-received 12 -", "old-waiting 11 -"}, left)
	// What comes again after its body was forgotten is a duplicate still.
	again := billing.Event{ID: uuid.Must(uuid.NewV7()), Provider: "paystack", DedupeKey: "old", Type: billing.TypeVerify, Body: []byte("{}"), Status: payments.StatusSucceeded}
	require.NoError(t, s.worker.InSystem(t.Context(), func(tx *gorm.DB) error {
		fresh, err := billing.RecordEvents(tx, []billing.Event{again})
		require.Empty(t, fresh)
		return err
	}))
	require.ErrorContains(t, s.worker.InSystem(t.Context(), func(tx *gorm.DB) error {
		return tx.Exec(`delete from billing.webhook_event where dedupe_key = 'old'`).Error
	}), "is kept")
}
