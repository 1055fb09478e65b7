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
	change := func(step func(p *billing.Purchase) billing.Evidence, do func(*billing.Evidence)) func(p *billing.Purchase) billing.Evidence {
		return func(p *billing.Purchase) billing.Evidence { e := step(p); do(&e); return e }
	}
	third := change(back, func(e *billing.Evidence) { e.Amount.Minor /= 3 })
	twoThirds := change(back, func(e *billing.Evidence) { e.Amount.Minor, e.CaseID = e.Amount.Minor/3*2, "r2-"+e.Reference })
	named := func(step func(p *billing.Purchase) billing.Evidence, name string) func(p *billing.Purchase) billing.Evidence {
		return change(step, func(e *billing.Evidence) { e.CaseID = name + e.Reference })
	}
	asked := func(step func(p *billing.Purchase) billing.Evidence) func(p *billing.Purchase) billing.Evidence {
		return change(step, func(e *billing.Evidence) { e.Asked, e.CaseID = true, "1"+e.Reference })
	}
	total := func(minor int64) func(p *billing.Purchase) billing.Evidence { // as Stripe tells it
		return change(back, func(e *billing.Evidence) {
			e.CaseID, e.Amount.Minor, e.ReturnedTotal = "", 12_00, money.FromMinor(minor, money.GHS)
		})
	}
	pending := func(step func(p *billing.Purchase) billing.Evidence) func(p *billing.Purchase) billing.Evidence {
		return change(step, func(e *billing.Evidence) { e.Return = payments.ReturnPending })
	}
	denied := func(step func(p *billing.Purchase) billing.Evidence) func(p *billing.Purchase) billing.Evidence {
		return change(step, func(e *billing.Evidence) { e.Return = payments.ReturnDenied })
	}
	lost := func(minor int64) func(p *billing.Purchase) billing.Evidence {
		return func(p *billing.Purchase) billing.Evidence {
			e := disputed(p, "t-"+p.Reference, payments.ReturnDone)
			e.Amount.Minor = minor
			return e
		}
	}
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
		{"a part given back takes its share", []step{good, third, third}, []billing.OutcomeKind{billing.Credited, billing.PartlyReturned, billing.AlreadyProcessed}, billing.Completed, 20_00},
		{"a share is rounded down", []step{good, part}, []billing.OutcomeKind{billing.Credited, billing.PartlyReturned}, billing.Completed, 1},
		{"parts that make the whole", []step{good, third, twoThirds, third}, []billing.OutcomeKind{billing.Credited, billing.PartlyReturned, billing.Returned, billing.AlreadyProcessed}, billing.Refunded, 0},
		{"a part that is heard of before its payment", []step{third, good, third}, []billing.OutcomeKind{billing.PartlyReturned, billing.Credited, billing.AlreadyProcessed}, billing.Completed, 20_00},
		{"all parts before their payment", []step{third, twoThirds, good}, []billing.OutcomeKind{billing.PartlyReturned, billing.Returned, billing.AlreadyProcessed}, billing.Refunded, 0},
		{"a part, and then the provider calls all of it reversed", []step{good, third, reversed, twoThirds}, []billing.OutcomeKind{billing.Credited, billing.PartlyReturned, billing.Returned, billing.AlreadyProcessed}, billing.Refunded, 0},
		{"one refund under two names", []step{good, third, asked(third), asked(third)}, []billing.OutcomeKind{billing.Credited, billing.PartlyReturned, billing.AlreadyProcessed, billing.AlreadyProcessed}, billing.Completed, 20_00},
		{"two refunds of one amount, each under two names", []step{asked(third), good, named(asked(third), "2"), third, named(third, "b")},
			[]billing.OutcomeKind{billing.PartlyReturned, billing.Credited, billing.PartlyReturned, billing.AlreadyProcessed, billing.AlreadyProcessed}, billing.Completed, 10_00},
		{"a total tells of the refunds before it", []step{good, asked(third), total(12_00), total(24_00), total(12_00)},
			[]billing.OutcomeKind{billing.Credited, billing.PartlyReturned, billing.AlreadyProcessed, billing.PartlyReturned, billing.AlreadyProcessed}, billing.Completed, 10_00},
		{"a part that is only asked for, or refused", []step{good, pending(third), denied(third)}, []billing.OutcomeKind{billing.Credited, billing.Ignored, billing.Ignored}, billing.Completed, 30_00},
		{"a part, and a dispute about the rest that is lost", []step{good, third, dispute(payments.ReturnPending), lost(24_00)},
			[]billing.OutcomeKind{billing.Credited, billing.PartlyReturned, billing.DisputeOpened, billing.Returned}, billing.Refunded, 0},
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
				require.Equal(t, suspense, h.platform(t, "suspense"))
				require.EqualValues(t, h.platform(t, "provider_receivable"), -h.platform(t, "credit_sales"))
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
		var sold int64
		type purchase struct {
			p      *billing.Purchase
			status []billing.Status
		}
		var all []purchase
		for range rapid.IntRange(1, 3).Draw(rt, "purchases") {
			p := buy(t, h.gateway, id, rapid.SampledFrom([]string{"starter", "value", "premium"}).Draw(rt, "package"))
			txn := "m-" + p.Reference
			failed, pending := paid(p, txn), refunded(p, txn, "r1-"+txn)
			failed.Status = payments.StatusFailed
			pending.Return = payments.ReturnPending
			facts := []billing.Evidence{paid(p, txn), failed, pending}
			// What went back: all at once, or in parts of which two are alike. The provider calls each refund one thing in its events and another in its answers.
			parts := rapid.SampledFrom([][]int64{{p.Total.Minor}, {p.Total.Minor / 4, p.Total.Minor / 4}, {p.Total.Minor / 4, p.Total.Minor / 4, p.Total.Minor / 2}}).Draw(rt, "parts")
			for i, minor := range parts {
				told, answered := refunded(p, txn, fmt.Sprintf("r%d-%s", i, txn)), refunded(p, txn, fmt.Sprint(i))
				told.Amount.Minor, answered.Amount.Minor, answered.Asked = minor, minor, true
				facts = append(facts, told, answered)
			}
			arrived := make([]bool, len(facts))
			for i := range facts {
				for range rapid.IntRange(0, 2).Draw(rt, "times") { // none is loss, two is repetition
					arrived[i] = true
					evidence = append(evidence, facts[i])
				}
			}
			var back int64
			known := map[int64][2]int{} // of each amount, how many the events tell of and how many the answers
			for i, minor := range parts {
				n := known[minor]
				for k := range n {
					if arrived[3+2*i+k] {
						n[k]++
					}
				}
				known[minor] = n
			}
			for minor, n := range known {
				back += minor * int64(max(n[0], n[1]))
			}
			status := []billing.Status{billing.Pending}
			switch {
			case back == p.Total.Minor:
				status = []billing.Status{billing.Refunded}
			case arrived[0]:
				status = []billing.Status{billing.Completed}
				credits, sold = credits+p.Credits+p.Bonus-(p.Credits+p.Bonus)*money.Credits(back)/money.Credits(p.Total.Minor), sold+p.Total.Minor-back
			case arrived[1]:
				status = []billing.Status{billing.Failed}
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
		require.EqualValues(rt, sold, h.platform(t, "provider_receivable")-before["provider_receivable"])
		require.EqualValues(rt, -sold, h.platform(t, "credit_sales")-before["credit_sales"])
		require.Equal(rt, before["suspense"], h.platform(t, "suspense"))
		requireBooksBalance(t, h.operator)
	})
}

