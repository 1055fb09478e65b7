package tasks

import (
	"context"

	"gorm.io/gorm"

	"makola/pkg/billing"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// GenerateMonthlyInvoices makes the invoices that are missing for months that have begun. Those that are paid for are told of by their receipts.
// SHORT: the database alone, in batches.
func (s *Subscriptions) GenerateMonthlyInvoices(ctx context.Context, tx *gorm.DB, _ *subscriptionspb.GenerateMonthlyInvoicesArgs) (*subscriptionspb.GenerateMonthlyInvoicesResult, error) {
	issued, _, err := s.renew(ctx, tx, true)
	if err != nil {
		return nil, err
	}
	result := &subscriptionspb.GenerateMonthlyInvoicesResult{Status: "done", Issued: issued}
	more := issued > 0 // the paid ones are for another run: this one has numbered, and may lock no further subscriptions
	if !more {
		var paid int
		if paid, more, err = billing.IssuePaid(tx, s.now(), invoiceLimit); err != nil {
			return nil, err
		}
		result.Paid = int32(paid)
	}
	if more {
		result.Status = "continued"
		_, err = s.Tasks.GenerateMonthlyInvoices(ctx, tx, &subscriptionspb.GenerateMonthlyInvoicesArgs{})
	}
	return result, err
}
