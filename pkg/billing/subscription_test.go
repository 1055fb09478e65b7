package billing_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"gorm.io/gorm"
	"pgregory.net/rapid"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/tenant"
)

// subscriber opens a business in zone whose trial ends at end.
func (h *house) subscriber(t testing.TB, zone string, end time.Time) uuid.UUID {
	t.Helper()
	id := openTenant(t, h.gateway, 0)
	owner := uuid.New()
	_, err := h.admin.Exec(t.Context(), "insert into accounts.user (id, email, name, password_hash, is_active) values ($1, $2, 'Ama', 'x', true)", owner, owner.String()+"@example.com")
	require.NoError(t, err)
	_, err = h.admin.Exec(t.Context(), "insert into accounts.business (id, owner_id, name, email, timezone) values ($1, $2, $3, 'shop@example.com', $4)", id, owner, "Shop "+id.String(), zone)
	require.NoError(t, err)
	_, err = h.admin.Exec(t.Context(), "update billing.subscription set period_start = $2::timestamptz - interval '14 days', period_end = $2, trial_end = $2 where tenant_id = $1", id, end)
	require.NoError(t, err)
	return id
}

// order begins a payment as the gateway does.
func (h *house) order(t testing.TB, id uuid.UUID, storefronts int) (p *billing.SubscriptionPayment) {
	t.Helper()
	require.NoError(t, h.gateway.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) (err error) {
		p, err = billing.CreateSubscriptionPayment(tx, billing.NewSubscriptionPayment{Tenant: id, User: uuid.New(), Storefronts: storefronts, Provider: "paystack", Now: day2026})
		return err
	}))
	return p
}

func (h *house) settle(ctx context.Context, now time.Time, evidence ...billing.Evidence) (out []billing.SubscriptionOutcome, err error) {
	err = h.billing.InSystem(ctx, func(tx *gorm.DB) (err error) {
		out, err = billing.SettleSubscriptions(ctx, tx, evidence, now)
		return err
	})
	return out, err
}

// settled settles one piece of evidence that has the outcome kind.
func (h *house) settled(t testing.TB, now time.Time, e billing.Evidence, kind billing.OutcomeKind) billing.SubscriptionOutcome {
	t.Helper()
	out, err := h.settle(t.Context(), now, e)
	require.NoError(t, err)
	require.Equal(t, kind, out[0].Kind, out[0].Reason)
	return out[0]
}

func (h *house) subscription(t testing.TB, id uuid.UUID) (s *billing.Subscription) {
	t.Helper()
	require.NoError(t, h.gateway.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) (err error) {
		s, err = billing.SubscriptionOf(tx)
		return err
	}))
	return s
}

func (h *house) payment(t testing.TB, p *billing.SubscriptionPayment) (now *billing.SubscriptionPayment) {
	t.Helper()
	require.NoError(t, h.gateway.InTenant(tenant.With(t.Context(), p.Tenant), func(tx *gorm.DB) (err error) {
		now, err = billing.SubscriptionPaymentByReference(tx, p.Reference)
		return err
	}))
	return now
}

// paidMonth is the evidence that p was paid as asked.
func paidMonth(p *billing.SubscriptionPayment) billing.Evidence {
	return billing.Evidence{Provider: p.Provider, Reference: p.Reference, Status: payments.StatusSucceeded, Amount: p.Total, TransactionID: "t-" + p.Reference}
}

