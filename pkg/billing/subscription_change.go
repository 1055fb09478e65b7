package billing

import (
	"fmt"
	"time"

	"gorm.io/gorm"

	"makola/pkg/audit"
)

// OpenSubscription gives the transaction's tenant a subscription if it has none; fresh says whether it had. One that is there is returned as it is: nothing is replaced.
// Errors: ErrRunning, ErrSuspended.
func OpenSubscription(tx *gorm.DB, now time.Time) (s *Subscription, fresh bool, err error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, false, fmt.Errorf("open subscription: %w", err)
	}
	n, err := exec(tx, "open subscription", `
		insert into billing.subscription (tenant_id, status, period_start, period_end) values ($1, 'INACTIVE', $2, $2) on conflict (tenant_id) do nothing`, owner, now.UTC())
	if err != nil {
		return nil, false, err
	}
	if s, err = SubscriptionOf(tx); err != nil {
		return nil, false, err
	}
	switch s.StatusAt(now) {
	case SubActive:
		return nil, false, fmt.Errorf("open subscription: %w", ErrRunning)
	case SubSuspended:
		return nil, false, fmt.Errorf("open subscription: %w", ErrSuspended)
	case SubInactive, SubTrial, SubPastDue, SubExpired, SubCancelled:
	}
	return s, n == 1, nil
}

// SubscriptionChange is how a subscription is to go on. Nil fields stay as they are.
type SubscriptionChange struct {
	// Storefronts is for how many the next month is to be paid.
	Storefronts *int
	AutoRenew   *bool
}

// ChangeSubscription changes how the transaction's tenant's subscription goes on. What was paid for stays; open invoices that do not hold any more are cancelled, and made anew when
// the next month is near. open is how many storefronts the business has open. Errors: ErrNoSubscription, ErrSuspended, ErrStorefronts, ErrNoTier, ErrStorefrontsOpen.
func ChangeSubscription(tx *gorm.DB, who audit.Entry, c SubscriptionChange, open int, now time.Time) (*Subscription, error) {
	s, err := readSubscription(tx, `for no key update of s`)
	switch {
	case err != nil:
		return nil, err
	case s.Stored == SubSuspended:
		return nil, fmt.Errorf("change subscription: %w", ErrSuspended)
	}
	storefronts, renew := s.BilledStorefronts(), s.AutoRenew
	if c.Storefronts != nil {
		storefronts = *c.Storefronts
		if _, err := PriceSubscription(tx, storefronts, "", now.UTC()); err != nil {
			return nil, err
		}
		if storefronts < open {
			return nil, fmt.Errorf("change subscription: %w", ErrStorefrontsOpen)
		}
	}
	if c.AutoRenew != nil {
		renew = *c.AutoRenew
	}
	if storefronts == s.BilledStorefronts() && renew == s.AutoRenew {
		return s, nil
	}
	if _, err := exec(tx, "change subscription", `
		update billing.subscription set next_storefronts = nullif($2::int, storefronts), auto_renew = $3, updated_at = now() where tenant_id = $1`, s.Tenant, storefronts, renew); err != nil {
		return nil, err
	}
	if storefronts != s.BilledStorefronts() || !renew {
		if err := cancelInvoices(tx, s.Tenant); err != nil {
			return nil, err
		}
	}
	who.Tenant, who.Action, who.Entity, who.EntityID = s.Tenant, "subscription.changed", "subscription", s.Tenant.String()
	who.Changes = map[string]any{"next_storefronts": []any{s.BilledStorefronts(), storefronts}, "auto_renew": []any{s.AutoRenew, renew}}
	if err := audit.Record(tx, who); err != nil {
		return nil, err
	}
	return SubscriptionOf(tx)
}

// ReactivateSubscription takes back that the transaction's tenant's subscription ends with its period. Doing it again changes nothing. Errors: ErrNoSubscription, ErrSuspended,
// ErrNotReactivated.
func ReactivateSubscription(tx *gorm.DB, who audit.Entry, now time.Time) (*Subscription, error) {
	s, err := readSubscription(tx, `for no key update of s`)
	if err != nil {
		return nil, err
	}
	switch s.StatusAt(now) {
	case SubActive:
		if !s.CancelAtPeriodEnd {
			return s, nil
		}
	case SubTrial:
		return s, nil
	case SubSuspended:
		return nil, fmt.Errorf("reactivate subscription: %w", ErrSuspended)
	case SubInactive, SubPastDue, SubExpired, SubCancelled:
		return nil, fmt.Errorf("reactivate subscription: %w", ErrNotReactivated)
	}
	if _, err := exec(tx, "reactivate subscription", `
		update billing.subscription set cancel_at_period_end = false, cancelled_by = null, cancel_reason = '', updated_at = now() where tenant_id = $1`, s.Tenant); err != nil {
		return nil, err
	}
	who.Tenant, who.Action, who.Entity, who.EntityID = s.Tenant, "subscription.reactivated", "subscription", s.Tenant.String()
	who.Changes = map[string]any{"period_end": s.PeriodEnd}
	if err := audit.Record(tx, who); err != nil {
		return nil, err
	}
	return SubscriptionOf(tx)
}
