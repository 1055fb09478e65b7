package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/notifications"
	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/pkg/tenant"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// SendCreditPurchaseNotification stores the receipt of a completed purchase as a mail, once for each purchase.
// SHORT: the mail itself is sent by notifier.
func (a *AIFeatures) SendCreditPurchaseNotification(ctx context.Context, tx *gorm.DB, args *aifeatures.SendCreditPurchaseNotificationArgs,
) (*aifeatures.SendCreditPurchaseNotificationResult, error) {
	id, err := uuid.Parse(args.GetPurchaseId())
	if err != nil {
		return nil, task.Permanent(errors.New("purchase_id is not a UUID"))
	}
	p, err := billing.PurchaseByID(tx, id)
	if errors.Is(err, billing.ErrNotFound) {
		return nil, task.Permanent(fmt.Errorf("receipt of %s: %w", id, err))
	}
	if err != nil {
		return nil, fmt.Errorf("receipt of %s: %w", id, err)
	}
	if p.Status != billing.Completed {
		return &aifeatures.SendCreditPurchaseNotificationResult{Status: "skipped"}, nil
	}
	// A message of an old publisher names no business; the purchase does.
	if _, ok := tenant.From(ctx); !ok {
		if err := postgres.BindTenants(tx, []uuid.UUID{p.Tenant}); err != nil {
			return nil, err
		}
	}
	ctx = tenant.With(ctx, p.Tenant)
	r, err := billing.ReceiptFor(tx.WithContext(ctx), id)
	if err != nil {
		return nil, fmt.Errorf("receipt of %s: %w", id, err)
	}
	mail, queued, err := notifications.Queue(ctx, tx, a.Mail, notifications.Email{Key: "purchase-mail:" + id.String(), To: r.Email, Content: receipt(r)})
	if errors.Is(err, notifications.ErrAddress) {
		return nil, task.Permanent(fmt.Errorf("receipt of %s: %w", id, err))
	}
	if err != nil {
		return nil, fmt.Errorf("receipt of %s: %w", id, err)
	}
	status := "queued"
	if !queued {
		status = "already_queued"
	}
	return &aifeatures.SendCreditPurchaseNotificationResult{Status: status, EmailId: mail.String()}, nil
}

// receipt is the content of the mail.
func receipt(r *billing.Receipt) notifications.CreditsPurchased {
	p := r.Purchase
	c := notifications.CreditsPurchased{
		Name: r.Name, Business: r.Business, Package: p.Package, Reference: p.Reference, Credits: p.Credits, Bonus: p.Bonus, TotalCredits: p.Credits + p.Bonus,
		Balance: r.Balance, Currency: p.Total.Currency, BaseMinor: p.Base.Minor, PaidMinor: p.Received.Minor, ExpiresAt: r.ExpiresAt, Timezone: r.Timezone,
	}
	if p.CompletedAt != nil {
		c.PaidAt = *p.CompletedAt
	}
	for _, t := range p.Taxes {
		c.Taxes = append(c.Taxes, notifications.Tax{Name: t.Name, BasisPoints: t.BasisPoints, AmountMinor: t.Amount.Minor})
	}
	return c
}
