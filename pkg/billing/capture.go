package billing

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/problem"
)

const (
	// maxSummary is the most characters kept of a response or an error.
	maxSummary = 500
	// maxRequestBytes is the most that is kept of a request, as JSON, after personal data was taken out.
	maxRequestBytes = 8 << 10
)

// ErrRequestTooLarge reports request data that does not fit maxRequestBytes.
var ErrRequestTooLarge = problem.New(problem.Invalid, "request_too_large", "The request data is too large to be kept.",
	problem.FieldError{Pointer: "/request", Field: "request", Code: "too_large", Message: "must be at most 8 KiB of JSON"})

// Usage is what is kept of one call of a feature, for 90 days.
type Usage struct {
	// ProviderCost is what the call cost us, in 1/10000 GHS; Tokens and ProcessingMS measure it. None is negative.
	ProviderCost, Tokens, ProcessingMS int64
	// Request is a JSON object or nil. Personal data is taken out of it before it is stored.
	Request map[string]any
	// Summary is the beginning of the response, Error what went wrong; both are cut at 500 characters, and personal data is taken out.
	Summary, Error string
}

// Capture uses up credits of a hold: amount of them, or all that are held when it is nil; the rest is free again. The call is kept as usage. fresh is false when the hold
// was captured before with the same amount: then nothing changes. Whoever captures enqueues ai_features.record_usage in the same transaction when fresh, which brings
// the use into the ledger; until then the hold itself lowers the balance. tx must be bound to the tenant.
// Errors: ErrHoldNotFound, ErrHoldEnded, ErrHoldCaptured, ErrCaptureAmount, ErrRequestTooLarge.
func Capture(tx *gorm.DB, id uuid.UUID, feature string, amount *money.Credits, u Usage) (h *Hold, fresh bool, err error) {
	h, err = lockHold(tx, id, feature)
	if err != nil {
		return nil, false, err
	}
	take := h.Amount
	if amount != nil {
		take = *amount
	}
	switch {
	case take <= 0 || take > h.Amount:
		return nil, false, fmt.Errorf("capture %s of hold %s: %w", take, id, ErrCaptureAmount)
	case h.State == Captured && h.Captured == take:
		return h, false, nil
	case h.State == Captured:
		return nil, false, fmt.Errorf("capture hold %s: %w", id, ErrHoldCaptured)
	case h.State != Held:
		return nil, false, fmt.Errorf("capture hold %s: %w", id, ErrHoldEnded)
	}
	// The lots that end first are used first, as they were set aside.
	if _, err := exec(tx, "capture hold's lots", `
		update billing.credit_hold_lot hl set captured = greatest(0, least(hl.amount, $2 - s.before))
		  from (select line, coalesce(sum(amount) over (order by line rows between unbounded preceding and 1 preceding), 0)::bigint as before
		          from billing.credit_hold_lot where hold_id = $1) s
		 where hl.hold_id = $1 and hl.line = s.line`, id, int64(take)); err != nil {
		return nil, false, err
	}
	return h, true, h.end(tx, Captured, take, u)
}

// Release gives back all that a hold set aside, because the call failed or was not made: it costs nothing. Releasing a hold that was released or has run out changes
// nothing. tx must be bound to the tenant. Errors: ErrHoldNotFound, ErrHoldCaptured, ErrRequestTooLarge.
func Release(tx *gorm.DB, id uuid.UUID, feature string, u Usage) (*Hold, error) {
	h, err := lockHold(tx, id, feature)
	if err != nil {
		return nil, err
	}
	switch h.State {
	case Captured:
		return nil, fmt.Errorf("release hold %s: %w", id, ErrHoldCaptured)
	case ReleasedHold, ExpiredHold, Cancelled:
		return h, nil
	case Held:
	}
	return h, h.end(tx, ReleasedHold, 0, u)
}

// lockHold takes the turn on the business's credits, and reads the hold as it then is.
func lockHold(tx *gorm.DB, id uuid.UUID, feature string) (*Hold, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("end hold: %w", err)
	}
	if _, err := lockAccount(tx, owner); err != nil {
		return nil, fmt.Errorf("end hold: %w", err)
	}
	h, err := HoldByID(tx, id)
	if err == nil && h.Feature != feature {
		return nil, fmt.Errorf("hold %s is not of %.60q: %w", id, feature, ErrHoldNotFound)
	}
	return h, err
}

// end writes the final state of a held hold and the call that it was for.
func (h *Hold) end(tx *gorm.DB, state HoldState, captured money.Credits, u Usage) error {
	request, err := json.Marshal(redactRequest(u.Request))
	if err != nil {
		return fmt.Errorf("encode request data: %w", err)
	}
	if len(request) > maxRequestBytes {
		return fmt.Errorf("end hold %s: %w", h.ID, ErrRequestTooLarge)
	}
	err = query(tx, "end hold", `
		update billing.credit_hold set state = $3, captured = $4, ended_at = clock_timestamp() where tenant_id = $1 and id = $2 and state = 'held' returning ended_at`,
		func(rows pgx.Rows) error { return rows.Scan(&h.EndedAt) }, h.Tenant, h.ID, string(state), int64(captured))
	if err != nil {
		return err
	}
	if h.EndedAt == nil {
		return fmt.Errorf("end hold %s: it is not held", h.ID)
	}
	h.State, h.Captured = state, captured
	usage, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make usage id: %w", err)
	}
	_, err = exec(tx, "insert usage", `
		insert into billing.usage_transaction (id, tenant_id, user_id, hold_id, feature, credits, provider_cost, tokens, success, error, request_data, response_summary, processing_ms)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::jsonb, $12, $13)`,
		usage, h.Tenant, h.User, h.ID, h.Feature, int64(captured), u.ProviderCost, u.Tokens, state == Captured,
		summary(u.Error), storable(string(request)), summary(u.Summary), u.ProcessingMS)
	return err
}

// summary is the beginning of a text, without personal data.
func summary(text string) string {
	runes := []rune(storable(redactText(text)))
	return string(runes[:min(len(runes), maxSummary)])
}
