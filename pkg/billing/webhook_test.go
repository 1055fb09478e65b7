package billing_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
)

func event(key string) billing.Event {
	return billing.Event{
		ID: uuid.Must(uuid.NewV7()), Provider: "paystack", DedupeKey: key, Type: "charge.success", Reference: "AI-" + key, Body: []byte(`{"a":1}`),
		Headers: map[string]string{"user-agent": "x"}, Trusted: true, Status: payments.StatusSucceeded, Amount: money.FromMinor(9600, money.GHS),
		TransactionID: "t" + key, PaidAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}

func TestAnEventIsStoredOnce(t *testing.T) {
	t.Parallel()
	pg := postgrestest.New(t)
	webhook, worker := pg.Open("makola_webhook"), pg.Open("makola_billing")
	a, b, twin := event("a"), event("b"), event("a")
	hint := billing.Event{ID: uuid.Must(uuid.NewV7()), Provider: "paystack", DedupeKey: "c", Type: "transfer.success", Body: []byte("{}"), Ignored: true}
	record := func(events ...billing.Event) (stored map[uuid.UUID]bool) {
		require.NoError(t, webhook.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
			stored, err = billing.RecordEvents(tx, events)
			return err
		}))
		return stored
	}
	require.Equal(t, map[uuid.UUID]bool{a.ID: true, b.ID: true, hint.ID: true}, record(b, a, twin, hint))
	require.Empty(t, record(event("a"), event("b")))
	require.Empty(t, record())
	require.NoError(t, worker.InSystem(t.Context(), func(tx *gorm.DB) error {
		found, err := billing.Events(tx, []uuid.UUID{a.ID, hint.ID, uuid.New()})
		require.NoError(t, err)
		require.Len(t, found, 2)
		require.True(t, found[a.ID].Trusted)
		require.Equal(t, billing.Evidence{Event: a.ID, Provider: "paystack", Reference: "AI-a", Kind: payments.KindCharge, Status: payments.StatusSucceeded,
			Amount: a.Amount, TransactionID: "ta", PaidAt: a.PaidAt}, withUTC(found[a.ID].Evidence))
		require.False(t, found[hint.ID].Trusted)
		require.Zero(t, found[hint.ID].Amount)
		return nil
	}))
}

func withUTC(e billing.Evidence) billing.Evidence { e.PaidAt = e.PaidAt.UTC(); return e }

func TestTheSameEventsManyTimesAtOnceAreStoredOnce(t *testing.T) {
	t.Parallel()
	webhook := postgrestest.New(t).Open("makola_webhook")
	stored := make([]int, 50)
	g, ctx := errgroup.WithContext(t.Context())
	for i := range stored {
		g.Go(func() error {
			events := []billing.Event{event("a"), event("b")}
			if i%2 == 1 {
				events[0], events[1] = events[1], events[0]
			}
			return webhook.InSystem(ctx, func(tx *gorm.DB) error {
				ids, err := billing.RecordEvents(tx, events)
				stored[i] = len(ids)
				return err
			})
		})
	}
	require.NoError(t, g.Wait())
	sum := 0
	for _, n := range stored {
		sum += n
	}
	require.Equal(t, 2, sum)
}

func TestARedeliveryIsNotedAndAnotherFactUnderTheSameKeyIsStored(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	first, again, other, dearer := event("a"), event("a"), event("a"), event("a")
	other.Reference = "AI-b"
	dearer.Amount.Minor++
	require.NoError(t, h.billing.InSystem(t.Context(), func(tx *gorm.DB) error {
		stored, err := billing.RecordEvents(tx, []billing.Event{first, again, other, dearer})
		require.Equal(t, map[uuid.UUID]bool{first.ID: true, other.ID: true, dearer.ID: true}, stored)
		return err
	}))
	require.Equal(t, 3, h.count(t, "select count(*) from billing.webhook_event"))
	require.Equal(t, 1, h.count(t, "select count(*) from billing.webhook_duplicate d join billing.webhook_event e using (provider, dedupe_key) where e.id = $1", first.ID))
}

