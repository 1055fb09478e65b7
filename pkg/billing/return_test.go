package billing_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"pgregory.net/rapid"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/postgres"
)

// refunded is the evidence that p's payment txn was given back whole.
func refunded(p *billing.Purchase, txn, caseID string) billing.Evidence {
	return billing.Evidence{Provider: p.Provider, Reference: p.Reference, Kind: payments.KindRefund, Return: payments.ReturnDone, Amount: p.Total, TransactionID: txn, CaseID: caseID}
}

func disputed(p *billing.Purchase, txn string, state payments.ReturnState) billing.Evidence {
	return billing.Evidence{Provider: p.Provider, Reference: p.Reference, Kind: payments.KindDispute, Return: state, Amount: p.Total, TransactionID: txn, CaseID: "d-" + txn}
}

// money sums the platform's accounts of a kind in GHS.
func (h *house) platform(t testing.TB, kind string) int {
	t.Helper()
	return h.count(t, "select coalesce(sum(balance), 0) from billing.ledger_account where kind = $1 and unit = 'GHS'", kind)
}

func (h *house) outcome(t testing.TB, e billing.Evidence) billing.Outcome {
	t.Helper()
	out, err := h.credit(t.Context(), e)
	require.NoError(t, err)
	return out[0]
}

func TestARefundTakesBackWhatIsUnspentAndRemembersTheRest(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := openTenant(t, h.gateway, 0)
	p := buy(t, h.gateway, id, billing.PackageStarter)
	require.Equal(t, billing.Credited, h.outcome(t, paid(p, "t1")).Kind)
	used, err := h.reserve(t.Context(), id, dear)
	require.NoError(t, err)
	_, _, err = h.capture(t.Context(), used, 3_00)
	require.NoError(t, err)
	_, err = h.record(t.Context(), []uuid.UUID{id}, used.ID)
	require.NoError(t, err)
	captured, err := h.reserve(t.Context(), id, dear)
	require.NoError(t, err)
	_, _, err = h.capture(t.Context(), captured, 2_00) // not in the ledger yet
	require.NoError(t, err)
	running, err := h.reserve(t.Context(), id, dear)
	require.NoError(t, err)

	require.Equal(t, billing.Returned, h.outcome(t, refunded(p, "t1", "r1")).Kind)
	require.Equal(t, billing.AlreadyProcessed, h.outcome(t, refunded(p, "t1", "r1")).Kind)
	require.Equal(t, billing.Refunded, h.purchase(t, p).Status)
	require.Zero(t, h.balance(t, id).Total)
	_, _, err = h.capture(t.Context(), running, 3_00)
	require.ErrorIs(t, err, billing.ErrHoldEnded, "the call that ran on these credits is cancelled")
	_, err = h.record(t.Context(), []uuid.UUID{id}, captured.ID)
	require.NoError(t, err, "the call that was captured is still recorded")
	require.Equal(t, -5_00, h.count(t, "select balance from billing.ledger_account where kind = 'credits_debt'"))
	require.Equal(t, 5_00, h.count(t, "select credits from billing.payment_review where reason = $1", billing.ReasonSpent))
	require.Zero(t, h.platform(t, "provider_receivable"))
	require.Zero(t, h.platform(t, "credit_sales"))
	requireBooksBalance(t, h.operator)

	again := buy(t, h.gateway, id, billing.PackageStarter)
	require.Equal(t, money.Credits(30_00), h.outcome(t, paid(again, "t2")).Credits, "a debt takes nothing of the next purchase")
	require.Equal(t, money.Credits(30_00), h.balance(t, id).Total)
	requireBooksBalance(t, h.operator)
}

