package billing_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/billing"
	"makola/pkg/document"
	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/tenant"
)

// renews makes a business pay for a month and has its subscription renew.
func (h *house) renews(t testing.TB, end time.Time) uuid.UUID {
	t.Helper()
	id := h.subscriber(t, "Africa/Accra", end)
	h.set(t, `update billing.subscription set status = 'ACTIVE', is_trial = false, trial_end = null, auto_renew = true, anchor_day = extract(day from period_end) where tenant_id = $1`, id)
	return id
}

func (h *house) set(t testing.TB, sql string, args ...any) {
	t.Helper()
	_, err := h.admin.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func (h *house) issue(t testing.TB, now time.Time) (issued []*billing.Invoice) {
	t.Helper()
	require.NoError(t, h.billing.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		issued, _, err = billing.IssueRenewals(tx, now, false, 100)
		return err
	}))
	return issued
}

// invoices lists a business's, the oldest first.
func (h *house) invoices(t testing.TB, id uuid.UUID) (list []*billing.Invoice) {
	t.Helper()
	require.NoError(t, h.gateway.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) (err error) {
		list, _, err = billing.Invoices(tx, uuid.Nil, 100)
		return err
	}))
	slices.Reverse(list)
	return list
}

// summary is what a test compares of an invoice.
func summary(list []*billing.Invoice) (all []string) {
	for _, i := range list {
		all = append(all, fmt.Sprintf("%s %s %s to %s", i.Status, i.Total.Decimal(), i.PeriodStart.UTC().Format(time.DateOnly), i.PeriodEnd.UTC().Format(time.DateOnly)))
	}
	return all
}

var errChangedMind = errors.New("rolled back")

func TestInvoiceNumbersHaveNoGapWhoeverRollsBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ids := make([]uuid.UUID, 100)
	for i := range ids {
		ids[i] = h.renews(t, day2026)
	}
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(20)
	for i := range ids {
		g.Go(func() error {
			fail := i%4 == 0
			for {
				err := h.billing.InSystem(ctx, func(tx *gorm.DB) error {
					// One business for each transaction, whichever is left: they number at the same time.
					if _, _, err := billing.IssueRenewals(tx, day2026, false, 1+i%3); err != nil {
						return err
					}
					if fail {
						return errChangedMind
					}
					return nil
				})
				if errors.Is(err, errChangedMind) {
					fail = false
					continue
				}
				return err
			}
		})
	}
	require.NoError(t, g.Wait())
	h.issue(t, day2026) // what each left to another
	rows, err := h.admin.Query(t.Context(), `select number from billing.invoice order by number`)
	require.NoError(t, err)
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Len(t, numbers, 100)
	for i, number := range numbers {
		require.Equal(t, fmt.Sprintf("INV-202601-%06d", i+1), number)
	}
	require.Empty(t, h.issue(t, day2026), "each month has one")
	require.Equal(t, 100, h.count(t, `select count(distinct tenant_id) from billing.invoice`))
}

func TestAPaymentPaysTheInvoiceThatIsOwed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.renews(t, day2026)
	require.Empty(t, h.issue(t, day2026.AddDate(0, 0, -2)), "it is not tomorrow yet")
	issued := h.issue(t, day2026.AddDate(0, 0, -1))
	require.Equal(t, []string{"SENT 120.00 2026-01-01 to 2026-02-01"}, summary(issued))
	require.Equal(t, "INV-202512-000001", issued[0].Number)
	require.Equal(t, [2]string{"2025-12-31", "2026-01-01"}, [2]string{issued[0].IssuedOn.Format(time.DateOnly), issued[0].DueOn.Format(time.DateOnly)})
	require.Equal(t, day2026.UTC(), h.subscription(t, id).PeriodEnd.UTC(), "nothing is given before it is paid")
	p := h.order(t, id, 1)
	h.settled(t, day2026, paidMonth(p), billing.Credited)
	h.settled(t, day2026, paidMonth(p), billing.AlreadyProcessed)
	list := h.invoices(t, id)
	require.Equal(t, []string{"PAID 120.00 2026-01-01 to 2026-02-01"}, summary(list))
	require.Equal(t, p.Reference, list[0].Reference)
	require.NotNil(t, list[0].PaidAt)
	second := h.order(t, id, 2) // nobody asked for it: it has an invoice of its own
	h.settled(t, day2026, paidMonth(second), billing.Credited)
	require.Equal(t, []string{"PAID 120.00 2026-01-01 to 2026-02-01", "PAID 180.00 2026-02-01 to 2026-03-01"}, summary(h.invoices(t, id)))
	back := paidMonth(second)
	back.Kind, back.Return, back.Status, back.CaseID = payments.KindRefund, payments.ReturnDone, "", "r"
	h.settled(t, day2026, back, billing.Returned)
	third := h.order(t, id, 2)
	h.settled(t, day2026, paidMonth(third), billing.Credited)
	require.Equal(t, []string{"PAID 120.00 2026-01-01 to 2026-02-01", "CANCELLED 180.00 2026-02-01 to 2026-03-01", "PAID 180.00 2026-02-01 to 2026-03-01"}, summary(h.invoices(t, id)))
	require.Equal(t, 3, h.count(t, `select sum(last) from billing.invoice_series`), "cancelled ones keep their numbers")
}