func TestAPartTakesNoMoreThanWhatIsUnspentOfItsShareAndTheRestIsOwed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := openTenant(t, h.gateway, 0)
	p := buy(t, h.gateway, id, billing.PackageStarter) // 36.00 for 30 credits
	h.outcome(t, paid(p, "t1"))
	spend := func(n int) {
		t.Helper()
		for range n {
			hold, err := h.reserve(t.Context(), id, dear)
			require.NoError(t, err)
			_, _, err = h.capture(t.Context(), hold, 3_00)
			require.NoError(t, err)
			_, err = h.record(t.Context(), []uuid.UUID{id}, hold.ID)
			require.NoError(t, err)
		}
	}
	back := func(name string, minor int64) billing.Evidence {
		e := refunded(p, "t1", name)
		e.Amount.Minor = minor
		e.Event = h.store(t, e)
		return e
	}
	owed := func() int {
		return -h.count(t, "select coalesce(sum(balance), 0) from billing.ledger_account where kind = 'credits_debt'")
	}
	spend(4) // 12 of 30
	running, err := h.reserve(t.Context(), id, dear)
	require.NoError(t, err)

	require.Equal(t, billing.PartlyReturned, h.outcome(t, back("r1", 12_00)).Kind)
	require.Equal(t, money.Credits(5_00), h.balance(t, id).Total, "10 of 18 that are left go, and 3 are set aside for a call that goes on")
	require.Zero(t, owed())
	_, _, err = h.capture(t.Context(), running, 1_00)
	require.NoError(t, err)
	_, err = h.record(t.Context(), []uuid.UUID{id}, running.ID)
	require.NoError(t, err)
	running, err = h.reserve(t.Context(), id, dear)
	require.NoError(t, err)

	require.Equal(t, billing.PartlyReturned, h.outcome(t, back("r2", 12_00)).Kind)
	require.Zero(t, h.balance(t, id).Total)
	require.Equal(t, 3_00, owed(), "7 of 10 were unspent")
	_, _, err = h.capture(t.Context(), running, 1_00)
	require.ErrorIs(t, err, billing.ErrHoldEnded, "the call ran on what was taken")

	require.Equal(t, billing.Returned, h.outcome(t, back("r3", 12_00)).Kind)
	require.Equal(t, billing.Refunded, h.purchase(t, p).Status)
	require.Equal(t, 13_00, owed(), "all that was spent: 12 and 1")
	require.Equal(t, 2, h.count(t, "select count(*) from billing.payment_review where reason = $1", billing.ReasonSpent))
	require.Equal(t, 13_00, h.count(t, "select sum(credits) from billing.payment_review where reason = $1", billing.ReasonSpent))
	require.Equal(t, 13_00, h.count(t, "select credits_owed from billing.credit_purchase where id = $1", p.ID))
	require.Zero(t, h.platform(t, "provider_receivable"))
	require.Equal(t, 3, h.count(t, "select count(*) from audit.entry where action = 'payment.refunded' and entity_id = $1 and changes ->> 'amount' = 'GHS 12.00'", p.ID.String()))
	requireBooksBalance(t, h.operator)
}