func TestTextThatPostgreSQLCannotHoldIsMended(t *testing.T) {
	t.Parallel()
	webhook := postgrestest.New(t).Open("makola_webhook")
	e := event("nul\x00byte\xff")
	require.NoError(t, webhook.InSystem(t.Context(), func(tx *gorm.DB) error {
		ids, err := billing.RecordEvents(tx, []billing.Event{e})
		require.Len(t, ids, 1)
		return err
	}))
}

func TestUnmatchedEvidenceIsFiledForAPerson(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	e := event("lost")
	require.NoError(t, h.billing.InSystem(t.Context(), func(tx *gorm.DB) error {
		if _, err := billing.RecordEvents(tx, []billing.Event{e}); err != nil {
			return err
		}
		found, err := billing.Events(tx, []uuid.UUID{e.ID})
		if err != nil {
			return err
		}
		return billing.Unmatched(tx, []billing.Evidence{found[e.ID].Evidence})
	}))
	require.Equal(t, 1, h.count(t, "select count(*) from billing.webhook_event where state = 'unmatched'"))
	require.Equal(t, 1, h.count(t, "select count(*) from billing.payment_review where reason = 'unknown_reference' and tenant_id is null and received_minor = 9600"))
}

//nolint:tparallel // the cases share one database and follow each other
func TestRolesCannotDoWhatIsNotTheirs(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := openTenant(t, h.gateway, 50_00)
	p := buy(t, h.gateway, id, "starter")
	pg := map[string]*postgres.DB{"gateway": h.gateway, "billing": h.billing, "operator": h.operator}
	for _, tc := range []struct{ role, what, sql string }{
		{"billing", "change an entry", "update billing.ledger_entry set amount = 1"},
		{"billing", "delete an entry", "delete from billing.ledger_entry"},
		{"billing", "change a transfer", "update billing.ledger_transfer set reference = 'x'"},
		{"billing", "delete a transfer", "delete from billing.ledger_transfer"},
		{"billing", "change a purchase's price", "update billing.credit_purchase set amount_expected = 1"},
		{"billing", "give a purchase away", "update billing.credit_purchase set tenant_id = gen_random_uuid()"},
		{"billing", "insert a purchase", "insert into billing.credit_purchase select * from billing.credit_purchase"},
		{"billing", "delete a purchase", "delete from billing.credit_purchase"},
		{"billing", "forge an event's body", "update billing.webhook_event set body = ''"},
		{"billing", "make a hint trusted", "update billing.webhook_event set trusted = true"},
		{"billing", "enlarge a lot's grant", "update billing.credit_lot set granted = granted + 1"},
		{"billing", "delete a review", "delete from billing.payment_review"},
		{"billing", "change what a review is about", "update billing.payment_review set received_minor = 1"},
		{"billing", "change when a tax began", "update billing.tax_rate set effective_from = now()"},
		{"gateway", "complete a purchase", "update billing.credit_purchase set status = 'completed'"},
		{"gateway", "change an entry", "update billing.ledger_entry set amount = 1"},
		{"gateway", "let an account go negative", "update billing.ledger_account set allow_negative = true"},
		{"gateway", "read events", "select from billing.webhook_event"},
		{"gateway", "insert an event", "insert into billing.webhook_event (id, provider, dedupe_key, event_type, body) values (gen_random_uuid(), 'p', 'k', 't', '')"},
		{"operator", "change a balance", "update billing.ledger_account set balance = 0"},
		{"operator", "resolve a review past the ledger", "update billing.payment_review set resolved_at = now()"},
		{"operator", "complete a purchase", "update billing.credit_purchase set status = 'completed'"},
	} {
		t.Run(tc.role+" may not "+tc.what, func(t *testing.T) {
			err := pg[tc.role].InSystem(t.Context(), func(tx *gorm.DB) error { return tx.Exec(tc.sql).Error })
			require.ErrorContains(t, err, "permission denied")
		})
	}
	t.Run("billing sees purchases of all, and changes only those of bound tenants", func(t *testing.T) {
		require.NoError(t, h.billing.InSystem(t.Context(), func(tx *gorm.DB) error {
			found, err := billing.PurchaseByReference(tx, p.Reference)
			require.NoError(t, err)
			require.Equal(t, id, found.Tenant)
			res := tx.Exec("update billing.credit_purchase set status = 'completed' where id = ?", p.ID)
			require.NoError(t, res.Error)
			require.Zero(t, res.RowsAffected)
			return nil
		}))
	})
}

