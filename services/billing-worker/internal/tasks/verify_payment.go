package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// reasonReconcile is the reason that the reconciler gives; a provider that does not know the payment is then an answer, not a fault.
const reasonReconcile = "reconcile"

// reasonReturn is the reason of a customer who came back from the provider's page, perhaps without having paid; reasonReturned that of a hint that money went back, which
// is asked about though the purchase is completed.
const (
	reasonReturn   = "return"
	reasonReturned = "returned"
)

// VerifyPayment asks the provider what became of a payment, and enqueues ai_features.process_payment_webhook with a final answer.
// LONG: the provider is asked outside any transaction; the answer is stored as an event in the one that finishes the task.
func (a *AIFeatures) VerifyPayment(ctx context.Context, run contract.Run, args *aifeatures.VerifyPaymentArgs) (contract.Commit[*aifeatures.VerifyPaymentResult], error) {
	ref := args.GetPaymentReference()
	p, err := a.purchase(ctx, run, ref)
	switch {
	case errors.Is(err, billing.ErrNotFound):
		// Retried while attempts last: the message can be faster than our own commit of the purchase.
		return nil, fmt.Errorf("verify payment %.60q: %w", ref, err)
	case err != nil:
		return nil, fmt.Errorf("verify payment %s: %w", ref, err)
	case args.GetPaymentProvider() != "" && args.GetPaymentProvider() != p.Provider:
		return nil, task.Permanent(fmt.Errorf("verify payment %s: it is not a payment of that provider", ref))
	case p.Status == billing.Completed && args.GetReason() != reasonReturned:
		return verified(nil, &aifeatures.VerifyPaymentResult{Status: string(billing.AlreadyProcessed), Reference: ref}), nil
	}
	provider := a.Providers[p.Provider]
	if provider == nil {
		return nil, task.Permanent(fmt.Errorf("verify payment %s: provider %s is not configured", ref, p.Provider))
	}
	answer, err := provider.Verify(ctx, ref, payments.Opening{AccessCode: p.AccessCode, At: p.CreatedAt})
	switch {
	case errors.Is(err, payments.ErrUnknownReference) && (args.GetReason() == reasonReconcile || args.GetReason() == reasonReturn):
		return verified(nil, &aifeatures.VerifyPaymentResult{Status: "unknown_to_provider", Reference: ref}), nil
	case err != nil:
		return nil, classify(fmt.Errorf("verify payment %s: %w", ref, err))
	case answer.Reference != ref:
		return nil, fmt.Errorf("verify payment %s: the provider answered about another payment", ref)
	}
	result := &aifeatures.VerifyPaymentResult{Status: answer.ProviderStatus, Reference: ref}
	switch answer.Status {
	case payments.StatusSucceeded, payments.StatusFailed, payments.StatusReversed:
	case payments.StatusAbandoned, payments.StatusPending, payments.StatusUnknown:
		return verified(nil, result), nil // not final: the reconciler asks again
	}
	return verified(func(tx *gorm.DB) error { return a.record(ctx, tx, run, p.Provider, answer) }, result), nil
}

// purchase looks the reference up in a short transaction of its own. A task of a business sees that business's purchases only.
func (a *AIFeatures) purchase(ctx context.Context, run contract.Run, ref string) (p *billing.Purchase, err error) {
	begin := a.DB.InSystem
	if run.Tenant != uuid.Nil {
		ctx, begin = tenant.With(ctx, run.Tenant), a.DB.InTenant
	}
	err = begin(ctx, func(tx *gorm.DB) (err error) {
		p, err = billing.PurchaseByReference(tx, ref)
		return err
	})
	return p, err
}

// record stores the answer as a trustworthy event, once for this task, and enqueues the task that acts on it.
func (a *AIFeatures) record(ctx context.Context, tx *gorm.DB, run contract.Run, provider string, answer payments.Verification) error {
	id, err := storeAnswer(tx, run, provider, answer)
	if err != nil || id == uuid.Nil {
		return err
	}
	args := &aifeatures.ProcessPaymentWebhookArgs{
		PaymentReference: answer.Reference, PaymentProvider: &provider, EventId: id.String(), AmountMinor: answer.Amount.Minor, Currency: string(answer.Amount.Currency),
		Status: answer.ProviderStatus, ProviderTransactionId: answer.ProviderTransactionID,
	}
	if answer.Amount.Currency.Known() {
		args.AmountPaid = answer.Amount.Decimal()
	}
	if !answer.PaidAt.IsZero() {
		args.PaidAt = answer.PaidAt.UTC().Format(time.RFC3339)
	}
	// Settling is the platform's work, whoever asked.
	_, err = a.Tasks.ProcessPaymentWebhook(tenant.With(ctx, uuid.Nil), tx, args)
	return err
}

// storeAnswer stores a provider's answer as a trustworthy event, once for the task that asked; uuid.Nil tells that it was stored before.
func storeAnswer(tx *gorm.DB, run contract.Run, provider string, answer payments.Verification) (uuid.UUID, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.Nil, fmt.Errorf("make event id: %w", err)
	}
	body, err := json.Marshal(storedAnswer{
		Status: answer.ProviderStatus, AmountMinor: answer.Amount.Minor, Currency: answer.Amount.Currency, Channel: answer.Channel, TransactionID: answer.ProviderTransactionID,
	})
	if err != nil {
		return uuid.Nil, fmt.Errorf("encode the provider's answer: %w", err)
	}
	stored, err := billing.RecordEvents(tx, []billing.Event{{
		ID: id, Provider: provider, DedupeKey: "verify:" + run.ID.String(), Type: billing.TypeVerify, Reference: answer.Reference, Body: body, Trusted: true,
		Status: answer.Status, Amount: answer.Amount, TransactionID: answer.ProviderTransactionID, PaidAt: answer.PaidAt,
	}})
	if err != nil || !stored[id] {
		return uuid.Nil, err
	}
	return id, nil
}

