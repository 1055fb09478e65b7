package tasks

import (
	"context"
	"fmt"
	"log/slog"

	"gorm.io/gorm"

	"makola/pkg/billing"
	aifeatures "makola/proto/makola/ai_features/v1"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// reconcileLimit is how many payments one run looks at. What is left over comes first in the next run, ten minutes later.
const reconcileLimit = 1000

// ReconcilePayments has the provider asked about every payment that has been pending for too long, and gives up on the oldest.
// SHORT: it asks nobody itself. The questions are inserted by one statement at commit, and noting them on the payments in the same transaction is what keeps two
// runs from asking the same.
func (a *AIFeatures) ReconcilePayments(ctx context.Context, tx *gorm.DB, _ *aifeatures.ReconcilePaymentsArgs) (*aifeatures.ReconcilePaymentsResult, error) {
	doubts, expired, err := billing.DueDoubts(tx, reconcileLimit)
	if err != nil {
		return nil, fmt.Errorf("reconcile payments: %w", err)
	}
	for _, d := range doubts {
		_, err := a.Tasks.VerifyPayment(ctx, tx, &aifeatures.VerifyPaymentArgs{PaymentReference: d.Reference, PaymentProvider: &d.Provider, Reason: reasonReconcile})
		if err != nil {
			return nil, fmt.Errorf("reconcile payments: %w", err)
		}
	}
	if expired > 0 {
		slog.WarnContext(ctx, "payments expired without an answer", "count", expired)
	}
	return &aifeatures.ReconcilePaymentsResult{Status: "done", Checked: int32(len(doubts) + expired)}, nil
}

// ReconcilePayments has the provider asked about every subscription payment that has been pending for too long, and gives up on the oldest.
// SHORT: it asks nobody itself; noting the questions in the same transaction is what keeps two runs from asking the same.
func (s *Subscriptions) ReconcilePayments(ctx context.Context, tx *gorm.DB, _ *subscriptionspb.ReconcilePaymentsArgs) (*subscriptionspb.ReconcilePaymentsResult, error) {
	doubts, expired, err := billing.DueSubscriptionDoubts(tx, reconcileLimit)
	if err != nil {
		return nil, fmt.Errorf("reconcile subscription payments: %w", err)
	}
	for _, d := range doubts {
		_, err := s.Tasks.VerifyPayment(ctx, tx, &subscriptionspb.VerifyPaymentArgs{PaymentReference: d.Reference, PaymentProvider: &d.Provider, Reason: reasonReconcile})
		if err != nil {
			return nil, fmt.Errorf("reconcile subscription payments: %w", err)
		}
	}
	if expired > 0 {
		slog.WarnContext(ctx, "subscription payments expired without an answer", "count", expired)
	}
	return &subscriptionspb.ReconcilePaymentsResult{Status: "done", Checked: int32(len(doubts) + expired)}, nil
}
