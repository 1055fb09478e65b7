package tasks

import (
	"context"
	"errors"

	"gorm.io/gorm"

	"makola/pkg/task"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// paymentItem is one payment task of a batch.
type paymentItem = contract.Item[*aifeatures.ProcessPaymentWebhookArgs, *aifeatures.ProcessPaymentWebhookResult]

// ProcessPaymentWebhook settles the payments of a batch on the evidence of their stored events.
// BATCH: everything is set-based, so 256 payments need as many statements as one.
func (a *AIFeatures) ProcessPaymentWebhook(ctx context.Context, tx *gorm.DB, items []*paymentItem) error {
	claims := make([]*claim, len(items))
	for i, item := range items {
		claims[i] = &claim{run: item.Run, reference: item.Args.GetPaymentReference(), provider: providerOf(item.Args.GetPaymentProvider()), event: item.Args.GetEventId()}
		if claims[i].reference == "" {
			claims[i].err = task.Permanent(errors.New("payment_reference is empty"))
		}
	}
	if err := a.settle(ctx, tx, claims); err != nil {
		return err
	}
	for i, c := range claims {
		if items[i].Err = c.err; c.err == nil {
			items[i].Result = &aifeatures.ProcessPaymentWebhookResult{
				Status: c.result.status, Reference: c.reference, CreditsAdded: c.result.credits.String(), BusinessId: c.result.business, PurchaseId: c.result.purchase,
			}
		}
	}
	return nil
}

func providerOf(name string) string {
	if name == "" {
		return defaultProvider
	}
	return name
}
