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
	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/proto/contract"
)

// errAnswerLost is final: only the provider's page, or its event, tells whether the part went back.
var errAnswerLost = errors.New("the provider's answer was lost, so a part may have been given back: look at the provider's page, and ask again only if it was not")

// refundable is a payment of either product that shall be given back, as an operator decided.
type refundable struct {
	id, tenant              uuid.UUID
	reference, provider     string
	transaction, status     string
	received, returned      money.Amount
	by                      billing.By
	entity, action, portion string
}

// refund asks the provider to give the payment back, all that is left of it or the portion. A portion is written down before, and not asked for again: for all but Stripe a repetition
// would be another refund. When the answer about the rest is lost the attempt is made again and refused, because nothing is left to give back.
func (r refundable) refund(ctx context.Context, db *postgres.DB, providers map[string]payments.Provider, run contract.Run) (payments.Refund, error) {
	if r.transaction == "" || !r.received.Positive() {
		return payments.Refund{}, task.Permanent(fmt.Errorf("refund %s: it is %s and has no payment to give back", r.reference, r.status))
	}
	provider := providers[r.provider]
	if provider == nil {
		return payments.Refund{}, task.Permanent(fmt.Errorf("refund %s: provider %s is not configured", r.reference, r.provider))
	}
	amount, part, err := billing.Part(r.portion, r.received, r.returned)
	if err != nil {
		return payments.Refund{}, task.Permanent(fmt.Errorf("refund %s: %w", r.reference, err))
	}
	if part {
		first := false
		err := db.InTenant(tenant.With(ctx, r.tenant), func(tx *gorm.DB) (err error) {
			first, err = billing.BeginRefund(tx, run.ID, r.reference, amount)
			return err
		})
		if err != nil {
			return payments.Refund{}, fmt.Errorf("refund %s: %w", r.reference, err)
		}
		if !first {
			return payments.Refund{}, task.Permanent(fmt.Errorf("refund %s: %w", r.reference, errAnswerLost))
		}
	}
	answer, err := provider.Refund(ctx, payments.RefundRequest{
		Reference: r.reference, ProviderTransactionID: r.transaction, Amount: amount, Reason: r.by.Reason, IdempotencyKey: run.ID.String(),
	})
	switch {
	case err != nil && part && !refused(err):
		return payments.Refund{}, task.Permanent(fmt.Errorf("refund %s: %w: %w", r.reference, errAnswerLost, err))
	case err != nil:
		return payments.Refund{}, classify(fmt.Errorf("refund %s: %w", r.reference, err))
	}
	return answer, nil
}

// refused reports whether the provider has certainly not done what it was asked for.
func refused(err error) bool {
	_, declined := errors.AsType[*payments.DeclinedError](err)
	return declined || errors.Is(err, payments.ErrUnknownReference) || errors.Is(err, payments.ErrInvalidRequest)
}

// record stores the provider's answer as a trustworthy event, once for this task, with the audit entry, and has follow enqueue the task that acts on it.
func (r refundable) record(tx *gorm.DB, run contract.Run, answer payments.Refund, follow func(event, next uuid.UUID) error) error {
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
		ID: id, Provider: r.provider, DedupeKey: "refund:" + run.ID.String(), Type: billing.TypeVerify, Reference: r.reference, Body: body, Trusted: true,
		Kind: payments.KindRefund, Return: answer.State, CaseID: answer.ID, Status: payments.StatusUnknown, Amount: answer.Amount, TransactionID: r.transaction, Task: next,
	}})
	if err != nil || !stored[id] {
		return err
	}
	if err := audit.Record(tx, audit.Entry{Tenant: r.tenant, Actor: "operator:" + r.by.Actor, Action: r.action, Entity: r.entity, EntityID: r.id.String(),
		Changes: map[string]any{"reason": r.by.Reason, "payment": r.reference, "amount": answer.Amount.Display(), "refund": answer.ID, "state": string(answer.State)}}); err != nil {
		return err
	}
	return follow(id, next)
}