func TestMoneyInSuspenseThatGoesBackInPartsIsBookedOnceUnderWhateverNames(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := buy(t, h.gateway, openTenant(t, h.gateway, 0), billing.PackageStarter)
	short := paid(p, "t1")
	short.Amount.Minor = 30_00
	h.outcome(t, short)
	require.Equal(t, -30_00, h.platform(t, "suspense"))
	back := func(name string, minor int64, asked bool) billing.Evidence {
		e := refunded(p, "t1", name)
		e.Amount.Minor, e.Asked = minor, asked
		e.Event = h.store(t, e)
		return e
	}
	require.Equal(t, billing.InReview, h.outcome(t, back("3018284", 10_00, true)).Kind)
	require.Equal(t, billing.AlreadyProcessed, h.outcome(t, back("132013318360", 10_00, false)).Kind, "what the bank calls it")
	require.Equal(t, -20_00, h.platform(t, "suspense"))
	require.Equal(t, billing.InReview, h.outcome(t, back("132013318361", 10_00, false)).Kind, "another refund of as much")
	require.Equal(t, -10_00, h.platform(t, "suspense"))
	require.Equal(t, billing.AlreadyProcessed, h.outcome(t, back("3018285", 10_00, true)).Kind)
	require.Equal(t, billing.Returned, h.outcome(t, back("132013318362", 10_00, false)).Kind)
	require.Zero(t, h.platform(t, "suspense"))
	require.Equal(t, billing.InReview, h.outcome(t, back("132013318363", 10_00, false)).Kind, "more than was ever paid")
	require.Equal(t, billing.AlreadyProcessed, h.outcome(t, back("3018289", 10_00, true)).Kind)
	require.Equal(t, 10_00, h.platform(t, "suspense"))
	require.Equal(t, 3, h.count(t, "select count(*) from billing.payment_review where reason = $1", billing.ReasonPartial))
	requireBooksBalance(t, h.operator)
}

func TestWhatWentBackBeforeAPaymentThatDoesNotMatchIsBookedWithIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := buy(t, h.gateway, openTenant(t, h.gateway, 0), billing.PackageStarter)
	part := refunded(p, "t1", "r1")
	part.Amount.Minor = 10_00
	require.Equal(t, billing.PartlyReturned, h.outcome(t, part).Kind)
	require.Zero(t, h.platform(t, "provider_receivable"), "of a payment that we have not heard of")
	short := paid(p, "t1")
	short.Amount.Minor = 30_00
	require.Equal(t, billing.InReview, h.outcome(t, short).Kind)
	require.Equal(t, -20_00, h.platform(t, "suspense"))
	require.Equal(t, 1, h.count(t, "select count(*) from billing.payment_review where reason = $1 and received_minor = 1000", billing.ReasonPartial))
	rest := refunded(p, "t1", "r2")
	rest.Amount.Minor = 20_00
	require.Equal(t, billing.Returned, h.outcome(t, rest).Kind)
	require.Zero(t, h.platform(t, "suspense"))
	requireBooksBalance(t, h.operator)
}

// A Stripe event about a refund names the payment's total, and not the refund.
func TestATotalSurvivesStorage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := buy(t, h.gateway, openTenant(t, h.gateway, 0), billing.PackageStarter)
	h.outcome(t, paid(p, "t1"))
	for i, total := range []int64{12_00, 24_00, 12_00} {
		id := uuid.Must(uuid.NewV7())
		var e billing.StoredEvent
		require.NoError(t, h.billing.InSystem(t.Context(), func(tx *gorm.DB) error {
			if _, err := billing.RecordEvents(tx, []billing.Event{{ID: id, Provider: p.Provider, DedupeKey: fmt.Sprint(i), Type: "charge.refunded", Reference: p.Reference, Body: []byte("{}"), Trusted: true,
				Kind: payments.KindRefund, Return: payments.ReturnDone, ReturnedTotal: money.FromMinor(total, money.GHS), TransactionID: "t1"}}); err != nil {
				return err
			}
			events, err := billing.Events(tx, []uuid.UUID{id})
			e = events[id]
			return err
		}))
		require.Equal(t, money.FromMinor(total, money.GHS), e.ReturnedTotal)
		require.Equal(t, []billing.OutcomeKind{billing.PartlyReturned, billing.PartlyReturned, billing.AlreadyProcessed}[i], h.outcome(t, e.Evidence).Kind)
	}
	require.Equal(t, money.Credits(10_00), h.balance(t, p.Tenant).Total)
	requireBooksBalance(t, h.operator)
}