func TestAnInvoiceOfAnotherAmountIsCancelledByAPayment(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.renews(t, day2026)
	h.issue(t, day2026)
	late := day2026.AddDate(0, 0, 3)
	h.settled(t, late, paidMonth(h.order(t, id, 2)), billing.Credited)
	require.Equal(t, []string{"CANCELLED 120.00 2026-01-01 to 2026-02-01", "PAID 180.00 2026-01-04 to 2026-02-04"}, summary(h.invoices(t, id)))
	// The next one is for as many storefronts as were paid for, and is paid late: the month begins with the payment.
	require.Equal(t, []string{"SENT 180.00 2026-02-04 to 2026-03-04"}, summary(h.issue(t, late.AddDate(0, 1, 0))))
	h.settled(t, late.AddDate(0, 1, 5), paidMonth(h.order(t, id, 2)), billing.Credited)
	last := h.invoices(t, id)[2]
	require.Equal(t, []string{"PAID 180.00 2026-02-04 to 2026-03-04"}, summary([]*billing.Invoice{last}))
	require.Equal(t, [2]string{"2026-02-09", "2026-03-09"}, [2]string{last.PaidStart.UTC().Format(time.DateOnly), last.PaidEnd.UTC().Format(time.DateOnly)})
}

func TestWhoCancelsOwesNothingAnyMore(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	now := time.Now().UTC()
	id := h.renews(t, now.Add(time.Hour))
	h.issue(t, now)
	require.NoError(t, h.gateway.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) error {
		_, _, err := billing.CancelSubscription(tx, audit.Entry{Actor: "ama"}, uuid.New(), false, "", now)
		return err
	}))
	require.Equal(t, billing.InvoiceCancelled, h.invoices(t, id)[0].Status)
	require.Empty(t, h.issue(t, now.AddDate(0, 0, 1)))
	h.set(t, `update billing.subscription set cancel_at_period_end = false`)
	require.Len(t, h.issue(t, now), 1, "who comes back is invoiced anew")
}

func TestABusinessThatIsNotDueYetKeepsNoOtherFromBeingInvoiced(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	now := day2026.Add(12 * time.Hour)
	for range 3 {
		h.renews(t, day2026.AddDate(0, 0, 2)) // within two days, and not tomorrow
	}
	due := h.renews(t, day2026.AddDate(0, 0, 1))
	for want := 1; want >= 0; want-- {
		require.NoError(t, h.billing.InSystem(t.Context(), func(tx *gorm.DB) error {
			issued, more, err := billing.IssueRenewals(tx, now, false, 1)
			require.Len(t, issued, want)
			require.Equal(t, want == 1, more, "and it ends")
			return err
		}))
	}
	require.Len(t, h.invoices(t, due), 1)
}

func TestAReminderFollowsEachOfItsDays(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.renews(t, day2026)
	h.issue(t, day2026)
	reminded := map[int]int{}
	for day := range 60 {
		now := day2026.AddDate(0, 0, day).Add(7 * time.Hour)
		for range 2 {
			require.NoError(t, h.billing.InSystem(t.Context(), func(tx *gorm.DB) error {
				overdue, _, err := billing.MarkOverdue(tx, now, 100)
				for _, i := range overdue {
					reminded[day] = i.Reminders
					require.Equal(t, billing.InvoiceOverdue, i.Status)
				}
				return err
			}))
		}
	}
	require.Equal(t, map[int]int{1: 1, 3: 2, 7: 3, 14: 4, 21: 5, 28: 6}, reminded)
	p := h.order(t, id, 1)
	h.settled(t, day2026.AddDate(0, 0, 60), paidMonth(p), billing.Credited)
	require.Equal(t, []string{"PAID 120.00 2026-01-01 to 2026-02-01"}, summary(h.invoices(t, id)))
}