//nolint:tparallel // the cases share one database and follow each other
func TestTheWebhookRoleCanOnlyInsert(t *testing.T) {
	t.Parallel()
	webhook := postgrestest.New(t).Open("makola_webhook")
	for _, sql := range []string{
		"select body from billing.webhook_event", "update billing.webhook_event set state = 'processed'", "delete from billing.webhook_event",
		"select from billing.credit_purchase", "select from billing.ledger_entry", "select from billing.ledger_account", "select from billing.payment_review",
		"select from task.task", "update task.task set state = 'succeeded'", "select from accounts.user", "select from notifications.email",
	} {
		t.Run(sql, func(t *testing.T) {
			err := webhook.InSystem(t.Context(), func(tx *gorm.DB) error { return tx.Exec(sql).Error })
			require.ErrorContains(t, err, "permission denied")
		})
	}
}

//nolint:tparallel // the cases share one database and follow each other
func TestTheLedgerRefusesWhatDoesNotBalance(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := openTenant(t, h.gateway, 0)
	other := openTenant(t, h.gateway, 10_00)
	var mine, foreign, foreignLot string
	require.NoError(t, h.admin.QueryRow(t.Context(), "select id::text from billing.ledger_account where tenant_id = $1", id).Scan(&mine))
	require.NoError(t, h.admin.QueryRow(t.Context(), "select id::text from billing.ledger_account where tenant_id = $1", other).Scan(&foreign))
	require.NoError(t, h.admin.QueryRow(t.Context(), "select id::text from billing.credit_lot where tenant_id = $1", other).Scan(&foreignLot))
	const issued = "00000000-0000-7000-8000-000000000001"
	entries := func(account, lot, unit string, amount, against int) string {
		return "with t as (insert into billing.ledger_transfer (id, tenant_id, kind, idempotency_key) values ('01900000-0000-7000-8000-000000000001', '" + id.String() + "', 'usage', 'k')) " +
			"insert into billing.ledger_entry (transfer_id, line, tenant_id, account_id, lot_id, unit, amount) select '01900000-0000-7000-8000-000000000001', n, '" + id.String() +
			"', a::uuid, l::uuid, u, m from (values (1, '" + account + "', " + lot + ", '" + unit + "', " + strconv.Itoa(amount) + "), (2, '" + issued + "', null, 'CRD', " + strconv.Itoa(against) + ")) as v (n, a, l, u, m)"
	}
	for _, tc := range []struct{ name, sql, constraint string }{
		{"entries that do not sum to zero", entries(mine, "null", "CRD", 5, -4), "ledger_transfer_balance"},
		{"another business's account", entries(foreign, "null", "CRD", 5, -5), "ledger_entry_account_fkey"},
		{"another business's lot", entries(mine, "'"+foreignLot+"'", "CRD", 5, -5), "ledger_entry_lot_fkey"},
		{"a transfer without entries", "insert into billing.ledger_transfer (id, tenant_id, kind, idempotency_key) values (gen_random_uuid(), '" + id.String() + "', 'usage', 'k')", "ledger_transfer_balance"},
		{"entries without a transfer", "insert into billing.ledger_entry (transfer_id, line, tenant_id, account_id, unit, amount) select '01900000-0000-7000-8000-000000000009', n, '" + id.String() +
			"', '" + issued + "', 'CRD', m from (values (1, 5), (2, -5)) v (n, m)", "ledger_entry_transfer_fkey"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := h.admin.Exec(t.Context(), tc.sql) // row security is out of the way: the ledger itself must refuse
			require.Equal(t, tc.constraint, postgres.Constraint(err), "%v", err)
		})
	}
	_, err := h.admin.Exec(t.Context(), entries(mine, "null", "CRD", 5, -5))
	require.NoError(t, err)
}