//nolint:tparallel // the cases share one database and follow each other
func TestReturnsInAnyOrder(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	good := func(p *billing.Purchase) billing.Evidence { return paid(p, "t-"+p.Reference) }
	back := func(p *billing.Purchase) billing.Evidence { return refunded(p, "t-"+p.Reference, "r-"+p.Reference) }
	part := func(p *billing.Purchase) billing.Evidence { e := back(p); e.Amount.Minor--; return e }
	reversed := func(p *billing.Purchase) billing.Evidence { e := good(p); e.Status = payments.StatusReversed; return e }
	failed := func(p *billing.Purchase) billing.Evidence { e := good(p); e.Status = payments.StatusFailed; return e }
	state := func(s payments.ReturnState) func(p *billing.Purchase) billing.Evidence {
		return func(p *billing.Purchase) billing.Evidence { e := back(p); e.Return = s; return e }
	}
	dispute := func(s payments.ReturnState) func(p *billing.Purchase) billing.Evidence {
		return func(p *billing.Purchase) billing.Evidence { return disputed(p, "t-"+p.Reference, s) }
	}
	wrong := func(p *billing.Purchase) billing.Evidence { e := good(p); e.Amount.Minor--; return e }
	wrongBack := func(p *billing.Purchase) billing.Evidence { e := back(p); e.Amount.Minor--; return e }
	type step = func(*billing.Purchase) billing.Evidence
	for _, tc := range []struct {
		name    string
		steps   []step
		want    []billing.OutcomeKind
		status  billing.Status
		credits money.Credits
	}{
		{"refund after success", []step{good, back, good, back}, []billing.OutcomeKind{billing.Credited, billing.Returned, billing.AlreadyProcessed, billing.AlreadyProcessed}, billing.Refunded, 0},
		{"refund before success", []step{back, good, back, good}, []billing.OutcomeKind{billing.Returned, billing.AlreadyProcessed, billing.AlreadyProcessed, billing.AlreadyProcessed}, billing.Refunded, 0},
		{"failure after success and after its refund is ignored", []step{good, failed, back, failed}, []billing.OutcomeKind{billing.Credited, billing.Ignored, billing.Returned, billing.Ignored}, billing.Refunded, 0},
		{"a payment that the provider calls reversed is a refund", []step{good, reversed, good}, []billing.OutcomeKind{billing.Credited, billing.Returned, billing.AlreadyProcessed}, billing.Refunded, 0},
		{"reversed before its success is heard of", []step{reversed, good}, []billing.OutcomeKind{billing.Returned, billing.AlreadyProcessed}, billing.Refunded, 0},
		{"a refund that is only asked for, or refused, changes nothing", []step{good, state(payments.ReturnPending), state(payments.ReturnDenied)}, []billing.OutcomeKind{billing.Credited, billing.Ignored, billing.Ignored}, billing.Completed, 30_00},
		{"a part given back is reviewed", []step{good, part, part}, []billing.OutcomeKind{billing.Credited, billing.InReview, billing.InReview}, billing.Completed, 30_00},
		{"a dispute that is won", []step{good, dispute(payments.ReturnPending), dispute(payments.ReturnDenied), good}, []billing.OutcomeKind{billing.Credited, billing.DisputeOpened, billing.Ignored, billing.AlreadyProcessed}, billing.Disputed, 30_00},
		{"a dispute that is lost", []step{good, dispute(payments.ReturnPending), dispute(payments.ReturnDone), dispute(payments.ReturnPending)}, []billing.OutcomeKind{billing.Credited, billing.DisputeOpened, billing.Returned, billing.AlreadyProcessed}, billing.Refunded, 0},
		{"a dispute that is heard of before the payment", []step{dispute(payments.ReturnPending), good}, []billing.OutcomeKind{billing.InReview, billing.Credited}, billing.Completed, 30_00},
		{"money in review that goes back", []step{wrong, wrongBack, wrong}, []billing.OutcomeKind{billing.InReview, billing.Returned, billing.InReview}, billing.Refunded, 0},
	} {
		for _, together := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, together %v", tc.name, together), func(t *testing.T) {
				suspense := h.platform(t, "suspense")
				id := openTenant(t, h.gateway, 0)
				p := buy(t, h.gateway, id, billing.PackageStarter)
				var got []billing.OutcomeKind
				var evidence []billing.Evidence
				for _, s := range tc.steps {
					evidence = append(evidence, s(p))
				}
				if together {
					out, err := h.credit(t.Context(), evidence...)
					require.NoError(t, err)
					for _, o := range out {
						got = append(got, o.Kind)
					}
				} else {
					for _, e := range evidence {
						got = append(got, h.outcome(t, e).Kind)
					}
				}
				require.Equal(t, tc.want, got)
				require.Equal(t, tc.status, h.purchase(t, p).Status)
				require.Equal(t, tc.credits, h.balance(t, id).Total)
				if tc.name == "a part given back is reviewed" {
					suspense += int(p.Total.Minor) - 1 // once, and the other way round
				}
				require.Equal(t, suspense, h.platform(t, "suspense"))
				requireBooksBalance(t, h.operator)
			})
		}
	}
}

