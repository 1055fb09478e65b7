package billing_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/tenant"
)

// house is one database with the roles that meet in a purchase.
type house struct {
	gateway, billing, operator *postgres.DB
	admin                      *pgx.Conn // for one goroutine at a time
}

func newHouse(t testing.TB) *house {
	t.Helper()
	pg := postgrestest.New(t)
	return &house{gateway: pg.Open("makola_gateway"), billing: pg.Open("makola_billing"), operator: pg.Open("makola_operator"), admin: pg.Admin()}
}

// credit settles evidence in a transaction of its own.
func (h *house) credit(ctx context.Context, evidence ...billing.Evidence) (out []billing.Outcome, err error) {
	err = h.billing.InSystem(ctx, func(tx *gorm.DB) (err error) {
		out, err = billing.CreditBatch(ctx, tx, evidence)
		return err
	})
	return out, err
}

// purchase reads a purchase as its own business sees it.
func (h *house) purchase(t testing.TB, p *billing.Purchase) (now *billing.Purchase) {
	t.Helper()
	require.NoError(t, h.gateway.InTenant(tenant.With(t.Context(), p.Tenant), func(tx *gorm.DB) (err error) {
		now, err = billing.PurchaseByReference(tx, p.Reference)
		return err
	}))
	return now
}

func (h *house) balance(t testing.TB, id uuid.UUID) (c *billing.Credits) {
	t.Helper()
	require.NoError(t, h.gateway.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) (err error) {
		c, err = billing.Balance(tx)
		return err
	}))
	return c
}

// count runs a count as the superuser.
func (h *house) count(t testing.TB, query string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, h.admin.QueryRow(t.Context(), query, args...).Scan(&n))
	return n
}

// paid is the evidence that p was paid as asked, by the money movement txn.
func paid(p *billing.Purchase, txn string) billing.Evidence {
	return billing.Evidence{Provider: p.Provider, Reference: p.Reference, Status: payments.StatusSucceeded, Amount: p.Total, TransactionID: txn}
}

func TestAMatchingPaymentIsCreditedInFull(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := buy(t, h.gateway, openTenant(t, h.gateway, 0), billing.PackageValue)
	out, err := h.credit(t.Context(), paid(p, "t1"))
	require.NoError(t, err)
	require.Equal(t, []billing.Outcome{{Kind: billing.Credited, Tenant: p.Tenant, Purchase: p.ID, Credits: 100_00}}, out)
	now := h.purchase(t, p)
	require.Equal(t, billing.Completed, now.Status)
	require.Equal(t, "t1", now.ProviderTransactionID)
	require.Equal(t, p.Total, now.Received)
	require.NotNil(t, now.CompletedAt)
	b := h.balance(t, p.Tenant)
	require.Equal(t, money.Credits(100_00), b.Total)
	require.Equal(t, 2, h.count(t, "select count(*) from billing.credit_lot where expires_at = created_at + interval '180 days'"))
	require.NoError(t, h.gateway.InTenant(tenant.With(t.Context(), p.Tenant), func(tx *gorm.DB) error {
		first, next, err := billing.Ledger(tx, billing.LedgerCursor{}, time.Time{}, 1)
		require.NoError(t, err)
		require.NotNil(t, next)
		second, end, err := billing.Ledger(tx, *next, time.Time{}, 1)
		require.NoError(t, err)
		require.Nil(t, end)
		require.Equal(t, []string{"BONUS", "PURCHASE"}, []string{first[0].Source, second[0].Source})
		require.Equal(t, p.Reference, first[0].Reference)
		return nil
	}))
	requireBooksBalance(t, h.operator)
}

//nolint:tparallel // the cases share one database and follow each other
func TestWhatDoesNotMatchGoesToReview(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, tc := range []struct {
		name     string
		change   func(*billing.Evidence)
		reason   string
		suspense bool
	}{
		{"one pesewa too little", func(e *billing.Evidence) { e.Amount.Minor-- }, billing.ReasonAmount, true},
		{"one pesewa too much", func(e *billing.Evidence) { e.Amount.Minor++ }, billing.ReasonAmount, true},
		{"the same number in another currency", func(e *billing.Evidence) { e.Amount.Currency = money.NGN }, billing.ReasonCurrency, true},
		{"an amount in a currency that could not be read", func(e *billing.Evidence) { e.Amount = money.Amount{} }, billing.ReasonCurrency, false},
		{"no transaction id", func(e *billing.Evidence) { e.TransactionID = "" }, billing.ReasonNoTxn, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := buy(t, h.gateway, openTenant(t, h.gateway, 0), billing.PackageStarter)
			e := paid(p, "t-"+p.Reference)
			tc.change(&e)
			for range 2 { // told twice, it is filed once
				out, err := h.credit(t.Context(), e)
				require.NoError(t, err)
				require.Equal(t, billing.InReview, out[0].Kind)
				require.Equal(t, tc.reason, out[0].Reason)
			}
			require.Equal(t, billing.Review, h.purchase(t, p).Status)
			require.Equal(t, tc.reason, h.purchase(t, p).ReviewReason)
			require.Zero(t, h.balance(t, p.Tenant).Total)
			require.Equal(t, 1, h.count(t, "select count(*) from billing.payment_review where purchase_id = $1", p.ID))
			booked := map[bool]int{true: 1}[tc.suspense]
			require.Equal(t, booked, h.count(t, "select count(*) from billing.ledger_transfer where kind = 'suspense' and tenant_id = $1", p.Tenant))
			out, err := h.credit(t.Context(), paid(p, "good-"+p.Reference)) // only a person leads out of review
			require.NoError(t, err)
			require.Equal(t, billing.InReview, out[0].Kind)
			require.Zero(t, h.balance(t, p.Tenant).Total)
		})
	}
	requireBooksBalance(t, h.operator)
}