// Invariant 7: the price vectors, with the taxes before and after 2026-01-01.
func TestAMonthCostsWhatThePriceListSays(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t).Open("makola_gateway")
	require.NoError(t, db.InSystem(t.Context(), func(tx *gorm.DB) error {
		for _, c := range []struct {
			storefronts                int
			base, total2025, total2026 string
		}{
			{1, "100.00", "121.90", "120.00"}, {2, "150.00", "182.85", "180.00"}, {3, "180.00", "219.42", "216.00"}, {4, "200.00", "243.80", "240.00"},
			{5, "200.00", "243.80", "240.00"}, {6, "250.00", "304.75", "300.00"}, {10, "450.00", "548.55", "540.00"},
		} {
			for day, total := range map[time.Time]string{day2025: c.total2025, day2026: c.total2026} {
				q, err := billing.PriceSubscription(tx, c.storefronts, "", day)
				require.NoError(t, err)
				require.Equal(t, [2]string{c.base, total}, [2]string{q.Base.Decimal(), q.Total.Decimal()}, "%d storefronts on %s", c.storefronts, day)
				sum := q.Base
				for _, l := range q.Taxes {
					sum, err = sum.Add(l.Amount)
					require.NoError(t, err)
				}
				require.Equal(t, q.Total, sum, "the lines sum to the total")
			}
		}
		for _, n := range []int{-1, 0, billing.MaxStorefronts + 1} {
			_, err := billing.PriceSubscription(tx, n, "", day2026)
			require.ErrorIs(t, err, billing.ErrStorefronts)
		}
		return nil
	}))
}

func TestThePriceListCannotContradictItself(t *testing.T) {
	t.Parallel()
	_, err := postgrestest.New(t).Admin().Exec(t.Context(), "insert into billing.pricing_tier (id, min_storefronts, max_storefronts, base_minor) values (gen_random_uuid(), 4, 6, 1)")
	require.ErrorContains(t, err, "pricing_tier_overlap")
}

// Invariant 8: the chain from Jan 31.
func TestMonthsFollowTheDayOnWhichTheFirstBegan(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	at := time.Date(2026, 1, 31, 10, 30, 0, 0, time.UTC)
	id := h.subscriber(t, "Africa/Accra", at.AddDate(0, 0, -3))
	for _, want := range []string{"2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31", "2026-06-30", "2026-07-31", "2026-08-31", "2026-09-30", "2026-10-31", "2026-11-30", "2026-12-31", "2027-01-31", "2027-02-28"} {
		p := h.order(t, id, 1)
		h.settled(t, at, paidMonth(p), billing.Credited) // all on the first day: each keeps the days that are left
		require.Equal(t, want, h.subscription(t, id).PeriodEnd.UTC().Format(time.DateOnly))
		now := h.payment(t, p)
		require.Equal(t, billing.SubPaymentSuccessful, now.Status)
		require.Equal(t, want, now.PeriodEnd.UTC().Format(time.DateOnly))
		h.settled(t, at, paidMonth(p), billing.AlreadyProcessed)
		require.Equal(t, want, h.subscription(t, id).PeriodEnd.UTC().Format(time.DateOnly), "a webhook that comes again adds nothing")
	}
	// Who moves to another zone, where the period's last instant is of another day or month, gets a month all the same.
	for _, c := range []struct{ from, to, end, want string }{
		{"Africa/Accra", "Africa/Lagos", "2026-01-31T23:30:00Z", "2026-03-30T23:30:00Z"},
		{"Africa/Lagos", "Africa/Accra", "2026-01-31T23:30:00Z", "2026-04-01T23:30:00Z"},
		{"Africa/Accra", "Africa/Lagos", "2026-01-15T23:30:00Z", "2026-03-14T23:30:00Z"},
	} {
		end, err := time.Parse(time.RFC3339, c.end)
		require.NoError(t, err)
		id := h.subscriber(t, c.from, end)
		h.settled(t, end.AddDate(0, 0, -3), paidMonth(h.order(t, id, 1)), billing.Credited)
		h.set(t, `update accounts.business set timezone = $2 where id = $1`, id, c.to)
		h.settled(t, end, paidMonth(h.order(t, id, 1)), billing.Credited)
		require.Equal(t, c.want, h.subscription(t, id).PeriodEnd.UTC().Format(time.RFC3339), "from %s to %s", c.from, c.to)
	}
	requireBooksBalance(t, h.operator)
}

