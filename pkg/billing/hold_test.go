package billing_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"gorm.io/gorm"
	"pgregory.net/rapid"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/postgres"
	"makola/pkg/tenant"
)

const (
	cheap = "product_description" // 0.10
	dear  = "credit_assessment"   // 3.00
)

// inShop runs fn in a transaction of the business, as the gateway does.
func (h *house) inShop(ctx context.Context, id uuid.UUID, fn func(tx *gorm.DB) error) error {
	return h.gateway.InTenant(tenant.With(ctx, id), fn)
}

func (h *house) reserve(ctx context.Context, id uuid.UUID, feature string) (hold *billing.Hold, err error) {
	err = h.inShop(ctx, id, func(tx *gorm.DB) (err error) {
		hold, err = billing.Reserve(tx, uuid.New(), feature, day2026)
		return err
	})
	return hold, err
}

func (h *house) capture(ctx context.Context, hold *billing.Hold, amount money.Credits) (now *billing.Hold, fresh bool, err error) {
	err = h.inShop(ctx, hold.Tenant, func(tx *gorm.DB) (err error) {
		now, fresh, err = billing.Capture(tx, hold.ID, hold.Feature, &amount, billing.Usage{})
		return err
	})
	return now, fresh, err
}

func (h *house) release(ctx context.Context, hold *billing.Hold) error {
	return h.inShop(ctx, hold.Tenant, func(tx *gorm.DB) error {
		_, err := billing.Release(tx, hold.ID, hold.Feature, billing.Usage{Error: "the model did not answer"})
		return err
	})
}

// record brings captured holds into the ledger, as the worker does.
func (h *house) record(ctx context.Context, tenants []uuid.UUID, holds ...uuid.UUID) (out map[uuid.UUID]billing.RecordedUsage, err error) {
	err = h.billing.InSystem(ctx, func(tx *gorm.DB) error {
		if err := postgres.BindTenants(tx, tenants); err != nil {
			return err
		}
		out, err = billing.RecordUsage(ctx, tx, holds)
		return err
	})
	return out, err
}

func (h *house) expire(t testing.TB) (lots int, credits money.Credits) {
	t.Helper()
	require.NoError(t, h.billing.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		lots, credits, _, err = billing.ExpireLots(tx, 1000)
		return err
	}))
	return lots, credits
}

func (h *house) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	_, err := h.admin.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func TestAFailedCallCostsNothingAndAnotherWhatItUsed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := openTenant(t, h.gateway, 10_00)
	hold, err := h.reserve(t.Context(), id, dear)
	require.NoError(t, err)
	b := h.balance(t, id)
	require.Equal(t, []money.Credits{7_00, 3_00, 10_00}, []money.Credits{b.Total, b.Held, b.Ledger})
	for range 2 {
		require.NoError(t, h.release(t.Context(), hold), "releasing twice changes nothing")
	}
	require.Equal(t, money.Credits(10_00), h.balance(t, id).Total)
	_, _, err = h.capture(t.Context(), hold, 1_00)
	require.ErrorIs(t, err, billing.ErrHoldEnded)
	require.Zero(t, h.count(t, "select count(*) from billing.ledger_transfer where kind = 'usage'"))
	require.Equal(t, 1, h.count(t, "select count(*) from billing.usage_transaction where not success and credits = 0"))

	hold, err = h.reserve(t.Context(), id, dear)
	require.NoError(t, err)
	for _, wrong := range []money.Credits{0, -1, 3_01} {
		_, _, err = h.capture(t.Context(), hold, wrong)
		require.ErrorIs(t, err, billing.ErrCaptureAmount)
	}
	now, fresh, err := h.capture(t.Context(), hold, 2_50)
	require.NoError(t, err)
	require.True(t, fresh)
	require.Equal(t, billing.Captured, now.State)
	_, fresh, err = h.capture(t.Context(), hold, 2_50)
	require.NoError(t, err)
	require.False(t, fresh, "the same again")
	_, _, err = h.capture(t.Context(), hold, 1_00)
	require.ErrorIs(t, err, billing.ErrHoldCaptured)
	require.ErrorIs(t, h.release(t.Context(), hold), billing.ErrHoldCaptured)
	b = h.balance(t, id)
	require.Equal(t, []money.Credits{7_50, 2_50, 10_00}, []money.Credits{b.Total, b.Held, b.Ledger}, "not in the ledger yet, and gone all the same")
	requireBooksBalance(t, h.operator)
	for i := range 2 {
		out, err := h.record(t.Context(), []uuid.UUID{id}, hold.ID, hold.ID, uuid.New())
		require.NoError(t, err)
		require.Equal(t, map[uuid.UUID]billing.RecordedUsage{hold.ID: {Tenant: id, Credits: 2_50, Fresh: i == 0}}, out)
	}
	b = h.balance(t, id)
	require.Equal(t, []money.Credits{7_50, 0, 7_50}, []money.Credits{b.Total, b.Held, b.Ledger})
	requireBooksBalance(t, h.operator)
}

