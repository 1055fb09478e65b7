package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/billing"
	"makola/pkg/payments"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// RefundPurchase asks the provider to give a payment back, and stores its answer as an event, on which ai_features.process_webhook_event acts.
// LONG: the provider is asked outside any transaction. When its answer is lost the attempt is made again and refused, because nothing is left to give back; the provider's own event
// then tells what happened, as it does for a refund that takes days.
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
	case p.ProviderTransactionID == "" || !p.Received.Positive():
		return nil, task.Permanent(fmt.Errorf("refund %s: it is %s and has no payment to give back", ref, p.Status))
	}
	provider := a.Providers[p.Provider]
	if provider == nil {
		return nil, task.Permanent(fmt.Errorf("refund %s: provider %s is not configured", ref, p.Provider))
	}
	answer, err := provider.Refund(ctx, payments.RefundRequest{
		Reference: ref, ProviderTransactionID: p.ProviderTransactionID, Amount: p.Received, Reason: by.Reason, IdempotencyKey: run.ID.String(),
	})
	if err != nil {
		return nil, classify(fmt.Errorf("refund %s: %w", ref, err))
	}
	return func(tx *gorm.DB) (*aifeatures.RefundPurchaseResult, error) {
		if err := a.recordRefund(ctx, tx, run, p, answer, by); err != nil {
			return nil, fmt.Errorf("record refund of %s: %w", ref, err)
		}
		return &aifeatures.RefundPurchaseResult{Status: string(answer.State), RefundId: answer.ID}, nil
	}, nil
}

// recordRefund stores the provider's answer as a trustworthy event, once for this task, with the audit entry, and enqueues the task that acts on it.
func (a *AIFeatures) recordRefund(ctx context.Context, tx *gorm.DB, run contract.Run, p *billing.Purchase, answer payments.Refund, by billing.By) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make event id: %w", err)
	}
	next, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make task id: %w", err)
	}
	body, err := json.Marshal(map[string]any{"id": answer.ID, "status": answer.ProviderStatus, "amount_minor": answer.Amount.Minor, "currency": answer.Amount.Currency})
	if err != nil {
		return fmt.Errorf("encode the provider's answer: %w", err)
	}
	stored, err := billing.RecordEvents(tx, []billing.Event{{
		ID: id, Provider: p.Provider, DedupeKey: "refund:" + run.ID.String(), Type: billing.TypeVerify, Reference: p.Reference, Body: body, Trusted: true,
		Kind: payments.KindRefund, Return: answer.State, CaseID: answer.ID, Status: payments.StatusUnknown, Amount: answer.Amount, TransactionID: p.ProviderTransactionID, Task: next,
	}})
	if err != nil || !stored[id] {
		return err
	}
	if err := audit.Record(tx, audit.Entry{Tenant: p.Tenant, Actor: "operator:" + by.Actor, Action: "purchase.refund_requested", Entity: "credit_purchase", EntityID: p.ID.String(),
		Changes: map[string]any{"reason": by.Reason, "payment": p.Reference, "amount": p.Received.Display(), "refund": answer.ID, "state": string(answer.State)}}); err != nil {
		return err
	}
	// Settling is the platform's work, whoever asked.
	_, err = a.Tasks.ProcessWebhookEvent(tenant.With(ctx, uuid.Nil), tx, &aifeatures.ProcessWebhookEventArgs{EventId: id.String()}, task.WithID(next))
	return err
}