// TestPropertyAnyOrderRepetitionAndLossOfEventsGivesTheSameBooks is a metamorphic test: a provider's events about one payment, shuffled, repeated and some of them lost, and
// settled by workers that are killed around their commits, must leave the books as a model says that knows only which facts arrived, and nothing of their order.
func TestPropertyAnyOrderRepetitionAndLossOfEventsGivesTheSameBooks(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rapid.Check(t, func(rt *rapid.T) {
		id := openTenant(t, h.gateway, 0)
		before := map[string]int{}
		for _, kind := range []string{"provider_receivable", "credit_sales", "suspense"} {
			before[kind] = h.platform(t, kind)
		}
		var evidence []billing.Evidence
		var credits money.Credits
		var sold, suspended int64
		type purchase struct {
			p      *billing.Purchase
			status []billing.Status
		}
		var all []purchase
		for range rapid.IntRange(1, 3).Draw(rt, "purchases") {
			p := buy(t, h.gateway, id, rapid.SampledFrom([]string{"starter", "value", "premium"}).Draw(rt, "package"))
			txn := "m-" + p.Reference
			failed, pending, part := paid(p, txn), refunded(p, txn, "r1-"+txn), refunded(p, txn, "r2-"+txn)
			failed.Status = payments.StatusFailed
			pending.Return = payments.ReturnPending
			part.Amount.Minor /= 3
			facts := []billing.Evidence{paid(p, txn), failed, pending, refunded(p, txn, "r1-"+txn), part}
			arrived := make([]bool, len(facts))
			for i := range facts {
				for range rapid.IntRange(0, 2).Draw(rt, "times") { // none is loss, two is repetition
					arrived[i] = true
					evidence = append(evidence, facts[i])
				}
			}
			status := []billing.Status{billing.Pending}
			switch {
			case arrived[3]:
				status = []billing.Status{billing.Refunded}
			case arrived[0]:
				status = []billing.Status{billing.Completed}
				credits, sold = credits+p.Credits+p.Bonus, sold+p.Total.Minor
			case arrived[1]:
				status = []billing.Status{billing.Failed}
			}
			if arrived[4] {
				suspended -= part.Amount.Minor
			}
			all = append(all, purchase{p, status})
		}
		evidence = rapid.Permutation(evidence).Draw(rt, "order")
		for len(evidence) > 0 {
			n := rapid.IntRange(1, len(evidence)).Draw(rt, "batch")
			switch rapid.SampledFrom([]string{"lives", "lives", "is killed before its commit", "is killed before its ack"}).Draw(rt, "the worker") {
			case "is killed before its commit": // its connection breaks, and the same messages come again
				require.Error(rt, h.billing.InSystem(t.Context(), func(tx *gorm.DB) error {
					if _, err := billing.CreditBatch(t.Context(), tx, evidence[:n]); err != nil {
						return err
					}
					_, err := postgres.Exec(tx, "select pg_terminate_backend(pg_backend_pid())")
					return err
				}))
			case "is killed before its ack": // the same messages come again
				_, err := h.credit(t.Context(), evidence[:n]...)
				require.NoError(rt, err)
			}
			_, err := h.credit(t.Context(), evidence[:n]...)
			require.NoError(rt, err)
			evidence = slices.Clone(evidence[n:])
		}
		for _, a := range all {
			now := h.purchase(t, a.p)
			require.Contains(rt, a.status, now.Status)
			want := 0
			if now.CompletedAt != nil {
				want = 1
			}
			require.Equal(rt, want, h.count(t, "select count(*) from audit.entry where action = 'PAYMENT' and tenant_id = $1 and entity_id = $2", id, a.p.ID.String()))
		}
		require.Equal(rt, credits, h.balance(t, id).Total)
		require.EqualValues(rt, sold+suspended, h.platform(t, "provider_receivable")-before["provider_receivable"])
		require.EqualValues(rt, -sold, h.platform(t, "credit_sales")-before["credit_sales"])
		require.EqualValues(rt, -suspended, h.platform(t, "suspense")-before["suspense"])
		requireBooksBalance(t, h.operator)
	})
}