func TestHoldsBelongToTheirBusinessAndFeature(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id, other := openTenant(t, h.gateway, 10_00), openTenant(t, h.gateway, 10_00)
	hold, err := h.reserve(t.Context(), id, cheap)
	require.NoError(t, err)
	stolen := *hold
	stolen.Tenant = other
	_, _, err = h.capture(t.Context(), &stolen, 10)
	require.ErrorIs(t, err, billing.ErrHoldNotFound)
	require.ErrorIs(t, h.release(t.Context(), &stolen), billing.ErrHoldNotFound)
	mistaken := *hold
	mistaken.Feature = dear
	require.ErrorIs(t, h.release(t.Context(), &mistaken), billing.ErrHoldNotFound)
	_, _, err = h.capture(t.Context(), hold, 10)
	require.NoError(t, err)
	out, err := h.record(t.Context(), []uuid.UUID{other}, hold.ID)
	require.NoError(t, err)
	require.Empty(t, out)
	_, err = h.reserve(t.Context(), id, "mind_reading")
	require.ErrorIs(t, err, billing.ErrUnknownFeature)
	_, err = h.reserve(t.Context(), uuid.New(), cheap)
	require.ErrorIs(t, err, billing.ErrNoAccount)
}

func TestCreditsThatEndFirstAreUsedFirstAndEndedOnesNever(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := openTenant(t, h.gateway, 2_00)
	p := buy(t, h.gateway, id, billing.PackageValue)
	_, err := h.credit(t.Context(), paid(p, "t1"))
	require.NoError(t, err)
	h.exec(t, "update billing.credit_lot set expires_at = now() + interval '1 day' where source = 'BONUS'")
	h.exec(t, "update billing.credit_lot set expires_at = now() + interval '2 days' where source = 'TRIAL'")
	var holds []*billing.Hold
	for range 7 { // 21.00 of 20.00 bonus and 2.00 trial
		hold, err := h.reserve(t.Context(), id, dear)
		require.NoError(t, err)
		holds = append(holds, hold)
	}
	left := map[string]money.Credits{}
	for _, l := range h.balance(t, id).Lots {
		left[l.Source] = l.Remaining - l.Held
	}
	require.Equal(t, map[string]money.Credits{"BONUS": 0, "TRIAL": 1_00, "PURCHASE": 80_00}, left)

	// The last hold has 2.00 of the bonus and 1.00 of the trial. Capturing 2.50 uses the bonus first.
	_, _, err = h.capture(t.Context(), holds[6], 2_50)
	require.NoError(t, err)
	require.Equal(t, 50, h.count(t, "select captured from billing.credit_hold_lot where hold_id = $1 and line = 2", holds[6].ID))

	// The bonus ends while its credits are set aside: what is captured was used, what is given back has ended, and a purchase brings nothing back.
	h.exec(t, "update billing.credit_lot set expires_at = now() - interval '1 second' where source = 'BONUS'")
	lots, _ := h.expire(t)
	require.Zero(t, lots, "everything in it is set aside")
	require.NoError(t, h.release(t.Context(), holds[0]))
	_, _, err = h.capture(t.Context(), holds[1], 3_00)
	require.NoError(t, err)
	before := h.balance(t, id).Total
	for range 2 {
		lots, credits := h.expire(t)
		require.LessOrEqual(t, lots, 1)
		require.Contains(t, []money.Credits{0, 3_00}, credits)
	}
	require.Equal(t, before, h.balance(t, id).Total, "what ended was not in the balance before its expiry was posted")
	_, err = h.record(t.Context(), []uuid.UUID{id}, holds[1].ID, holds[6].ID)
	require.NoError(t, err)
	for _, hold := range holds[2:6] {
		require.NoError(t, h.release(t.Context(), hold))
	}
	lots, credits := h.expire(t)
	require.Equal(t, 1, lots)
	require.Equal(t, money.Credits(12_00), credits)
	require.Zero(t, h.count(t, "select remaining from billing.credit_lot where source = 'BONUS'"))
	require.Equal(t, 15_00, -h.count(t, "select sum(e.amount) from billing.ledger_entry e join billing.ledger_transfer t on t.id = e.transfer_id where t.kind = 'expiry' and e.lot_id is not null"))
	again := buy(t, h.gateway, id, billing.PackageStarter)
	_, err = h.credit(t.Context(), paid(again, "t2"))
	require.NoError(t, err)
	require.Equal(t, money.Credits(80_00+1_50+30_00), h.balance(t, id).Total)
	requireBooksBalance(t, h.operator)
}

