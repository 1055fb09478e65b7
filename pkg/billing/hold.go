package billing

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/problem"
)

// HoldLife is how long a hold sets credits aside: the slowest feature answers within minutes, and a caller that died must not lock credits up for long.
const HoldLife = 15 * time.Minute

// Errors of holds.
var (
	// ErrInsufficientCredits reports a balance that does not cover the call.
	ErrInsufficientCredits = problem.New(problem.PaymentRequired, "insufficient_credits", "The credit balance does not cover this. Buy credits and try again.")
	// ErrHoldNotFound reports a charge that does not exist in the transaction's tenant, or is of another feature.
	ErrHoldNotFound = problem.New(problem.NotFound, "charge_not_found", "There is no such charge.")
	// ErrHoldEnded reports a charge whose credits are not set aside any more: it was released, cancelled by a refund, or ran out of time.
	ErrHoldEnded = problem.New(problem.Conflict, "charge_ended", "The charge was released or has run out of time. Reserve again.")
	// ErrHoldCaptured reports a charge that was captured before, with another amount or for another end.
	ErrHoldCaptured = problem.New(problem.Conflict, "charge_captured", "The charge was captured before.")
	// ErrCaptureAmount reports an amount that is not between 0.01 and what is held.
	ErrCaptureAmount = problem.New(problem.Invalid, "capture_amount", "A capture takes from 0.01 to what is held.",
		problem.FieldError{Pointer: "/credits", Field: "credits", Code: "out_of_range", Message: "must be from 0.01 to what the charge holds"})
)

// HoldState is what became of a hold.
type HoldState string

// The states of a hold. Only a held one moves, and each other state is final.
const (
	Held         HoldState = "held"
	Captured     HoldState = "captured"
	ReleasedHold HoldState = "released"
	ExpiredHold  HoldState = "expired"
	Cancelled    HoldState = "cancelled" // the purchase that its credits came from was refunded
)

// Hold is a number of credits set aside for one call of a feature. A hold is no ledger entry: only what is captured becomes one.
type Hold struct {
	ID, Tenant, User uuid.UUID
	Feature          string
	// Amount is set aside, Captured what was used of it in the end.
	Amount, Captured     money.Credits
	State                HoldState
	CreatedAt, ExpiresAt time.Time
	EndedAt              *time.Time
}

// openHold is true of holds that lower what may be spent at the instant in its parameter: those that are held and have not run out, and those that were captured and are
// not in the ledger yet. h is billing.credit_hold.
func openHold(at string) string {
	return `(h.created_at <= ` + at + ` and (coalesce(h.ended_at, 'infinity') > ` + at + ` and h.expires_at > ` + at + `
		or h.state = 'captured' and h.ended_at <= ` + at + ` and coalesce(h.posted_at, 'infinity') > ` + at + `))`
}

// heldNow sums what is set aside of one lot, l. It looks at open holds only, which their partial index knows.
const heldNow = `coalesce((select sum(case h.state when 'held' then hl.amount else hl.captured end)
	from billing.credit_hold h join billing.credit_hold_lot hl on hl.hold_id = h.id
	where h.tenant_id = l.tenant_id and hl.lot_id = l.id
	  and (h.state = 'held' and h.expires_at > clock_timestamp() or h.state = 'captured' and h.posted_at is null)), 0)::bigint`

// lockAccount locks the credit account of the transaction's tenant. Whoever sets credits aside, uses them or takes them away does this first, so they take turns.
func lockAccount(tx *gorm.DB, id uuid.UUID) (account uuid.UUID, err error) {
	err = query(tx, "lock credit account", `
		select id from billing.ledger_account where tenant_id = $1 and kind = 'credits' and unit = 'CRD' for update`,
		func(rows pgx.Rows) error { return rows.Scan(&account) }, id)
	if err == nil && account == uuid.Nil {
		err = ErrNoAccount
	}
	return account, err
}