// Invariant 8 for any sequence of payments, repeated and delayed as may be.
func TestPayingNTimesGivesNMonths(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rapid.Check(t, func(r *rapid.T) {
		zone := rapid.SampledFrom([]string{"Africa/Accra", "Africa/Lagos", "Pacific/Kiritimati", "America/New_York"}).Draw(r, "zone")
		loc, err := time.LoadLocation(zone)
		require.NoError(r, err)
		now := time.Date(2026, 1, rapid.IntRange(1, 365).Draw(r, "day"), rapid.IntRange(0, 23).Draw(r, "hour"), 0, 0, 0, time.UTC)
		end := now.AddDate(0, 0, rapid.IntRange(-20, 14).Draw(r, "trial"))
		id := h.subscriber(t, zone, end)
		anchor, months := 0, 0 // of the run of months without a gap
		var begin time.Time
		for range rapid.IntRange(1, 4).Draw(r, "payments") {
			now = now.AddDate(0, 0, rapid.IntRange(0, 40).Draw(r, "later"))
			if end.Before(now) {
				begin, anchor, months = now, now.In(loc).Day(), 0
			} else if anchor == 0 {
				begin, anchor = end, end.In(loc).Day()
			}
			months++
			p := h.order(t, id, rapid.IntRange(1, 12).Draw(r, "storefronts"))
			for i := range rapid.IntRange(1, 2).Draw(r, "times") {
				want := billing.Credited
				if i > 0 {
					want = billing.AlreadyProcessed
				}
				h.settled(t, now, paidMonth(p), want)
			}
			y, m, _ := begin.In(loc).Date()
			first := time.Date(y, m+time.Month(months), 1, begin.In(loc).Hour(), 0, 0, 0, loc)
			last := first.AddDate(0, 1, -first.Day()).Day()
			end = first.AddDate(0, 0, min(anchor, last)-1)
			require.True(r, end.Equal(h.subscription(t, id).PeriodEnd), "want %s, got %s", end, h.subscription(t, id).PeriodEnd.In(loc))
			require.Equal(r, billing.SubActive, h.subscription(t, id).StatusAt(now))
		}
	})
	requireBooksBalance(t, h.operator)
}

func TestTheSamePaymentManyTimesAtOnceExtendsOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.subscriber(t, "Africa/Accra", day2026)
	p, q := h.order(t, id, 2), h.order(t, id, 2)
	kinds := make([][]billing.SubscriptionOutcome, 20)
	g, ctx := errgroup.WithContext(t.Context())
	for i := range kinds {
		g.Go(func() (err error) {
			evidence := []billing.Evidence{paidMonth(p), paidMonth(q)}
			if i%2 == 1 { // the opposite order must not deadlock
				evidence[0], evidence[1] = evidence[1], evidence[0]
			}
			kinds[i], err = h.settle(ctx, day2026, evidence...)
			return err
		})
	}
	require.NoError(t, g.Wait())
	seen := map[billing.OutcomeKind]int{}
	for _, out := range kinds {
		for _, o := range out {
			seen[o.Kind]++
		}
	}
	require.Equal(t, map[billing.OutcomeKind]int{billing.Credited: 2, billing.AlreadyProcessed: 38}, seen)
	require.Equal(t, "2026-03-01", h.subscription(t, id).PeriodEnd.UTC().Format(time.DateOnly), "two payments are two months")
	require.Equal(t, 2, h.count(t, "select count(*) from billing.ledger_transfer where kind = 'subscription' and tenant_id = $1", id))
	requireBooksBalance(t, h.operator)
}

