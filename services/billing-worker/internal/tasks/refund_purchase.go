package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// RefundPurchase asks the provider to give a payment back, whole or in part, and stores its answer as an event, on which ai_features.process_webhook_event acts.
// LONG: the provider is asked outside any transaction. When its answer is lost, the provider's own event tells what happened, as it does for a refund that takes days.
func (a *AIFeatures) RefundPurchase(ctx context.Context, run contract.Run, args *aifeatures.RefundPurchaseArgs) (contract.Commit[*aifeatures.RefundPurchaseResult], error) {
	by, err := decidedBy(args.GetActor(), args.GetReason())
	if err != nil {
		return nil, err
	}
	ref := args.GetPaymentReference()
	p, err := a.purchase(ctx, run, ref)
	switch {
	case errors.Is(err, billing.ErrNotFound):
		return nil, task.Permanent(fmt.Errorf("refund payment_reference %.60q: %w", ref, err))
	case err != nil:
		return nil, fmt.Errorf("refund %s: %w", ref, err)
	case p.Status == billing.Refunded:
		return func(*gorm.DB) (*aifeatures.RefundPurchaseResult, error) {
			return &aifeatures.RefundPurchaseResult{Status: "already_refunded"}, nil
		}, nil
	}
	r := refundable{
		id: p.ID, tenant: p.Tenant, reference: p.Reference, provider: p.Provider, transaction: p.ProviderTransactionID, status: string(p.Status),
		received: p.Received, returned: p.Returned, by: by, entity: "credit_purchase", action: "purchase.refund_requested", portion: args.GetAmount(),
	}
	answer, err := r.refund(ctx, a.DB, a.Providers, run)
	if err != nil {
		return nil, err
	}
	return func(tx *gorm.DB) (*aifeatures.RefundPurchaseResult, error) {
		err := r.record(tx, run, answer, func(event, next uuid.UUID) error {
			// Settling is the platform's work, whoever asked.
			_, err := a.Tasks.ProcessWebhookEvent(tenant.With(ctx, uuid.Nil), tx, &aifeatures.ProcessWebhookEventArgs{EventId: event.String()}, task.WithID(next))
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("record refund of %s: %w", ref, err)
		}
		return &aifeatures.RefundPurchaseResult{Status: string(answer.State), RefundId: answer.ID}, nil
	}, nil
}
