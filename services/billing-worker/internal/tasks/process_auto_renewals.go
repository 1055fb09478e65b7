package tasks

import (
	"context"

	"gorm.io/gorm"

	"makola/pkg/billing"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// ProcessAutoRenewals invoices the months that begin by tomorrow, and tells the owners. It opens no payment at a provider: such a page lasts some hours, and each would be asked
// about until it is given up. The link leads to where one is opened.
// SHORT: the database alone, in batches.
func (s *Subscriptions) ProcessAutoRenewals(ctx context.Context, tx *gorm.DB, _ *subscriptionspb.ProcessAutoRenewalsArgs) (*subscriptionspb.ProcessAutoRenewalsResult, error) {
	issued, more, err := s.renew(ctx, tx, false)
	if err != nil {
		return nil, err
	}
	result := &subscriptionspb.ProcessAutoRenewalsResult{Status: "done", Issued: issued}
	if more {
		result.Status = "continued"
		_, err = s.Tasks.ProcessAutoRenewals(ctx, tx, &subscriptionspb.ProcessAutoRenewalsArgs{})
	}
	return result, err
}

func (s *Subscriptions) renew(ctx context.Context, tx *gorm.DB, begun bool) (issued int32, more bool, err error) {
	list, more, err := billing.IssueRenewals(tx, s.now(), begun, invoiceLimit)
	if err != nil {
		return 0, false, err
	}
	return int32(len(list)), more, s.tellInvoices(ctx, tx, list)
}
