package billing

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/problem"
)

// SubscriptionStatus is the state of a business's subscription.
//
//	TRIAL ──its end──▶ INACTIVE       TRIAL, INACTIVE, PAST_DUE, EXPIRED, CANCELLED ──a payment──▶ ACTIVE
//	ACTIVE ──period over──▶ PAST_DUE ──grace over──▶ EXPIRED
//	ACTIVE ──its owner, at once or when the period is over──▶ CANCELLED
//	any ──an operator──▶ SUSPENDED ──an operator, and nobody else──▶ what the period says
type SubscriptionStatus string

// The states of a subscription.
const (
	SubInactive  SubscriptionStatus = "INACTIVE"
	SubTrial     SubscriptionStatus = "TRIAL"
	SubActive    SubscriptionStatus = "ACTIVE"
	SubPastDue   SubscriptionStatus = "PAST_DUE"
	SubExpired   SubscriptionStatus = "EXPIRED"
	SubSuspended SubscriptionStatus = "SUSPENDED"
	SubCancelled SubscriptionStatus = "CANCELLED"
)

// Errors of subscriptions.
var (
	// ErrNoSubscription reports a business that has none.
	ErrNoSubscription = problem.New(problem.NotFound, "no_subscription", "This business has no subscription.")
	// ErrSuspended reports a subscription that an operator has suspended: paying does not lift that.
	ErrSuspended = problem.New(problem.Conflict, "subscription_suspended", "This subscription is suspended. Paying does not change that; write to us.")
	// ErrNotCancellable reports a subscription that is not active.
	ErrNotCancellable = problem.New(problem.Conflict, "subscription_not_active", "Only an active subscription can be cancelled.")
	// ErrNotReactivated reports a subscription that has ended: a payment brings it back, and nothing else.
	ErrNotReactivated = problem.New(problem.Conflict, "subscription_ended", "This subscription has ended. Pay for a month to bring it back.")
	// ErrStorefrontsOpen reports a number of storefronts that is lower than that of those that are open.
	ErrStorefrontsOpen = problem.New(problem.Conflict, "storefronts_open", "More storefronts are open than that. Close some first.")
	// ErrRunning reports a subscription that is active, or suspended: there is nothing to open.
	ErrRunning = problem.New(problem.Conflict, "subscription_active", "This business has an active subscription.")
	// ErrNotSuspended reports a subscription that there is no suspension to lift of.
	ErrNotSuspended = problem.New(problem.Conflict, "subscription_not_suspended", "This subscription is not suspended.")
)

// Subscription is one business's.
type Subscription struct {
	Tenant uuid.UUID
	// Stored is the status as it was written last. Ask StatusAt what it is.
	Stored SubscriptionStatus
	// PaymentStatus is PAID, PENDING, FAILED, OVERDUE or CANCELLED.
	PaymentStatus string
	Storefronts   int
	IsTrial       bool
	TrialEnd      *time.Time
	// PeriodStart and PeriodEnd are what is paid for, or given as a trial, without a gap.
	PeriodStart, PeriodEnd time.Time
	// AutoRenew says that the next month is invoiced before this one ends. It is paid by hand all the same.
	AutoRenew bool
	// NextStorefronts is for how many storefronts the next month is to be paid; nil is as many as this one.
	NextStorefronts *int
	// GraceDays is how many days after the last of the period a subscription is past due before it is expired.
	GraceDays         int
	CancelAtPeriodEnd bool
	CancelledAt       *time.Time
	SuspendedAt       *time.Time
	SuspendReason     string
	// Zone is the business's: days and months are counted there.
	Zone *time.Location
	// anchor is the day of the month on which paid months begin; 0 before the first payment.
	anchor int
}

// StatusAt is the status at an instant. It needs no sweep to have run: a period that is over is over.
func (s *Subscription) StatusAt(now time.Time) SubscriptionStatus {
	switch s.Stored {
	case SubTrial, SubActive, SubPastDue:
	case SubInactive, SubExpired, SubSuspended, SubCancelled:
		return s.Stored
	}
	switch {
	case now.Before(s.PeriodEnd):
		return s.Stored
	case s.Stored == SubTrial:
		return SubInactive
	case s.CancelAtPeriodEnd:
		return SubCancelled
	case daysBetween(s.PeriodEnd, now, s.Zone) > s.GraceDays:
		return SubExpired
	default:
		return SubPastDue
	}
}

// GraceEnds is the first instant at which a past due subscription is expired.
func (s *Subscription) GraceEnds() time.Time {
	y, m, d := s.PeriodEnd.In(s.Zone).Date()
	return time.Date(y, m, d+s.GraceDays+1, 0, 0, 0, 0, s.Zone)
}

// DaysLeft counts the days of the business's calendar until the period ends: 0 on its last day, and afterwards.
func (s *Subscription) DaysLeft(now time.Time) int {
	return max(0, daysBetween(now, s.PeriodEnd, s.Zone))
}

// TrialStorefronts is how many storefronts a business may try the product with.
const TrialStorefronts = 5

