package billing

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/problem"
)

// ErrRefundTooLarge reports an amount to give back that is not between the smallest unit and what is left of the payment.
var ErrRefundTooLarge = problem.New(problem.Invalid, "refund_too_large", "That is not a part of what is left of the payment.")

// Part reads the part of a payment that shall be given back, in its currency; empty text means all that is left. part is false when nothing would be left: to ask for that twice is
// harmless, because no provider gives back more than was paid. Errors: ErrRefundTooLarge, or what is wrong with the text.
func Part(text string, received, returned money.Amount) (amount money.Amount, part bool, err error) {
	left := money.FromMinor(received.Minor-returned.Minor, received.Currency)
	if text == "" {
		return left, false, nil
	}
	if amount, err = money.Parse(text, received.Currency); err != nil {
		return money.Amount{}, false, fmt.Errorf("amount to give back: %w", err)
	}
	if !amount.Positive() || amount.Minor > left.Minor {
		return money.Amount{}, false, fmt.Errorf("give back %s of %s: %w", amount.Display(), left.Display(), ErrRefundTooLarge)
	}
	return amount, amount != left, nil
}

// BeginRefund writes down that a task is about to ask a provider for a part of a payment, and reports whether it is the first time: a task that finds that it did so before does not
// know whether the provider heard it. tx must be bound to the payment's business, and be committed before the question.
func BeginRefund(tx *gorm.DB, task uuid.UUID, reference string, amount money.Amount) (first bool, err error) {
	business, err := owner(tx)
	if err != nil {
		return false, fmt.Errorf("begin refund: %w", err)
	}
	err = query(tx, "begin refund", `
		insert into billing.refund_request (task_id, tenant_id, reference, amount_minor, currency) values ($1, $2, $3, $4, $5) on conflict do nothing returning true`,
		func(rows pgx.Rows) error { return rows.Scan(&first) }, task, business, reference, amount.Minor, string(amount.Currency))
	return first, err
}
