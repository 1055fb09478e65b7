package tasks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/notifications"
	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// receiptItem is one receipt task of a batch.
type receiptItem = contract.Item[*aifeatures.SendCreditPurchaseNotificationArgs, *aifeatures.SendCreditPurchaseNotificationResult]

// SendCreditPurchaseNotification stores the receipts of completed purchases as mails and notices, once for each purchase.
// BATCH: everything is set-based, so 256 receipts need as many statements as one. The mails themselves are sent by notifier.
func (a *AIFeatures) SendCreditPurchaseNotification(ctx context.Context, tx *gorm.DB, items []*receiptItem) error {
	ids := make([]uuid.UUID, len(items))
	for i, item := range items {
		var err error
		if ids[i], err = uuid.Parse(item.Args.GetPurchaseId()); err != nil {
			item.Err = task.Permanent(errors.New("purchase_id is not a UUID"))
		}
	}
	if err := bindReceipts(tx, items, ids); err != nil {
		return fmt.Errorf("receipts of %d purchases: %w", len(ids), err)
	}
	receipts, err := billing.ReceiptsFor(tx.WithContext(ctx), ids)
	if err != nil {
		return fmt.Errorf("receipts of %d purchases: %w", len(ids), err)
	}
	var mails []notifications.Email
	var mailed []*receiptItem
	var notices []notifications.Notice
	for i, item := range items {
		if item.Err != nil {
			continue
		}
		r, ok := receipts[ids[i]]
		switch {
		case !ok || item.Run.Tenant != uuid.Nil && item.Run.Tenant != r.Purchase.Tenant: // another business's purchase is as good as none
			item.Err = task.Permanent(fmt.Errorf("receipt of %s: %w", ids[i], billing.ErrNotFound))
		case r.Purchase.Status != billing.Completed:
			item.Result = &aifeatures.SendCreditPurchaseNotificationResult{Status: "skipped"}
		default:
			mails = append(mails, notifications.Email{Tenant: r.Purchase.Tenant, Key: "purchase-mail:" + ids[i].String(), To: r.Email, Content: receipt(r), Cause: item.Run})
			mailed, notices = append(mailed, item), append(notices, purchaseNotice(r))
		}
	}
	queued, err := notifications.QueueAll(ctx, tx, a.Mail, mails)
	if err != nil {
		return err
	}
	if _, err := notifications.Post(tx, a.Bell, notices); err != nil {
		return err
	}
	for i, item := range mailed {
		item.Result, item.Err = mailResult(queued[i])
	}
	return nil
}

// bindReceipts binds the transaction to the businesses of purchases whose tasks name none, as an old publisher's do, beside those of the other tasks, to which
// the engine has bound it.
func bindReceipts(tx *gorm.DB, items []*receiptItem, ids []uuid.UUID) error {
	var tenants, nameless []uuid.UUID
	for i, item := range items {
		if item.Run.Tenant != uuid.Nil {
			tenants = append(tenants, item.Run.Tenant)
		} else if item.Err == nil {
			nameless = append(nameless, ids[i])
		}
	}
	owners, err := billing.PurchaseOwners(tx, nameless)
	if err != nil || len(owners) == 0 {
		return err
	}
	tenants = append(tenants, owners...)
	slices.SortFunc(tenants, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return postgres.BindTenants(tx, slices.Compact(tenants))
}

// mailResult turns what became of a receipt's mail into what becomes of its task.
func mailResult(q notifications.Queued) (*aifeatures.SendCreditPurchaseNotificationResult, error) {
	switch {
	case errors.Is(q.Err, notifications.ErrAddress):
		return nil, task.Permanent(q.Err)
	case q.Err != nil:
		return nil, q.Err
	case q.New:
		return &aifeatures.SendCreditPurchaseNotificationResult{Status: "queued", EmailId: q.ID.String()}, nil
	default:
		return &aifeatures.SendCreditPurchaseNotificationResult{Status: "already_queued", EmailId: q.ID.String()}, nil
	}
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