//nolint:tparallel // the cases share one database and follow each other
func TestEvidenceInAnyOrderCreditsOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	failed := func(p *billing.Purchase) billing.Evidence {
		e := paid(p, "f")
		e.Status = payments.StatusFailed
		return e
	}
	pending := func(p *billing.Purchase) billing.Evidence {
		e := paid(p, "")
		e.Status = payments.StatusPending
		return e
	}
	again := func(p *billing.Purchase) billing.Evidence { return paid(p, "again-"+p.Reference) }
	good := func(p *billing.Purchase) billing.Evidence { return paid(p, "t-"+p.Reference) }
	type step = func(*billing.Purchase) billing.Evidence
	for _, tc := range []struct {
		name  string
		steps []step
		want  []billing.OutcomeKind
	}{
		{"late success after failure credits once", []step{failed, good, good}, []billing.OutcomeKind{billing.MarkedFailed, billing.Credited, billing.AlreadyProcessed}},
		{"failure after success is ignored", []step{good, failed}, []billing.OutcomeKind{billing.Credited, billing.Ignored}},
		{"unfinished payments change nothing", []step{pending, good}, []billing.OutcomeKind{billing.Ignored, billing.Credited}},
		{"paid twice credits once, and the second payment is reviewed", []step{good, again}, []billing.OutcomeKind{billing.Credited, billing.InReview}},
	} {
		for _, together := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, together %v", tc.name, together), func(t *testing.T) {
				p := buy(t, h.gateway, openTenant(t, h.gateway, 0), billing.PackagePremium)
				var batches [][]billing.Evidence
				for _, s := range tc.steps {
					if together && len(batches) == 1 {
						batches[0] = append(batches[0], s(p))
						continue
					}
					batches = append(batches, []billing.Evidence{s(p)})
				}
				var got []billing.OutcomeKind
				for _, b := range batches {
					out, err := h.credit(t.Context(), b...)
					require.NoError(t, err)
					for _, o := range out {
						got = append(got, o.Kind)
					}
				}
				require.Equal(t, tc.want, got)
				require.Equal(t, money.Credits(250_00), h.balance(t, p.Tenant).Total)
				require.Equal(t, billing.Completed, h.purchase(t, p).Status)
			})
		}
	}
	requireBooksBalance(t, h.operator)
}

func TestOneMoneyMovementPaysForOnePurchase(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id, other := openTenant(t, h.gateway, 0), openTenant(t, h.gateway, 0)
	a, b, c := buy(t, h.gateway, id, "starter"), buy(t, h.gateway, id, "starter"), buy(t, h.gateway, other, "starter")
	out, err := h.credit(t.Context(), paid(a, "same"), paid(b, "same"))
	require.NoError(t, err)
	require.Equal(t, billing.Credited, out[0].Kind)
	require.Equal(t, billing.ReasonTxnReused, out[1].Reason)
	out, err = h.credit(t.Context(), paid(c, "same"))
	require.NoError(t, err)
	require.Equal(t, billing.ReasonTxnReused, out[0].Reason)
	require.Zero(t, h.count(t, "select count(*) from billing.ledger_transfer where kind = 'suspense'"), "the money is in the books already")
	requireBooksBalance(t, h.operator)
}

func TestAnotherBusinessesReferenceIsUnknown(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := buy(t, h.gateway, openTenant(t, h.gateway, 0), "starter")
	e := paid(p, "t")
	e.Requester = openTenant(t, h.gateway, 0)
	out, err := h.credit(t.Context(), e, billing.Evidence{Provider: "paystack", Reference: "AI-NONE", Status: payments.StatusSucceeded})
	require.NoError(t, err)
	require.Equal(t, []billing.Outcome{{Kind: billing.UnknownReference}, {Kind: billing.UnknownReference}}, out)
	require.Equal(t, billing.Pending, h.purchase(t, p).Status)
	e.Requester = p.Tenant
	out, err = h.credit(t.Context(), e)
	require.NoError(t, err)
	require.Equal(t, billing.Credited, out[0].Kind)
}

func TestTheSamePaymentManyTimesAtOnceCreditsOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := openTenant(t, h.gateway, 0)
	p, q := buy(t, h.gateway, id, "value"), buy(t, h.gateway, id, "starter")
	results := make([][]billing.Outcome, 100)
	g, ctx := errgroup.WithContext(t.Context())
	for i := range results {
		g.Go(func() (err error) {
			evidence := []billing.Evidence{paid(p, "p"), paid(q, "q")}
			if i%2 == 1 { // the opposite order must not deadlock
				evidence[0], evidence[1] = evidence[1], evidence[0]
			}
			results[i], err = h.credit(ctx, evidence...)
			return err
		})
	}
	require.NoError(t, g.Wait())
	seen := map[billing.OutcomeKind]int{}
	for _, out := range results {
		for _, o := range out {
			seen[o.Kind]++
		}
	}
	require.Equal(t, map[billing.OutcomeKind]int{billing.Credited: 2, billing.AlreadyProcessed: 198}, seen)
	require.Equal(t, money.Credits(130_00), h.balance(t, id).Total)
	requireBooksBalance(t, h.operator)
}