func TestAHoldRunsOutByItself(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := openTenant(t, h.gateway, 3_00)
	hold, err := h.reserve(t.Context(), id, dear)
	require.NoError(t, err)
	_, err = h.reserve(t.Context(), id, cheap)
	require.ErrorIs(t, err, billing.ErrInsufficientCredits)
	h.exec(t, "update billing.credit_hold set expires_at = clock_timestamp()")
	require.Equal(t, money.Credits(3_00), h.balance(t, id).Total)
	_, _, err = h.capture(t.Context(), hold, 3_00)
	require.ErrorIs(t, err, billing.ErrHoldEnded)
	require.NoError(t, h.release(t.Context(), hold))
	again, err := h.reserve(t.Context(), id, dear)
	require.NoError(t, err)
	require.NotEqual(t, hold.ID, again.ID)
	require.Equal(t, 1, h.count(t, "select count(*) from billing.credit_hold where state = 'expired'"))
	requireBooksBalance(t, h.operator)
}

func TestCallsAtOnceNeverOverdraw(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := openTenant(t, h.gateway, 20_00)
	p := buy(t, h.gateway, id, billing.PackageStarter)
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(20)
	var used, refused atomic.Int64
	for i := range 40 {
		g.Go(func() error {
			hold, err := h.reserve(ctx, id, dear)
			switch {
			case errors.Is(err, billing.ErrInsufficientCredits):
				refused.Add(1)
				return nil
			case err != nil:
				return err
			case i%4 == 3:
				return h.release(ctx, hold)
			}
			if _, _, err = h.capture(ctx, hold, 3_00); err != nil {
				return err
			}
			used.Add(3_00)
			_, err = h.record(ctx, []uuid.UUID{id}, hold.ID)
			return err
		})
	}
	g.Go(func() error { _, err := h.credit(ctx, paid(p, "t1")); return err }) // a payment in the middle
	require.NoError(t, g.Wait())
	require.LessOrEqual(t, used.Load(), int64(50_00))
	require.Positive(t, refused.Load())
	require.Equal(t, 50_00-used.Load(), int64(h.balance(t, id).Total))
	requireBooksBalance(t, h.operator)
}