func TestASuspendedBusinessIsNotAskedToPay(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.renews(t, day2026)
	h.issue(t, day2026)
	require.NoError(t, h.billing.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) error {
		_, _, err := billing.SuspendSubscription(tx, billing.By{Actor: "esi", Reason: "fraud"})
		return err
	}))
	require.NoError(t, h.billing.InSystem(t.Context(), func(tx *gorm.DB) error {
		overdue, _, err := billing.MarkOverdue(tx, day2026.AddDate(0, 0, 5), 100)
		require.Empty(t, overdue)
		return err
	}))
}

// Invariants 7, 8 and 9: whatever is paid, renewed, refunded and missed in whatever order, every month that is paid for has one invoice of its price, whose lines are its total;
// no two that hold are for one month, and numbers have no gap. Sixty lives, each of its own seed.
func TestEveryPaidMonthHasOneInvoice(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 0))
		now := time.Date(2026, 1, 1+r.IntN(365), 12, 0, 0, 0, time.UTC)
		id := h.renews(t, now)
		var paid []*billing.SubscriptionPayment
		for range 6 {
			switch r.IntN(5) {
			case 0:
				p := h.order(t, id, 1+r.IntN(3))
				h.settled(t, now, paidMonth(p), billing.Credited)
				paid = append(paid, p)
			case 1:
				h.issue(t, now)
			case 2:
				now = now.AddDate(0, 0, 1+r.IntN(40))
			case 3:
				require.NoError(t, h.billing.InSystem(t.Context(), func(tx *gorm.DB) error {
					_, _, err := billing.MarkOverdue(tx, now, 100)
					return err
				}))
			case 4:
				if len(paid) == 0 {
					continue
				}
				back := paidMonth(paid[len(paid)-1])
				back.Kind, back.Return, back.Status, back.CaseID = payments.KindRefund, payments.ReturnDone, "", "r"
				h.settled(t, now, back, billing.Returned)
				paid = paid[:len(paid)-1]
			}
		}
		h.set(t, `update accounts.business set is_active = false where id = $1`, id) // sweeps leave it alone from here on
		requireInvoiced(t, seed, h.invoices(t, id), paid)
		require.Zero(t, h.count(t, `select count(*) from billing.invoice i join billing.subscription s using (tenant_id)
			where i.tenant_id = $1 and i.status in ('SENT', 'OVERDUE') and (i.period_start > s.period_end or i.due_on < i.issued_on)`, id), "seed %d: what is owed is at most the next month, and not by a day that is over", seed)
		if len(paid) > 0 {
			last := paid[len(paid)-1]
			require.Equal(t, last.Storefronts, h.subscription(t, id).Storefronts, "seed %d: money that went back covers no storefronts", seed)
			require.EqualValues(t, last.Total.Minor, h.count(t, `select amount_minor from billing.subscription where tenant_id = $1`, id), "seed %d", seed)
		}
	}
	require.Zero(t, h.count(t, `select count(*) from (select substr(number, 5, 6) as month, max(substr(number, 12)::int) as last, count(*) as n from billing.invoice group by 1) m
		full join billing.invoice_series s using (month) where m.last <> m.n or s.last is distinct from m.last`))
	requireBooksBalance(t, h.operator)
}

// requireInvoiced checks a life's invoices against what was paid and not given back.
func requireInvoiced(t *testing.T, seed uint64, list []*billing.Invoice, paid []*billing.SubscriptionPayment) {
	t.Helper()
	holds, starts := 0, map[time.Time]bool{}
	for _, i := range list {
		sum := i.Base
		for _, l := range i.Taxes {
			var err error
			sum, err = sum.Add(l.Amount)
			require.NoError(t, err)
		}
		require.Equal(t, i.Total, sum, "seed %d", seed)
		if i.Status == billing.InvoiceCancelled {
			continue
		}
		require.False(t, starts[i.PeriodStart], "seed %d: two invoices for the month from %s", seed, i.PeriodStart)
		starts[i.PeriodStart] = true
		if i.Status != billing.InvoicePaid {
			continue
		}
		holds++
		at := slices.IndexFunc(paid, func(p *billing.SubscriptionPayment) bool { return p.Reference == i.Reference })
		require.GreaterOrEqual(t, at, 0, "seed %d", seed)
		require.Equal(t, paid[at].Total, i.Total, "seed %d", seed)
	}
	require.Len(t, paid, holds, "seed %d", seed)
}