//nolint:tparallel // the cases share one database and follow each other
func TestASubscriptionPaymentThatDoesNotMatchGoesToReview(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, tc := range []struct {
		name   string
		change func(*billing.Evidence)
		reason string
	}{
		{"one pesewa too little", func(e *billing.Evidence) { e.Amount.Minor-- }, billing.ReasonAmount},
		{"one pesewa too much", func(e *billing.Evidence) { e.Amount.Minor++ }, billing.ReasonAmount},
		{"the same number in another currency", func(e *billing.Evidence) { e.Amount.Currency = money.NGN }, billing.ReasonCurrency},
		{"no transaction id", func(e *billing.Evidence) { e.TransactionID = "" }, billing.ReasonNoTxn},
	} {
		for _, approve := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, approved %v", tc.name, approve), func(t *testing.T) {
				id := h.subscriber(t, "Africa/Accra", day2026)
				p := h.order(t, id, 1)
				e := paidMonth(p)
				tc.change(&e)
				o := h.settled(t, day2026, e, billing.InReview)
				require.True(t, o.Parked)
				require.Equal(t, tc.reason, o.Reason)
				require.Equal(t, billing.SubPaymentReview, h.payment(t, p).Status)
				require.True(t, h.subscription(t, id).PeriodEnd.Equal(day2026), "nothing was given")
				require.Equal(t, billing.SubTrial, h.subscription(t, id).Stored)
				var review uuid.UUID
				require.NoError(t, h.admin.QueryRow(t.Context(), "select id from billing.payment_review where payment_id = $1", p.ID).Scan(&review))
				d := billing.Decision{Review: review, Approve: approve, By: billing.By{Actor: "esi", Reason: "talked to the shop"}}
				for i := range 2 {
					require.NoError(t, h.billing.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) error {
						_, fresh, err := billing.Resolve(tx, d)
						require.Equal(t, i == 0, fresh)
						return err
					}))
				}
				want, months := billing.SubPaymentFailed, 0
				if approve {
					want, months = billing.SubPaymentSuccessful, 1
				}
				require.Equal(t, want, h.payment(t, p).Status)
				require.Equal(t, months, h.count(t, "select count(*) from billing.subscription where tenant_id = $1 and status = 'ACTIVE' and period_end > now()", id))
			})
		}
	}
	requireBooksBalance(t, h.operator)
}

func TestMoneyThatGoesBackTakesItsMonthAlong(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.subscriber(t, "Africa/Accra", day2026)
	first, second := h.order(t, id, 1), h.order(t, id, 1)
	h.settled(t, day2026, paidMonth(first), billing.Credited)
	h.settled(t, day2026, paidMonth(second), billing.Credited)
	returned := func(p *billing.SubscriptionPayment) billing.Evidence {
		e := paidMonth(p)
		e.Kind, e.Return, e.Status, e.CaseID = payments.KindRefund, payments.ReturnDone, "", "r-"+p.Reference
		return e
	}
	h.settled(t, day2026, returned(second), billing.Returned)
	h.settled(t, day2026, returned(second), billing.AlreadyProcessed)
	require.Equal(t, "2026-02-01", h.subscription(t, id).PeriodEnd.UTC().Format(time.DateOnly))
	require.Equal(t, billing.SubPaymentRefunded, h.payment(t, second).Status)
	third := h.order(t, id, 1)
	h.settled(t, day2026, paidMonth(third), billing.Credited)
	h.settled(t, day2026, returned(first), billing.Returned)
	require.Equal(t, "2026-03-01", h.subscription(t, id).PeriodEnd.UTC().Format(time.DateOnly), "a later month stands on it: a person decides")
	require.Equal(t, 1, h.count(t, "select count(*) from billing.payment_review where payment_id = $1 and reason = $2", first.ID, billing.ReasonEarlier))
	fast := h.order(t, id, 1) // its refund is heard of first
	h.settled(t, day2026, returned(fast), billing.Returned)
	h.settled(t, day2026, paidMonth(fast), billing.AlreadyProcessed)
	both := h.order(t, id, 1) // paid and given back in one batch
	out, err := h.settle(t.Context(), day2026, paidMonth(both), returned(both))
	require.NoError(t, err)
	require.Equal(t, []billing.OutcomeKind{billing.Credited, billing.Returned}, []billing.OutcomeKind{out[0].Kind, out[1].Kind})
	require.Equal(t, "2026-03-01", h.subscription(t, id).PeriodEnd.UTC().Format(time.DateOnly))
	require.EqualValues(t, -first.Total.Minor, h.count(t, "select sum(balance) from billing.ledger_account where kind = 'subscription_sales'"), "one month of four is sold")
	requireBooksBalance(t, h.operator)
}