// TestPropertyHoldsKeepTheBooks makes any sequence of holds, captures, releases, ends of lots, sweeps and purchases, and compares the books with a model that is an ordinary object.
func TestPropertyHoldsKeepTheBooks(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		ctx := t.Context()
		id := openTenant(t, h.gateway, 4_00)
		spendable, held := money.Credits(4_00), map[*billing.Hold]bool{}
		var captured, gave, took money.Credits
		var unrecorded []uuid.UUID
		var start []time.Time
		var seen []money.Credits
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"reserve", "reserve", "reserve", "capture", "capture", "release", "record", "buy", "end", "sweep"}).Draw(rt, "step") {
			case "reserve":
				feature, cost := dear, money.Credits(3_00)
				if rapid.Bool().Draw(rt, "cheap") {
					feature, cost = cheap, 10
				}
				hold, err := h.reserve(ctx, id, feature)
				if spendable < cost {
					require.ErrorIs(rt, err, billing.ErrInsufficientCredits)
					continue
				}
				require.NoError(rt, err)
				held[hold], spendable, took = true, spendable-cost, took+cost
			case "capture":
				for hold := range held {
					amount := money.Credits(rapid.IntRange(1, int(hold.Amount)).Draw(rt, "amount"))
					_, _, err := h.capture(ctx, hold, amount)
					require.NoError(rt, err)
					captured, gave = captured+amount, gave+hold.Amount-amount
					unrecorded = append(unrecorded, hold.ID)
					delete(held, hold)
					spendable = h.balance(t, id).Total // what is given back to a lot that has ended cannot be spent
					break
				}
			case "release":
				for hold := range held {
					require.NoError(rt, h.release(ctx, hold))
					gave += hold.Amount
					delete(held, hold)
					spendable = h.balance(t, id).Total
					break
				}
			case "record":
				_, err := h.record(ctx, []uuid.UUID{id}, unrecorded...)
				require.NoError(rt, err)
				unrecorded = nil
			case "buy":
				p := buy(t, h.gateway, id, billing.PackageStarter)
				_, err := h.credit(ctx, paid(p, "hold-"+p.Reference))
				require.NoError(rt, err)
				spendable += 30_00
			case "end":
				h.exec(t, "update billing.credit_lot set expires_at = now() where id = (select id from billing.credit_lot where tenant_id = $1 and expires_at > now() order by expires_at limit 1)", id)
				spendable = h.balance(t, id).Total
			case "sweep":
				h.expire(t)
			}
			b := h.balance(t, id)
			require.Equal(rt, spendable, b.Total)
			start, seen = append(start, b.At), append(seen, b.Ledger)
			requireBooksBalance(t, h.operator)
		}
		var open money.Credits
		for hold := range held {
			open += hold.Amount
		}
		require.Equal(rt, took, captured+gave+open, "captured + given back + open = held")
		if rapid.IntRange(0, 3).Draw(rt, "look back") == 0 {
			for i, at := range start {
				require.NoError(rt, h.inShop(ctx, id, func(tx *gorm.DB) error {
					b, err := billing.BalanceAt(tx, at)
					require.NoError(rt, err)
					require.Equal(rt, seen[i], b.Ledger, "the past does not change")
					lines, _, err := billing.Ledger(tx, billing.LedgerCursor{}, at, 100)
					var sum money.Credits
					for _, l := range lines {
						sum += l.Delta
					}
					require.Equal(rt, b.Ledger, sum, "and its entries explain it")
					return err
				}))
			}
		}
	})
}

func TestTheBalanceOfAPastInstantIsTheBalanceOfThen(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := openTenant(t, h.gateway, 10_00)
	var then []*billing.Credits
	look := func() { then = append(then, h.balance(t, id)) }
	look()
	hold, err := h.reserve(t.Context(), id, dear)
	require.NoError(t, err)
	look()
	_, _, err = h.capture(t.Context(), hold, 2_00)
	require.NoError(t, err)
	look()
	_, err = h.record(t.Context(), []uuid.UUID{id}, hold.ID)
	require.NoError(t, err)
	look()
	p := buy(t, h.gateway, id, billing.PackageStarter)
	_, err = h.credit(t.Context(), paid(p, "t"))
	require.NoError(t, err)
	look()
	for _, want := range then {
		require.NoError(t, h.inShop(t.Context(), id, func(tx *gorm.DB) error {
			got, err := billing.BalanceAt(tx, want.At)
			require.NoError(t, err)
			require.Equal(t, want, got)
			return nil
		}))
	}
	require.NoError(t, h.inShop(t.Context(), id, func(tx *gorm.DB) error {
		b, err := billing.BalanceAt(tx, then[0].At.Add(-time.Hour))
		require.NoError(t, err)
		require.Zero(t, b.Ledger)
		require.Empty(t, b.Lots)
		return nil
	}))
}

