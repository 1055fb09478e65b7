package api

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/audit"
	"makola/pkg/billing"
	"makola/pkg/inventory"
	"makola/pkg/money"
	"makola/pkg/problem"
	"makola/pkg/tenant"
	"makola/services/api-gateway/internal/auth"
)

// stockRules reads what the business has chosen about its stock.
func stockRules(tx *gorm.DB, now time.Time) (r inventory.Rules, err error) {
	id, ok := tenant.From(tx.Statement.Context)
	if !ok {
		return r, accounts.ErrNotMember
	}
	b, err := accounts.SettingsOfBusiness(tx, id)
	if err != nil {
		return r, err
	}
	zone, err := time.LoadLocation(b.Timezone)
	if err != nil { // a zone that this machine does not know is taken for Ghana's
		zone = time.UTC
	}
	y, m, d := now.In(zone).Date()
	return inventory.Rules{
		Currency: money.Currency(b.Currency), Today: time.Date(y, m, d, 0, 0, 0, 0, time.UTC), ReorderLevel: b.ReorderLevel, SeparateApprover: b.ApproverDiffers,
	}, nil
}

// storefrontsCovered is how many storefronts the business may have open.
func storefrontsCovered(tx *gorm.DB, now time.Time) (int, error) {
	sub, err := billing.SubscriptionOf(tx)
	if err != nil {
		return 0, err
	}
	return sub.Covers(now), nil
}

// actor is who asks, for the audit log.
func actor(ctx context.Context) audit.Entry {
	who, client := auth.From(ctx), clientOf(ctx)
	return audit.Entry{User: who.User, Actor: who.Email, IP: client.IP, UserAgent: client.UserAgent}
}

// afterCursor is where a list that goes by id continues.
func afterCursor(list byte, cursor *string) (uuid.UUID, error) {
	after, _, err := decodeCursor(list, cursor)
	return after, err
}

// nextCursor is where a list that goes by id continues after this page; nil on the last one.
func nextCursor(list byte, next uuid.UUID) *string {
	if next == uuid.Nil {
		return nil
	}
	return encodeCursor(list, next, 0)
}

// priceIn reads a price of the body; nil when it is missing. The API's description has checked its form, not its places.
func priceIn(pointer string, text *string, c money.Currency) (*money.Amount, error) {
	if text == nil {
		return nil, nil
	}
	amount, err := money.Parse(*text, c)
	if err != nil {
		return nil, pointerProblem(pointer, "invalid", "must be an amount in "+string(c))
	}
	return &amount, nil
}

// dayIn reads a day of the body or of a parameter, at midnight UTC; nil when it is missing.
func dayIn(pointer string, text *string) (*time.Time, error) {
	if text == nil {
		return nil, nil
	}
	day, err := time.Parse(time.DateOnly, *text)
	if err != nil {
		return nil, pointerProblem(pointer, "invalid", "must be a day, as 2026-11-26")
	}
	return &day, nil
}

// priceOut is an amount that may be missing.
func priceOut(a *money.Amount) *string {
	if a == nil {
		return nil
	}
	text := a.Decimal()
	return &text
}

// dayOut is a day that may be missing.
func dayOut(day *time.Time) *string {
	if day == nil {
		return nil
	}
	text := day.Format(time.DateOnly)
	return &text
}

// pointerProblem is a fault of the body deep inside it.
func pointerProblem(pointer, code, message string) error {
	return problem.New(problem.Invalid, "", "", problem.FieldError{Pointer: pointer, Field: pointer[strings.LastIndexByte(pointer, '/')+1:], Code: code, Message: message})
}
