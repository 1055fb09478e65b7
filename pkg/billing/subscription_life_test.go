package billing_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/billing"
	"makola/pkg/payments"
	"makola/pkg/tenant"
)

// life is one business's subscription as it ought to be: what has happened to it, and no state that is written down.
type life struct {
	h         *house
	id        uuid.UUID
	zone      *time.Location
	now, end  time.Time
	anchor    int
	ever      bool // paid at all
	suspended bool
	cancelled bool // at once
	cancels   bool // when its period is over
	months    []month
	spare     []*billing.SubscriptionPayment // begun, and not paid yet
}

type month struct {
	p          *billing.SubscriptionPayment
	start, end time.Time
}

func (l *life) status() billing.SubscriptionStatus {
	days := 0
	for day := l.end.In(l.zone); day.Format(time.DateOnly) < l.now.In(l.zone).Format(time.DateOnly); day = day.AddDate(0, 0, 1) {
		days++
	}
	switch over := !l.now.Before(l.end); {
	case l.suspended:
		return billing.SubSuspended
	case l.cancelled || over && l.cancels:
		return billing.SubCancelled
	case !over && !l.ever:
		return billing.SubTrial
	case !over:
		return billing.SubActive
	case !l.ever:
		return billing.SubInactive
	case days > 7:
		return billing.SubExpired
	default:
		return billing.SubPastDue
	}
}

// pay pays for a month, and tells of it twice.
func (l *life) pay(t *testing.T) {
	t.Helper()
	if l.status() != billing.SubSuspended {
		l.spare = append(l.spare, l.h.order(t, l.id, 1+len(l.months)%3))
	}
	if len(l.spare) == 0 {
		return
	}
	p := l.spare[0]
	l.spare = l.spare[1:]
	l.h.settled(t, l.now, paidMonth(p), billing.Credited)
	l.h.settled(t, l.now, paidMonth(p), billing.AlreadyProcessed)
	start := l.end
	if start.Before(l.now) {
		start, l.anchor = l.now, 0
	}
	local := start.In(l.zone)
	if l.anchor == 0 {
		l.anchor = local.Day()
	}
	first := time.Date(local.Year(), local.Month()+1, 1, local.Hour(), local.Minute(), 0, 0, l.zone)
	l.end = first.AddDate(0, 0, min(l.anchor, first.AddDate(0, 1, -1).Day())-1)
	l.ever, l.cancelled, l.cancels = true, false, false
	l.months = append(l.months, month{p, start, l.end})
}

func (l *life) giveBack(t *testing.T) {
	t.Helper()
	if len(l.months) == 0 {
		return
	}
	last := l.months[len(l.months)-1]
	l.months = l.months[:len(l.months)-1]
	e := paidMonth(last.p)
	e.Kind, e.Return, e.Status, e.CaseID = payments.KindRefund, payments.ReturnDone, "", "r"
	l.h.settled(t, l.now, e, billing.Returned)
	l.end = last.start
}

func (l *life) cancel(t *testing.T, atOnce bool) {
	t.Helper()
	allowed := l.status() == billing.SubActive
	known := l.status() == billing.SubCancelled || allowed && l.cancels && !atOnce
	err := l.h.gateway.InTenant(tenant.With(t.Context(), l.id), func(tx *gorm.DB) error {
		_, fresh, err := billing.CancelSubscription(tx, audit.Entry{Actor: "ama"}, uuid.New(), atOnce, "", l.now)
		require.Equal(t, allowed && !known, fresh)
		return err
	})
	if !allowed && !known {
		require.ErrorIs(t, err, billing.ErrNotCancellable)
		return
	}
	require.NoError(t, err)
	switch {
	case known:
	case atOnce:
		l.cancelled, l.spare = true, nil
	default:
		l.cancels = true
	}
}

func (l *life) takeBack(t *testing.T) {
	t.Helper()
	err := l.h.gateway.InTenant(tenant.With(t.Context(), l.id), func(tx *gorm.DB) error {
		_, err := billing.ReactivateSubscription(tx, audit.Entry{Actor: "ama"}, l.now)
		return err
	})
	if s := l.status(); s == billing.SubActive || s == billing.SubTrial {
		require.NoError(t, err)
		l.cancels = false
		return
	}
	require.Error(t, err)
}

func (l *life) decide(t *testing.T, suspend bool) {
	t.Helper()
	err := l.h.billing.InTenant(tenant.With(t.Context(), l.id), func(tx *gorm.DB) (err error) {
		if suspend {
			_, _, err = billing.SuspendSubscription(tx, billing.By{Actor: "esi", Reason: "fraud"})
			return err
		}
		_, err = billing.ActivateSubscription(tx, billing.By{Actor: "esi", Reason: "cleared"}, l.now)
		return err
	})
	if !suspend && !l.suspended {
		require.ErrorIs(t, err, billing.ErrNotSuspended)
		return
	}
	require.NoError(t, err)
	l.suspended = suspend
}

// sweep is what cron runs. Whether it has run makes no difference.
func (l *life) sweep(t *testing.T) {
	t.Helper()
	require.NoError(t, l.h.billing.InSystem(t.Context(), func(tx *gorm.DB) error {
		_, _, err := billing.EndPeriods(tx, l.now, false, 100)
		return err
	}))
}

// Invariants 8, 9 and 10, for whatever happens to a subscription in whatever order: it is what its payments and the decisions about it say, and no sweep, told twice or never, makes a
// difference to that. Each life has its own seed.
func TestASubscriptionIsWhatHasHappenedToIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		zone := []string{"Africa/Accra", "Pacific/Kiritimati", "America/New_York"}[seed%3]
		loc, err := time.LoadLocation(zone)
		require.NoError(t, err)
		now := time.Date(2026, 1, 20+r.IntN(360), r.IntN(24), 0, 0, 0, time.UTC)
		l := &life{h: h, zone: loc, now: now, end: now.AddDate(0, 0, r.IntN(14))}
		l.id = h.subscriber(t, zone, l.end)
		did := ""
		for range 12 {
			step := r.IntN(13)
			did += fmt.Sprintf(" %d", step)
			switch step {
			case 0, 1, 2:
				l.pay(t)
			case 3:
				l.giveBack(t)
			case 4, 5:
				l.cancel(t, step == 4)
			case 6:
				l.takeBack(t)
			case 7, 8, 9:
				l.decide(t, step == 7)
			default:
				l.now = l.now.Add(time.Duration(r.IntN(20*24)) * time.Hour)
			}
			if r.IntN(2) == 0 {
				l.sweep(t)
			}
			s := h.subscription(t, l.id)
			require.Equal(t, l.status(), s.StatusAt(l.now), "seed %d:%s", seed, did)
			require.True(t, l.end.Equal(s.PeriodEnd), "seed %d:%s: want %s, got %s", seed, did, l.end, s.PeriodEnd)
		}
		require.Equal(t, len(l.months), h.count(t, `select count(*) from billing.invoice i join billing.subscription_payment p on p.id = i.payment_id
			where i.tenant_id = $1 and i.status = 'PAID' and p.status = 'SUCCESSFUL'`, l.id), "seed %d:%s: each month that is paid for has its invoice", seed, did)
	}
	requireBooksBalance(t, h.operator)
}