func TestPersonalDataIsNotKept(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := openTenant(t, h.gateway, 10_00)
	hold, err := h.reserve(t.Context(), id, cheap)
	require.NoError(t, err)
	require.NoError(t, h.inShop(t.Context(), id, func(tx *gorm.DB) error {
		_, _, err := billing.Capture(tx, hold.ID, cheap, nil, billing.Usage{
			Request: map[string]any{"product": "Milo 400 g", "customer_name": "Ama Mensah", "note": "call +233 24 412 3456 or ama@example.com",
				"items": []any{map[string]any{"phone": "0244123456", "quantity": 3.0}}, "account": 233244123456.0},
			Summary: "Write to kofi@example.com. " + strings.Repeat("é", 1000),
		})
		return err
	}))
	var request, text string
	require.NoError(t, h.admin.QueryRow(t.Context(), "select request_data::text, response_summary from billing.usage_transaction").Scan(&request, &text))
	require.JSONEq(t, `{"product":"Milo 400 g","customer_name":"[removed]","note":"call [removed] or [removed]","items":[{"phone":"[removed]","quantity":3}],"account":"[removed]"}`, request)
	require.Len(t, []rune(text), 500)
	require.True(t, strings.HasPrefix(text, "Write to [removed]. é"))
	hold, err = h.reserve(t.Context(), id, cheap)
	require.NoError(t, err)
	require.ErrorIs(t, h.inShop(t.Context(), id, func(tx *gorm.DB) error {
		_, _, err := billing.Capture(tx, hold.ID, cheap, nil, billing.Usage{Request: map[string]any{"text": strings.Repeat("x", 9000)}})
		return err
	}), billing.ErrRequestTooLarge)
	require.Equal(t, 1, h.count(t, "select count(*) from billing.usage_transaction"), "nothing is half done")
}

func TestOldCallsAreDeletedAndTheirSumsStay(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := openTenant(t, h.gateway, 10_00)
	call := func(fail bool) {
		hold, err := h.reserve(t.Context(), id, cheap)
		require.NoError(t, err)
		if fail {
			require.NoError(t, h.release(t.Context(), hold))
			return
		}
		_, _, err = h.capture(t.Context(), hold, 10)
		require.NoError(t, err)
	}
	call(false)
	call(true)
	h.exec(t, "update billing.usage_transaction set created_at = now() - interval '91 days', retention_until = now() - interval '1 day'")
	call(false)
	stats := func() (list []billing.FeatureUsage) {
		require.NoError(t, h.inShop(t.Context(), id, func(tx *gorm.DB) (err error) {
			list, err = billing.UsageStats(tx, 365, time.Now())
			return err
		}))
		return list
	}
	want := []billing.FeatureUsage{{Feature: cheap, Calls: 3, Failures: 1, Credits: 20}}
	require.Equal(t, want, stats())
	for _, deleted := range []int{1, 1, 0} {
		require.NoError(t, h.billing.InSystem(t.Context(), func(tx *gorm.DB) error {
			n, more, err := billing.CleanUsage(tx, 1)
			require.Equal(t, deleted, n)
			require.Equal(t, deleted == 1, more)
			return err
		}))
	}
	require.Equal(t, want, stats(), "the sums are the same")
	require.Equal(t, 1, h.count(t, "select count(*) from billing.usage_transaction"))
	require.Equal(t, 1, h.count(t, "select count(*) from billing.usage_day where calls = 2 and failures = 1"))
}