// storedAnswer is what is kept of a provider's answer.
type storedAnswer struct {
	Status        string         `json:"status"`
	AmountMinor   int64          `json:"amount_minor"`
	Currency      money.Currency `json:"currency"`
	Channel       string         `json:"channel,omitempty"`
	TransactionID string         `json:"transaction_id"`
}

// verified makes the commit function of the task; write may be nil.
func verified(write func(tx *gorm.DB) error, result *aifeatures.VerifyPaymentResult) contract.Commit[*aifeatures.VerifyPaymentResult] {
	return func(tx *gorm.DB) (*aifeatures.VerifyPaymentResult, error) {
		if write != nil {
			if err := write(tx); err != nil {
				return nil, fmt.Errorf("record the provider's answer: %w", err)
			}
		}
		return result, nil
	}
}

// classify tells the engine what a provider's error is worth: a refusal is final, and a provider that names a time is asked then.
func classify(err error) error {
	if u, ok := errors.AsType[*payments.UnavailableError](err); ok && u.RetryAfter > 0 {
		return task.RetryAfter(err, u.RetryAfter)
	}
	if _, ok := errors.AsType[*payments.DeclinedError](err); ok || errors.Is(err, payments.ErrUnknownReference) || errors.Is(err, payments.ErrInvalidRequest) {
		return task.Permanent(err)
	}
	return err
}

// VerifyPayment asks the provider what became of a subscription payment, and enqueues subscriptions.process_payment with a final answer.
// LONG: the provider is asked outside any transaction; the answer is stored as an event in the one that finishes the task.
func (s *Subscriptions) VerifyPayment(ctx context.Context, run contract.Run, args *subscriptionspb.VerifyPaymentArgs) (contract.Commit[*subscriptionspb.VerifyPaymentResult], error) {
	ref := args.GetPaymentReference()
	p, err := s.payment(ctx, run, ref)
	switch {
	case errors.Is(err, billing.ErrSubscriptionPaymentNotFound):
		// Retried while attempts last: the message can be faster than our own commit of the payment.
		return nil, fmt.Errorf("verify subscription payment %.60q: %w", ref, err)
	case err != nil:
		return nil, fmt.Errorf("verify subscription payment %s: %w", ref, err)
	case args.GetPaymentProvider() != "" && args.GetPaymentProvider() != p.Provider:
		return nil, task.Permanent(fmt.Errorf("verify subscription payment %s: it is not a payment of that provider", ref))
	case p.Status == billing.SubPaymentSuccessful && args.GetReason() != reasonReturned:
		return monthVerified(nil, &subscriptionspb.VerifyPaymentResult{Status: string(billing.AlreadyProcessed), Reference: ref}), nil
	}
	provider := s.Providers[p.Provider]
	if provider == nil {
		return nil, task.Permanent(fmt.Errorf("verify subscription payment %s: provider %s is not configured", ref, p.Provider))
	}
	answer, err := provider.Verify(ctx, ref, payments.Opening{AccessCode: p.AccessCode, At: p.CreatedAt})
	switch {
	case errors.Is(err, payments.ErrUnknownReference) && (args.GetReason() == reasonReconcile || args.GetReason() == reasonReturn):
		return monthVerified(nil, &subscriptionspb.VerifyPaymentResult{Status: "unknown_to_provider", Reference: ref}), nil
	case err != nil:
		return nil, classify(fmt.Errorf("verify subscription payment %s: %w", ref, err))
	case answer.Reference != ref:
		return nil, fmt.Errorf("verify subscription payment %s: the provider answered about another payment", ref)
	}
	result := &subscriptionspb.VerifyPaymentResult{Status: answer.ProviderStatus, Reference: ref}
	switch answer.Status {
	case payments.StatusSucceeded, payments.StatusFailed, payments.StatusReversed:
	case payments.StatusAbandoned, payments.StatusPending, payments.StatusUnknown:
		return monthVerified(nil, result), nil // not final: the reconciler asks again
	}
	return monthVerified(func(tx *gorm.DB) error {
		id, err := storeAnswer(tx, run, p.Provider, answer)
		if err != nil || id == uuid.Nil {
			return err
		}
		// Settling is the platform's work, whoever asked.
		_, err = s.Tasks.ProcessPayment(tenant.With(ctx, uuid.Nil), tx, &subscriptionspb.ProcessPaymentArgs{PaymentReference: ref, EventId: id.String(), PaymentProvider: &p.Provider})
		return err
	}, result), nil
}

// payment looks the reference up in a short transaction of its own. A task of a business sees that business's payments only.
func (s *Subscriptions) payment(ctx context.Context, run contract.Run, ref string) (p *billing.SubscriptionPayment, err error) {
	begin := s.DB.InSystem
	if run.Tenant != uuid.Nil {
		ctx, begin = tenant.With(ctx, run.Tenant), s.DB.InTenant
	}
	err = begin(ctx, func(tx *gorm.DB) (err error) {
		p, err = billing.SubscriptionPaymentByReference(tx, ref)
		return err
	})
	return p, err
}

// monthVerified makes the commit function of the task; write may be nil.
func monthVerified(write func(tx *gorm.DB) error, result *subscriptionspb.VerifyPaymentResult) contract.Commit[*subscriptionspb.VerifyPaymentResult] {
	return func(tx *gorm.DB) (*subscriptionspb.VerifyPaymentResult, error) {
		if write != nil {
			if err := write(tx); err != nil {
				return nil, fmt.Errorf("record the provider's answer: %w", err)
			}
		}
		return result, nil
	}
}
