package tasks

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/payments"
	"makola/pkg/tenant"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// mostPages bounds one provider's list: 100,000 payments a day. A longer list is an error, not a shorter comparison.
const mostPages = 1000

// ComparePayments compares yesterday's list of each provider with the ledger, and has the provider asked about whatever does not agree.
// LONG: the lists are read outside any transaction.
func (a *AIFeatures) ComparePayments(ctx context.Context, run contract.Run, _ *aifeatures.ComparePaymentsArgs) (contract.Commit[*aifeatures.ComparePaymentsResult], error) {
	to := run.CreatedAt.UTC().Truncate(24 * time.Hour)
	from := to.AddDate(0, 0, -1)
	var all billing.Comparison
	listed := 0
	for _, name := range slices.Sorted(maps.Keys(a.Providers)) {
		list, err := listPayments(ctx, a.Providers[name], from, to)
		if err != nil {
			return nil, classify(fmt.Errorf("list payments of %s: %w", name, err))
		}
		listed += len(list)
		err = a.DB.InSystem(ctx, func(tx *gorm.DB) error {
			c, err := billing.Compare(tx, name, from, to, list)
			all.Ask, all.AskMonths, all.Unknown = append(all.Ask, c.Ask...), append(all.AskMonths, c.AskMonths...), append(all.Unknown, c.Unknown...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return func(tx *gorm.DB) (*aifeatures.ComparePaymentsResult, error) {
		platform := tenant.With(ctx, uuid.Nil)
		for _, d := range all.Ask {
			_, err := a.Tasks.VerifyPayment(platform, tx, &aifeatures.VerifyPaymentArgs{PaymentReference: d.Reference, PaymentProvider: &d.Provider, Reason: reasonReturned})
			if err != nil {
				return nil, fmt.Errorf("compare payments: %w", err)
			}
		}
		for _, d := range all.AskMonths {
			_, err := a.Subscriptions.VerifyPayment(platform, tx, &subscriptionspb.VerifyPaymentArgs{PaymentReference: d.Reference, PaymentProvider: &d.Provider, Reason: reasonReturned})
			if err != nil {
				return nil, fmt.Errorf("compare subscription payments: %w", err)
			}
		}
		asked := len(all.Ask) + len(all.AskMonths)
		if asked+len(all.Unknown) > 0 {
			slog.WarnContext(ctx, "the provider's list and the ledger disagree", "asked", asked, "unknown", len(all.Unknown))
		}
		return &aifeatures.ComparePaymentsResult{Status: "done", Listed: int32(listed), Asked: int32(asked), Unknown: int32(len(all.Unknown))}, billing.Unmatched(tx, all.Unknown)
	}, nil
}

// listPayments reads a provider's whole list of a period.
func listPayments(ctx context.Context, p payments.Provider, from, to time.Time) (list []payments.Verification, err error) {
	req := payments.ListRequest{From: from, To: to}
	for range mostPages {
		page, err := p.List(ctx, req)
		if err != nil {
			return nil, err
		}
		if list = append(list, page.Payments...); page.Next == "" {
			return list, nil
		}
		req.Cursor = page.Next
	}
	return nil, fmt.Errorf("the list has more than %d pages", mostPages)
}