func TestMonthsThatWerePaidBeforeThereWereInvoicesGetTheirs(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.renews(t, day2026)
	p := h.order(t, id, 1)
	h.settled(t, day2026, paidMonth(p), billing.Credited)
	h.set(t, `alter table billing.invoice disable trigger user`)
	h.set(t, `delete from billing.invoice`)
	for want := 1; want >= 0; want-- {
		require.NoError(t, h.billing.InSystem(t.Context(), func(tx *gorm.DB) error {
			n, _, err := billing.IssuePaid(tx, day2026, 10)
			require.Equal(t, want, n)
			return err
		}))
	}
	require.Equal(t, []string{"PAID 120.00 2026-01-01 to 2026-02-01"}, summary(h.invoices(t, id)))
	require.Equal(t, p.Reference, h.invoices(t, id)[0].Reference)
}

// Invariant 9, for invoices.
func TestStatesOfInvoicesMoveAlongTheArrowsOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.renews(t, day2026)
	h.issue(t, day2026)
	pay := h.order(t, id, 1)
	arrows := map[string]string{"SENT": "PAID OVERDUE CANCELLED", "OVERDUE": "PAID CANCELLED", "PAID": "CANCELLED", "CANCELLED": ""}
	for from := range arrows {
		for to := range arrows {
			h.set(t, `alter table billing.invoice disable trigger invoice_arrows`)
			h.set(t, `update billing.invoice set status = $1, payment_id = case when $1 = 'PAID' then $2::uuid end, paid_at = case when $1 = 'PAID' then now() end, cancelled_at = case when $1 = 'CANCELLED' then now() end`, from, pay.ID)
			h.set(t, `alter table billing.invoice enable trigger invoice_arrows`)
			err := h.billing.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) error {
				return tx.Exec(`update billing.invoice set status = ?, payment_id = case when ? = 'PAID' then ?::uuid end, paid_at = case when ? = 'PAID' then now() end, cancelled_at = case when ? = 'CANCELLED' then now() end`,
					to, to, pay.ID, to, to).Error
			})
			if from == to || bytes.Contains([]byte(arrows[from]), []byte(to)) {
				require.NoError(t, err, "%s to %s", from, to)
			} else {
				require.ErrorContains(t, err, "this way", "%s to %s", from, to)
			}
		}
	}
	h.set(t, `alter table billing.invoice disable trigger invoice_arrows`)
	h.set(t, `update billing.invoice set status = 'SENT', payment_id = null, paid_at = null, cancelled_at = null`)
	h.set(t, `alter table billing.invoice enable trigger invoice_arrows`)
	require.ErrorContains(t, h.gateway.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) error {
		return tx.Exec(`update billing.invoice set status = 'OVERDUE'`).Error
	}), "this way", "the gateway cancels and nothing else")
	require.ErrorContains(t, h.billing.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) error {
		return tx.Exec(`update billing.invoice_series set last = last - 1`).Error
	}), "given", "no number is given twice")
}

func TestAnInvoiceIsTheSameFileAsOftenAsItIsPrinted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.set(t, `update billing.seller set name = 'Makola Software Ltd', tin = 'C0012345678', address = E'12 Independence Avenue\nAccra', email = 'billing@makola.example'`)
	id := h.renews(t, day2026)
	h.set(t, `update accounts.business set name = 'Ama''s Provisions', tin = 'P0001234567', address = 'Makola Market, stall 14' where id = $1`, id)
	h.issue(t, day2026)
	print := func() []byte {
		var b bytes.Buffer
		require.NoError(t, document.WritePDF(&b, h.invoices(t, id)[0].Document()))
		return b.Bytes()
	}
	open := print()
	require.Equal(t, open, print())
	h.set(t, `update accounts.business set name = 'Ama''s New Provisions' where id = $1`, id)
	h.set(t, `update billing.seller set name = 'Another Ltd'`)
	require.Equal(t, open, print(), "it says what was true when it was issued")
	h.settled(t, day2026, paidMonth(h.order(t, id, 1)), billing.Credited)
	require.NotEqual(t, open, print(), "it is paid")
	i := h.invoices(t, id)[0]
	require.Equal(t, billing.Party{Name: "Makola Software Ltd", TIN: "C0012345678", Address: "12 Independence Avenue\nAccra", Email: "billing@makola.example"}, i.Seller)
	require.Equal(t, "Ama's Provisions", i.Customer.Name)
	require.Equal(t, money.FromMinor(120_00, money.GHS), i.Total)
	require.Equal(t, print(), print())
}
