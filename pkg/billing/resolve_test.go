package billing_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/postgres"
	"makola/pkg/tenant"
)

// resolve decides about a review as the worker does: for a business, or for the platform when business is uuid.Nil.
func (h *house) resolve(ctx context.Context, business uuid.UUID, d billing.Decision) (r *billing.PaymentReview, fresh bool, err error) {
	d.By = billing.By{Actor: "kofi", Reason: "agreed by telephone"}
	err = h.billing.InSystem(ctx, func(tx *gorm.DB) (err error) {
		if business != uuid.Nil {
			if err := postgres.BindTenants(tx, []uuid.UUID{business}); err != nil {
				return err
			}
			tx = tx.WithContext(tenant.With(ctx, business))
		}
		r, fresh, err = billing.Resolve(tx, d)
		return err
	})
	return r, fresh, err
}

func (h *house) reviewOf(t testing.TB, reason string) (id uuid.UUID) {
	t.Helper()
	require.NoError(t, h.admin.QueryRow(t.Context(), "select id from billing.payment_review where reason = $1 and resolved_at is null order by id desc limit 1", reason).Scan(&id))
	return id
}

//nolint:tparallel // the cases share one database and follow each other
func TestAnApprovedReviewCreditsWhatWasAgreedAndClearsTheSuspense(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	good := func(p *billing.Purchase) billing.Evidence { return paid(p, "t-"+p.Reference) }
	short := func(p *billing.Purchase) billing.Evidence { e := good(p); e.Amount.Minor -= 100; return e }
	for _, tc := range []struct {
		name, reason string
		evidence     func(p *billing.Purchase) []billing.Evidence
		agreed, want money.Credits
		status       billing.Status
		sold         int64 // beyond what the evidence itself sold
	}{
		{"a wrong amount, as promised", billing.ReasonAmount, func(p *billing.Purchase) []billing.Evidence { return []billing.Evidence{short(p)} }, 0, 100_00, billing.Completed, 95_00},
		{"a wrong amount, as agreed", billing.ReasonAmount, func(p *billing.Purchase) []billing.Evidence { return []billing.Evidence{short(p)} }, 99_00, 99_00, billing.Completed, 95_00},
		{"a payment without a transaction", billing.ReasonNoTxn, func(p *billing.Purchase) []billing.Evidence {
			e := good(p)
			e.TransactionID = ""
			return []billing.Evidence{e}
		}, 0, 100_00, billing.Completed, 96_00},
		{"a second payment", billing.ReasonPaidAgain, func(p *billing.Purchase) []billing.Evidence {
			return []billing.Evidence{good(p), paid(p, "again-"+p.Reference)}
		}, 0, 200_00, billing.Completed, 96_00},
		{"a second payment while the first is in review", billing.ReasonWhileReview, func(p *billing.Purchase) []billing.Evidence {
			return []billing.Evidence{short(p), good2(p)}
		}, 0, 100_00, billing.Review, 96_00},
		{"money that went back beside the payment", billing.ReasonPartial, func(p *billing.Purchase) []billing.Evidence {
			e := refunded(p, "another-"+p.Reference, "r-"+p.Reference)
			e.Amount.Minor = 10_00
			return []billing.Evidence{good(p), e}
		}, 0, 100_00, billing.Completed, -10_00},
		{"a dispute", billing.ReasonDisputed, func(p *billing.Purchase) []billing.Evidence {
			return []billing.Evidence{good(p), disputed(p, "t-"+p.Reference, payments.ReturnPending)}
		}, 0, 100_00, billing.Disputed, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id := openTenant(t, h.gateway, 0)
			p := buy(t, h.gateway, id, billing.PackageValue)
			for _, e := range tc.evidence(p) {
				e.Event = h.store(t, e)
				h.outcome(t, e)
			}
			sold, suspense := h.platform(t, "credit_sales"), h.platform(t, "suspense")
			d := billing.Decision{Review: h.reviewOf(t, tc.reason), Approve: true, Credits: tc.agreed}
			_, _, err := h.resolve(t.Context(), openTenant(t, h.gateway, 0), d)
			require.ErrorIs(t, err, billing.ErrReviewNotFound, "another business's")
			for i := range 2 {
				r, fresh, err := h.resolve(t.Context(), id, d)
				require.NoError(t, err)
				require.Equal(t, i == 0, fresh)
				require.Equal(t, "approved", r.Resolution)
			}
			_, _, err = h.resolve(t.Context(), id, billing.Decision{Review: d.Review})
			require.ErrorIs(t, err, billing.ErrReviewResolved)
			require.Equal(t, tc.want, h.balance(t, id).Total)
			require.Equal(t, tc.status, h.purchase(t, p).Status)
			require.EqualValues(t, tc.sold, sold-h.platform(t, "credit_sales"))
			if tc.reason != billing.ReasonNoTxn && tc.reason != billing.ReasonDisputed {
				require.EqualValues(t, tc.sold, h.platform(t, "suspense")-suspense, "the money waited there")
			}
			require.Equal(t, 1, h.count(t, "select count(*) from audit.entry where action = 'review.approved' and actor = 'operator:kofi' and entity_id = $1 and tenant_id = $2", d.Review.String(), id))
			requireBooksBalance(t, h.operator)
		})
	}
}

