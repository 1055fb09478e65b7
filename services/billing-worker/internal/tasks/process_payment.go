package tasks

import (
	"context"
	"errors"

	"gorm.io/gorm"

	"makola/pkg/task"
	"makola/proto/contract"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// monthItem is one subscription payment task of a batch.
type monthItem = contract.Item[*subscriptionspb.ProcessPaymentArgs, *subscriptionspb.ProcessPaymentResult]

// ProcessPayment settles the subscription payments of a batch on the evidence of their stored events.
// BATCH: everything is set-based, so 256 payments need as many statements as one.
func (s *Subscriptions) ProcessPayment(ctx context.Context, tx *gorm.DB, items []*monthItem) error {
	claims := make([]*claim, len(items))
	for i, item := range items {
		claims[i] = &claim{run: item.Run, reference: item.Args.GetPaymentReference(), provider: providerOf(item.Args.GetPaymentProvider()), event: item.Args.GetEventId()}
		if claims[i].reference == "" {
			claims[i].err = task.Permanent(errors.New("payment_reference is empty"))
		}
	}
	if err := s.settle(ctx, tx, claims); err != nil {
		return err
	}
	for i, c := range claims {
		if items[i].Err = c.err; c.err == nil {
			items[i].Result = &subscriptionspb.ProcessPaymentResult{Status: c.result.status, Reference: c.reference, BusinessId: c.result.business, PaymentId: c.result.purchase}
		}
	}
	return nil
}