// Covers is how many storefronts the business may have open.
func (s *Subscription) Covers(now time.Time) int {
	if s.StatusAt(now) == SubTrial {
		return max(TrialStorefronts, s.Storefronts)
	}
	return s.Storefronts
}

// BilledStorefronts is for how many storefronts the next month is to be paid.
func (s *Subscription) BilledStorefronts() int {
	if s.NextStorefronts != nil {
		return *s.NextStorefronts
	}
	return s.Storefronts
}

// nextPeriod is the month that follows the period.
func (s *Subscription) nextPeriod() (start, end time.Time) {
	local, anchor := s.PeriodEnd.In(s.Zone), s.anchor
	if anchor == 0 {
		anchor = local.Day()
	}
	return s.PeriodEnd.UTC(), nextMonth(local, anchor).UTC()
}

// daysBetween counts calendar days in zone: an hour before and after midnight are one day apart.
func daysBetween(from, to time.Time, zone *time.Location) int {
	day := func(t time.Time) time.Time {
		y, m, d := t.In(zone).Date()
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	}
	return int(day(to).Sub(day(from)) / (24 * time.Hour))
}

// Access says what a business may do.
type Access struct {
	// Change is selling, changing stock, and whatever costs credits. Automation is what runs by itself for the business.
	Change, Automation bool
	// Reports and Exports may be read and made; in the days of grace nothing else may.
	Reports, Exports bool
}

// AccessOf says what a business with a subscription in that state may do. A trial is as good as a paid month.
func AccessOf(status SubscriptionStatus) Access {
	switch status {
	case SubTrial, SubActive:
		return Access{Change: true, Automation: true, Reports: true, Exports: true}
	case SubPastDue:
		return Access{Reports: true, Exports: true}
	case SubInactive, SubExpired, SubSuspended, SubCancelled:
	}
	return Access{}
}

// nextMonth is the instant one calendar month after local, on the day anchor or, where the month is shorter, on its last: after Jan 31 come Feb 28 and Mar 31.
func nextMonth(local time.Time, anchor int) time.Time {
	y, m, _ := local.Date()
	switch past := local.Day() - min(anchor, lastDay(y, m)); { // not zero where the business has moved to another zone since
	case past < -14: // it is still the last hours before the anchor, or the first after it, in a month beside that of the anchor
		m--
	case past > 14:
		m++
	}
	last := lastDay(y, m+1)
	return time.Date(y, m+1, min(anchor, last), local.Hour(), local.Minute(), local.Second(), local.Nanosecond(), local.Location())
}

func lastDay(y int, m time.Month) int { return time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day() }

const selectSubscription = `
	select s.tenant_id, s.status, s.payment_status, s.storefronts, s.next_storefronts, s.is_trial, s.trial_end, s.period_start, s.period_end, s.grace_period_days, s.auto_renew,
	       s.cancel_at_period_end, s.cancelled_at, s.suspended_at, s.suspend_reason, b.timezone, coalesce(s.anchor_day, 0)
	  from billing.subscription s join accounts.business b on b.id = s.tenant_id `

func scanSubscription(rows pgx.Rows) (*Subscription, error) {
	s := &Subscription{}
	var zone string
	err := rows.Scan(&s.Tenant, &s.Stored, &s.PaymentStatus, &s.Storefronts, &s.NextStorefronts, &s.IsTrial, &s.TrialEnd, &s.PeriodStart, &s.PeriodEnd, &s.GraceDays, &s.AutoRenew,
		&s.CancelAtPeriodEnd, &s.CancelledAt, &s.SuspendedAt, &s.SuspendReason, &zone, &s.anchor)
	s.Zone = location(zone)
	return s, err
}

// readSubscriptions returns those of the businesses that tx is bound to, in the order of their ids.
func readSubscriptions(tx *gorm.DB, tenants []uuid.UUID, lock string) (list []*Subscription, err error) {
	err = query(tx, "read subscriptions", selectSubscription+`where s.tenant_id = any ($1::uuid[]) order by s.tenant_id `+lock, func(rows pgx.Rows) error {
		s, err := scanSubscription(rows)
		list = append(list, s)
		return err
	}, tenants)
	return list, err
}

// SubscriptionOf returns the subscription of the transaction's tenant, or ErrNoSubscription.
func SubscriptionOf(tx *gorm.DB) (*Subscription, error) { return readSubscription(tx, "") }

func readSubscription(tx *gorm.DB, lock string) (s *Subscription, err error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("read subscription: %w", err)
	}
	err = query(tx, "read subscription", selectSubscription+`where s.tenant_id = $1 `+lock, func(rows pgx.Rows) (err error) {
		s, err = scanSubscription(rows)
		return err
	}, owner)
	if err == nil && s == nil {
		err = fmt.Errorf("read subscription: %w", ErrNoSubscription)
	}
	return s, err
}

// location is a business's zone. One that this machine does not know is taken for Ghana's, which is UTC.
func location(name string) *time.Location {
	if zone, err := time.LoadLocation(name); err == nil {
		return zone
	}
	return time.UTC
}