// good2 is another payment of p, as asked.
func good2(p *billing.Purchase) billing.Evidence { return paid(p, "second-"+p.Reference) }

// store keeps the evidence as an event, as the gateway does.
func (h *house) store(t testing.TB, e billing.Evidence) uuid.UUID {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	require.NoError(t, h.billing.InSystem(t.Context(), func(tx *gorm.DB) error {
		_, err := billing.RecordEvents(tx, []billing.Event{{ID: id, Provider: e.Provider, DedupeKey: id.String(), Type: "t", Reference: e.Reference, Body: []byte("{}"), Trusted: true,
			Kind: e.Kind, Status: e.Status, Return: e.Return, CaseID: e.CaseID, Amount: e.Amount, TransactionID: e.TransactionID}})
		return err
	}))
	return id
}

func TestARejectedReviewCreditsNothingAndItsMoneyWaitsToGoBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := openTenant(t, h.gateway, 0)
	p := buy(t, h.gateway, id, billing.PackageValue)
	e := paid(p, "t1")
	e.Amount.Minor--
	h.outcome(t, e)
	_, _, err := h.resolve(t.Context(), id, billing.Decision{Review: h.reviewOf(t, billing.ReasonAmount), Credits: 1})
	require.ErrorIs(t, err, billing.ErrReviewCredits)
	_, fresh, err := h.resolve(t.Context(), id, billing.Decision{Review: h.reviewOf(t, billing.ReasonAmount)})
	require.NoError(t, err)
	require.True(t, fresh)
	require.Equal(t, billing.Failed, h.purchase(t, p).Status)
	require.Equal(t, billing.Ignored, h.outcome(t, e).Kind, "the same money does not come up for review again")
	require.Equal(t, -95_99, h.platform(t, "suspense"))
	back := refunded(p, "t1", "r1")
	back.Amount.Minor--
	require.Equal(t, billing.Returned, h.outcome(t, back).Kind)
	require.Zero(t, h.platform(t, "suspense"))
	require.Zero(t, h.balance(t, id).Total)
	requireBooksBalance(t, h.operator)
}

func TestADebtIsWrittenOff(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := openTenant(t, h.gateway, 0)
	p := buy(t, h.gateway, id, billing.PackageStarter)
	h.outcome(t, paid(p, "t1"))
	hold, err := h.reserve(t.Context(), id, dear)
	require.NoError(t, err)
	_, _, err = h.capture(t.Context(), hold, 3_00)
	require.NoError(t, err)
	_, err = h.record(t.Context(), []uuid.UUID{id}, hold.ID)
	require.NoError(t, err)
	h.outcome(t, refunded(p, "t1", "r1"))
	_, _, err = h.resolve(t.Context(), id, billing.Decision{Review: h.reviewOf(t, billing.ReasonSpent), Approve: true})
	require.NoError(t, err)
	require.Zero(t, h.count(t, "select balance from billing.ledger_account where kind = 'credits_debt'"))
	requireBooksBalance(t, h.operator)
}