func TestAPartOfAMonthThatGoesBackTakesNoDaysUntilAllOfItHas(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.subscriber(t, "Africa/Accra", day2026)
	p, early := h.order(t, id, 1), h.order(t, id, 1)
	back := func(p *billing.SubscriptionPayment, name string, minor int64, asked bool) billing.Evidence {
		e := paidMonth(p)
		e.Kind, e.Return, e.Status, e.CaseID, e.Amount.Minor, e.Asked = payments.KindRefund, payments.ReturnDone, "", name, minor, asked
		return e
	}
	end := func() string { return h.subscription(t, id).PeriodEnd.UTC().Format(time.DateOnly) }
	sold := func() int {
		return -h.count(t, "select coalesce(sum(balance), 0) from billing.ledger_account where kind = 'subscription_sales'")
	}
	h.settled(t, day2026, paidMonth(p), billing.Credited)
	h.settled(t, day2026, back(p, "r1", 50_00, false), billing.PartlyReturned)
	h.settled(t, day2026, back(p, "77", 50_00, true), billing.AlreadyProcessed)
	require.Equal(t, "2026-02-01", end())
	require.Equal(t, billing.SubPaymentSuccessful, h.payment(t, p).Status)
	require.Equal(t, 70_00, sold())
	require.Equal(t, []string{"PAID 120.00 2026-01-01 to 2026-02-01"}, summary(h.invoices(t, id)), "the month holds, and so does its invoice")
	h.settled(t, day2026, back(p, "r2", 70_00, false), billing.Returned)
	require.Equal(t, "2026-01-01", end(), "all of it has gone back, and the month with it")
	require.Equal(t, billing.SubPaymentRefunded, h.payment(t, p).Status)
	require.Zero(t, sold())
	require.Equal(t, []string{"CANCELLED 120.00 2026-01-01 to 2026-02-01"}, summary(h.invoices(t, id)))
	h.set(t, `update billing.subscription set auto_renew = true where tenant_id = $1`, id)
	require.Len(t, h.issue(t, day2026), 1)

	h.settled(t, day2026, back(early, "r3", 20_00, false), billing.PartlyReturned)
	require.Zero(t, sold(), "of a payment that we have not heard of")
	h.settled(t, day2026, paidMonth(early), billing.Credited)
	require.Equal(t, "2026-02-01", end())
	require.Equal(t, 100_00, sold())
	require.Equal(t, "PAID 120.00 2026-01-01 to 2026-02-01", summary(h.invoices(t, id))[1], "what was owed is paid, though a part of it went back")
	require.Equal(t, 100_00, h.count(t, "select sum(balance) from billing.ledger_account where kind = 'provider_receivable'"))
	require.Equal(t, 1, h.count(t, "select count(*) from audit.entry where action = 'payment.refunded' and entity = 'subscription_payment' and changes ->> 'amount' = 'GHS 70.00'"))

	odd := h.order(t, id, 1) // of another amount; a part of it goes back before somebody approves it
	e := paidMonth(odd)
	e.Amount.Minor += 30_00
	h.settled(t, day2026, e, billing.InReview)
	h.settled(t, day2026, back(odd, "r4", 30_00, false), billing.InReview)
	require.NoError(t, h.billing.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) error {
		var review uuid.UUID
		require.NoError(t, h.admin.QueryRow(t.Context(), "select id from billing.payment_review where payment_id = $1 and reason = $2", odd.ID, billing.ReasonAmount).Scan(&review))
		_, _, err := billing.Resolve(tx, billing.Decision{Review: review, Approve: true, By: billing.By{Actor: "esi", Reason: "the rest is right"}})
		return err
	}))
	require.EqualValues(t, 30_00, h.payment(t, odd).Returned.Minor, "what has gone back stays noted")
	h.settled(t, day2026, back(odd, "r5", 120_00, false), billing.Returned)
	require.Equal(t, billing.SubPaymentRefunded, h.payment(t, odd).Status)
	require.Equal(t, h.payment(t, odd).PeriodStart.UTC().Format(time.DateOnly), end(), "all of it has gone back, and the month with it")
	requireBooksBalance(t, h.operator)
}