// Reserve sets aside the price of one call of the feature, from the lots that end first. It waits for others who change this business's credits, so any number of
// calls at once set aside no more than there is. tx must be bound to the tenant.
// Errors: ErrUnknownFeature, ErrInsufficientCredits, ErrNoAccount.
func Reserve(tx *gorm.DB, user uuid.UUID, feature string, now time.Time) (*Hold, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("reserve credits: %w", err)
	}
	cost, err := FeatureCostOn(tx, feature, now.UTC())
	if err != nil {
		return nil, err
	}
	if _, err := lockAccount(tx, owner); err != nil {
		return nil, fmt.Errorf("reserve credits: %w", err)
	}
	if _, err := exec(tx, "end old holds", `
		update billing.credit_hold set state = 'expired', ended_at = expires_at where tenant_id = $1 and state = 'held' and expires_at <= clock_timestamp()`, owner); err != nil {
		return nil, err
	}
	parts, short, err := spread(tx, owner, cost)
	if err != nil {
		return nil, err
	}
	if short > 0 {
		return nil, fmt.Errorf("reserve %s for %s: %w", cost, feature, ErrInsufficientCredits)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make hold id: %w", err)
	}
	h := &Hold{ID: id, Tenant: owner, User: user, Feature: feature, Amount: cost, State: Held}
	err = query(tx, "insert hold", `
		insert into billing.credit_hold (id, tenant_id, user_id, feature, amount, expires_at)
		values ($1, $2, $3, $4, $5, clock_timestamp() + $6::bigint * interval '1 second') returning created_at, expires_at`,
		func(rows pgx.Rows) error { return rows.Scan(&h.CreatedAt, &h.ExpiresAt) },
		h.ID, owner, user, feature, int64(cost), int64(HoldLife.Seconds()))
	if err != nil {
		return nil, err
	}
	_, err = exec(tx, "insert hold's lots", `
		insert into billing.credit_hold_lot (hold_id, line, tenant_id, lot_id, amount)
		select $1, line, $2, lot, amount from unnest($3::uuid[], $4::bigint[]) with ordinality as p (lot, amount, line)`,
		h.ID, owner, column(parts, func(p part) uuid.UUID { return p.lot }), column(parts, func(p part) int64 { return p.amount }))
	if err != nil {
		return nil, err
	}
	return h, nil
}

// part is what a hold takes of one lot.
type part struct {
	lot    uuid.UUID
	amount int64
}

// spread takes amount from the lots that end first, and returns what is missing. The account must be locked.
func spread(tx *gorm.DB, id uuid.UUID, amount money.Credits) (parts []part, short money.Credits, err error) {
	left := int64(amount)
	err = query(tx, "read spendable lots", `
		select l.id, l.remaining - `+heldNow+` from billing.credit_lot l
		 where l.tenant_id = $1 and l.remaining > 0 and l.expires_at > clock_timestamp() order by l.expires_at, l.id`,
		func(rows pgx.Rows) error {
			var lot uuid.UUID
			var free int64
			if err := rows.Scan(&lot, &free); err != nil {
				return err
			}
			if take := min(free, left); take > 0 {
				parts = append(parts, part{lot, take})
				left -= take
			}
			return nil
		}, id)
	return parts, money.Credits(left), err
}

const selectHold = `
	select id, tenant_id, user_id, feature, amount, captured, case when state = 'held' and expires_at <= clock_timestamp() then 'expired' else state end,
	       created_at, expires_at, case when state = 'held' and expires_at <= clock_timestamp() then expires_at else ended_at end
	  from billing.credit_hold `

func scanHold(rows pgx.Rows) (*Hold, error) {
	h := &Hold{}
	err := rows.Scan(&h.ID, &h.Tenant, &h.User, &h.Feature, &h.Amount, &h.Captured, &h.State, &h.CreatedAt, &h.ExpiresAt, &h.EndedAt)
	return h, err
}

// HoldByID returns the hold of the transaction's tenant, or ErrHoldNotFound.
func HoldByID(tx *gorm.DB, id uuid.UUID) (h *Hold, err error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("read hold: %w", err)
	}
	err = query(tx, "read hold", selectHold+`where tenant_id = $1 and id = $2`, func(rows pgx.Rows) (err error) {
		h, err = scanHold(rows)
		return err
	}, owner, id)
	if err == nil && h == nil {
		err = fmt.Errorf("hold %s: %w", id, ErrHoldNotFound)
	}
	return h, err
}