func TestAPaymentThatNoPurchaseBelongsToIsCreditedWhereAnOperatorSays(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := openTenant(t, h.gateway, 0)
	lost := billing.Evidence{Provider: "paystack", Reference: "AI-LOST", Status: payments.StatusSucceeded, Amount: money.FromMinor(36_00, money.GHS), TransactionID: "t9"}
	file := func() uuid.UUID {
		lost.Event = h.store(t, lost)
		require.NoError(t, h.billing.InSystem(t.Context(), func(tx *gorm.DB) error { return billing.Unmatched(tx, []billing.Evidence{lost}) }))
		return h.reviewOf(t, billing.ReasonUnmatched)
	}
	first := file()
	for _, wrong := range []struct {
		business uuid.UUID
		credits  money.Credits
	}{{uuid.Nil, 30_00}, {id, 0}} {
		_, _, err := h.resolve(t.Context(), wrong.business, billing.Decision{Review: first, Approve: true, Credits: wrong.credits})
		require.ErrorIs(t, err, billing.ErrReviewCredits)
	}
	_, _, err := h.resolve(t.Context(), id, billing.Decision{Review: first, Approve: true, Credits: 30_00})
	require.NoError(t, err)
	require.Equal(t, money.Credits(30_00), h.balance(t, id).Total)
	require.Equal(t, 36_00, h.platform(t, "provider_receivable"))
	_, _, err = h.resolve(t.Context(), uuid.Nil, billing.Decision{Review: file()})
	require.NoError(t, err)
	require.Equal(t, 1, h.count(t, "select count(*) from audit.entry where action = 'review.rejected' and tenant_id is null"))
	require.Equal(t, money.Credits(30_00), h.balance(t, id).Total)
	requireBooksBalance(t, h.operator)
}

func TestAStaleReviewChangesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := openTenant(t, h.gateway, 0)
	p := buy(t, h.gateway, id, billing.PackageStarter)
	e := paid(p, "t1")
	e.TransactionID = ""
	h.outcome(t, e)
	h.exec(t, "update billing.credit_purchase set status = 'refunded'")
	_, _, err := h.resolve(t.Context(), id, billing.Decision{Review: h.reviewOf(t, billing.ReasonNoTxn), Approve: true})
	require.ErrorIs(t, err, billing.ErrReviewStale)
	require.Zero(t, h.balance(t, id).Total)
	require.Equal(t, 1, h.count(t, "select count(*) from billing.payment_review where resolved_at is null"))
	require.Zero(t, h.count(t, "select count(*) from audit.entry"))
}

func TestWhatAnEventShowsIsAboutThePaymentAndNobody(t *testing.T) {
	t.Parallel()
	shown := billing.RedactEvent([]byte(`{"event":"charge.success","data":{"id":123456789012,"reference":"AI-1","amount":9600,"currency":"GHS","customer":{"email":"ama@example.com","phone":"0244123456","id":9},
		"authorization":{"last4":"4081","bin":"408408"},"metadata":{"note":"for Ama"},"log":null,"ip_address":"1.2.3.4","fees":144,"list":[{"amount":1,"who":"Ama"}]}}`))
	require.JSONEq(t, `{"event":"charge.success","data":{"id":123456789012,"reference":"AI-1","amount":9600,"currency":"GHS","customer":{"email":"[removed]","phone":"[removed]","id":9},
		"authorization":{"last4":"[removed]","bin":"[removed]"},"metadata":{"note":"[removed]"},"log":null,"ip_address":"[removed]","fees":144,"list":[{"amount":1,"who":"[removed]"}]}}`, shown)
	for _, body := range []string{"", "not JSON", `{"a":1} {"b":2}`} {
		require.Equal(t, "[removed]", billing.RedactEvent([]byte(body)))
	}
	require.JSONEq(t, `{"reference":"[removed]"}`, billing.RedactEvent([]byte(`{"reference":"ama@example.com"}`)))
}
