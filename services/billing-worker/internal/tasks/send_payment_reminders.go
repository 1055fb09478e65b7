package tasks

import (
	"context"

	"gorm.io/gorm"

	"makola/pkg/billing"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// SendPaymentReminders reminds of invoices that are overdue.
// SHORT: the database alone, in batches.
func (s *Subscriptions) SendPaymentReminders(ctx context.Context, tx *gorm.DB, _ *subscriptionspb.SendPaymentRemindersArgs) (*subscriptionspb.SendPaymentRemindersResult, error) {
	list, more, err := billing.MarkOverdue(tx, s.now(), invoiceLimit)
	if err != nil {
		return nil, err
	}
	if err := s.tellInvoices(ctx, tx, list); err != nil {
		return nil, err
	}
	result := &subscriptionspb.SendPaymentRemindersResult{Status: "done", Reminded: int32(len(list))}
	if more {
		result.Status = "continued"
		_, err = s.Tasks.SendPaymentReminders(ctx, tx, &subscriptionspb.SendPaymentRemindersArgs{})
	}
	return result, err
}