// CancelSubscription ends the transaction's tenant's active subscription, at once or when its period is over, and gives up its pending payments if at once. What is owed
// for the next month is not owed any more; what was paid is not given back. Cancelling again changes nothing, and fresh is then false. who is the owner who decided. Errors: ErrNoSubscription, ErrNotCancellable.
func CancelSubscription(tx *gorm.DB, who audit.Entry, user uuid.UUID, atOnce bool, reason string, now time.Time) (s *Subscription, fresh bool, err error) {
	// Payments before the subscription, as those who settle them lock.
	if _, err := exec(tx, "lock pending payments", `select from billing.subscription_payment where status = 'PENDING' order by reference for no key update`); err != nil {
		return nil, false, err
	}
	if s, err = readSubscription(tx, `for no key update of s`); err != nil {
		return nil, false, err
	}
	switch status := s.StatusAt(now); {
	case status == SubCancelled || status == SubActive && s.CancelAtPeriodEnd && !atOnce:
		return s, false, nil
	case status != SubActive:
		return nil, false, fmt.Errorf("cancel a subscription that is %s: %w", status, ErrNotCancellable)
	}
	statement := `update billing.subscription set cancel_at_period_end = true, cancelled_by = $2, cancel_reason = $3, updated_at = now() where tenant_id = $1`
	action := "subscription.cancelled_at_period_end"
	if atOnce {
		action = "subscription.cancelled"
		statement = `update billing.subscription set status = 'CANCELLED', payment_status = 'CANCELLED', cancelled_at = now(), cancelled_by = $2, cancel_reason = $3, updated_at = now() where tenant_id = $1`
		if _, err := exec(tx, "cancel pending payments", `update billing.subscription_payment set status = 'CANCELLED', updated_at = now() where tenant_id = $1 and status = 'PENDING'`, s.Tenant); err != nil {
			return nil, false, err
		}
	}
	if _, err := exec(tx, "cancel subscription", statement, s.Tenant, user, reason); err != nil {
		return nil, false, err
	}
	if err := cancelInvoices(tx, s.Tenant); err != nil {
		return nil, false, err
	}
	who.Tenant, who.Action, who.Entity, who.EntityID = s.Tenant, action, "subscription", s.Tenant.String()
	who.Changes = map[string]any{"reason": reason, "period_end": s.PeriodEnd}
	if err := audit.Record(tx, who); err != nil {
		return nil, false, err
	}
	s, err = SubscriptionOf(tx)
	return s, err == nil, err
}

// SuspendSubscription takes a business's access away, as an operator decided: no payment brings it back. fresh is false when it was suspended before.
// tx must be bound to the tenant. Errors: ErrNoSubscription.
func SuspendSubscription(tx *gorm.DB, by By) (s *Subscription, fresh bool, err error) {
	if s, err = readSubscription(tx, `for no key update of s`); err != nil || s.Stored == SubSuspended {
		return s, false, err
	}
	_, err = exec(tx, "suspend subscription", `
		update billing.subscription set status = 'SUSPENDED', suspended_at = now(), suspend_reason = $2, updated_at = now() where tenant_id = $1`, s.Tenant, by.Reason)
	if err != nil {
		return nil, false, err
	}
	was := s.Stored
	s.Stored = SubSuspended
	return s, true, audit.Record(tx, by.entry(s.Tenant, "subscription.suspended", "subscription", s.Tenant.String(), map[string]any{"status": []any{was, s.Stored}}))
}

// ActivateSubscription lifts a suspension, as an operator decided: the subscription is then what its period says. tx must be bound to the tenant.
// Errors: ErrNoSubscription, ErrNotSuspended.
func ActivateSubscription(tx *gorm.DB, by By, now time.Time) (s *Subscription, err error) {
	if s, err = readSubscription(tx, `for no key update of s`); err != nil {
		return nil, err
	}
	if s.Stored != SubSuspended {
		return nil, fmt.Errorf("activate a subscription that is %s: %w", s.StatusAt(now), ErrNotSuspended)
	}
	switch {
	case s.CancelledAt != nil:
		s.Stored = SubCancelled
	case s.IsTrial:
		s.Stored = SubTrial
	case s.anchor == 0:
		s.Stored = SubInactive // nothing was ever paid for
	default:
		s.Stored = SubActive
	}
	s.Stored, s.SuspendedAt, s.SuspendReason = s.StatusAt(now), nil, ""
	_, err = exec(tx, "lift suspension", `
		update billing.subscription set status = $2, suspended_at = null, suspend_reason = '', lifted_at = clock_timestamp(), updated_at = now() where tenant_id = $1`, s.Tenant, s.Stored)
	if err != nil {
		return nil, err
	}
	return s, audit.Record(tx, by.entry(s.Tenant, "subscription.activated", "subscription", s.Tenant.String(), map[string]any{"status": []any{SubSuspended, s.Stored}}))
}

// SubscriptionsOf returns the subscriptions of the businesses, to all of whom tx must be bound, in the order of their ids.
func SubscriptionsOf(tx *gorm.DB, tenants []uuid.UUID) ([]*Subscription, error) {
	return readSubscriptions(tx, tenants, "")
}
