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
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// RefundPayment asks the provider to give a subscription payment back, whole or in part, and stores its answer as an event, on which subscriptions.process_webhook_event acts.
// LONG: the provider is asked outside any transaction. When its answer is lost, the provider's own event tells what happened, as it does for a refund that takes days.
func (s *Subscriptions) RefundPayment(ctx context.Context, run contract.Run, args *subscriptionspb.RefundPaymentArgs) (contract.Commit[*subscriptionspb.RefundPaymentResult], error) {
	by, err := decidedBy(args.GetActor(), args.GetReason())
	if err != nil {
		return nil, err
	}
	ref := args.GetPaymentReference()
	p, err := s.payment(ctx, run, ref)
	switch {
	case errors.Is(err, billing.ErrSubscriptionPaymentNotFound):
		return nil, task.Permanent(fmt.Errorf("refund payment_reference %.60q: %w", ref, err))
	case err != nil:
		return nil, fmt.Errorf("refund %s: %w", ref, err)
	case p.Status == billing.SubPaymentRefunded:
		return func(*gorm.DB) (*subscriptionspb.RefundPaymentResult, error) {
			return &subscriptionspb.RefundPaymentResult{Status: "already_refunded"}, nil
		}, nil
	}
	r := refundable{
		id: p.ID, tenant: p.Tenant, reference: p.Reference, provider: p.Provider, transaction: p.ProviderTransactionID, status: string(p.Status),
		received: p.Received, returned: p.Returned, by: by, entity: "subscription_payment", action: "subscription.refund_requested", portion: args.GetAmount(),
	}
	answer, err := r.refund(ctx, s.DB, s.Providers, run)
	if err != nil {
		return nil, err
	}
	return func(tx *gorm.DB) (*subscriptionspb.RefundPaymentResult, error) {
		err := r.record(tx, run, answer, func(event, next uuid.UUID) error {
			// Settling is the platform's work, whoever asked.
			_, err := s.Tasks.ProcessWebhookEvent(tenant.With(ctx, uuid.Nil), tx, &subscriptionspb.ProcessWebhookEventArgs{EventId: event.String()}, task.WithID(next))
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("record refund of %s: %w", ref, err)
		}
		return &subscriptionspb.RefundPaymentResult{Status: string(answer.State), RefundId: answer.ID}, nil
	}, nil
}
