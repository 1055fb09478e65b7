package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/pkg/notifications"
	"makola/pkg/task"
	inventorypb "makola/proto/makola/inventory/v1"
)

// SendLowStockAlert tells a business what is low or out: the owner of all, managers of their places.
// SHORT: the alerts are marked told in the transaction that stores the mails.
func (i *Inventory) SendLowStockAlert(ctx context.Context, tx *gorm.DB, args *inventorypb.SendLowStockAlertArgs) (*inventorypb.SendLowStockAlertResult, error) {
	products, err := parseIDs(args.GetProductIds())
	if err != nil {
		return nil, err
	}
	all, err := forAll(ctx, args.BusinessId)
	if err != nil {
		return nil, err
	}
	if all {
		if products != nil {
			return nil, task.Permanent(errors.New("product_ids need their business_id"))
		}
		n, err := task.Each(ctx, tx, i.Tasks.SendLowStockAlert, func(business uuid.UUID) *inventorypb.SendLowStockAlertArgs {
			id := business.String()
			return &inventorypb.SendLowStockAlertArgs{BusinessId: &id}
		})
		return &inventorypb.SendLowStockAlertResult{Status: fannedOut, Businesses: int32(n)}, err
	}
	ctx, tx, business, active, err := task.ForActiveBusiness(ctx, tx, args.GetBusinessId())
	if err != nil || !active {
		return &inventorypb.SendLowStockAlertResult{Status: inactive}, err
	}
	people, err := inventory.Recipients(tx)
	if err != nil {
		return nil, fmt.Errorf("send low stock alert: %w", err)
	}
	if len(people) == 0 {
		return &inventorypb.SendLowStockAlertResult{Status: noRecipient}, nil
	}
	found, err := inventory.TakeLowStock(tx, products)
	if err != nil {
		return nil, fmt.Errorf("send low stock alert: %w", err)
	}
	result := &inventorypb.SendLowStockAlertResult{Status: "no_alerts"}
	shop, err := inventory.ShopOf(tx, business)
	if err != nil {
		return nil, fmt.Errorf("send low stock alert: %w", err)
	}
	var mails []notifications.Email
	for _, p := range people {
		digest := found.For(p)
		if digest.Total == 0 {
			continue
		}
		mails = append(mails, notifications.Email{Tenant: business, Key: mailKey(ctx, "lowstock", p.User), To: p.Email, Content: lowStockMail(p, shop, digest)})
		if p.Owner || int(result.ItemsCount) < digest.Total {
			result.ItemsCount = int32(digest.Total)
		}
		if p.Owner {
			result.Recipient = p.Email
		}
	}
	n, err := queue(ctx, tx, i.Mail, mails)
	if err != nil {
		return nil, fmt.Errorf("send low stock alert: %w", err)
	}
	if all := found.For(inventory.Recipient{Owner: true}); all.New > 0 {
		if _, err := notifications.Post(tx, i.Bell, []notifications.Notice{lowStockNotice(ctx, business, all)}); err != nil {
			return nil, fmt.Errorf("send low stock alert: %w", err)
		}
	}
	if n > 0 {
		result.Status, result.Recipients = sent, int32(n)
	}
	return result, nil
}

// parseIDs parses a list of ids; none is nil.
func parseIDs(texts []string) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	for _, s := range texts {
		id, err := uuid.Parse(s)
		if err != nil {
			return nil, task.Permanent(errors.New("product_ids holds something that is not a UUID"))
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func lowStockMail(p inventory.Recipient, shop inventory.Shop, d inventory.LowDigest) notifications.LowStock {
	m := notifications.LowStock{Name: p.Name, Business: p.Business, Currency: shop.Currency, Total: d.Total, New: d.New, Recovered: d.Recovered, Owner: p.Owner}
	for _, i := range d.Items {
		row := notifications.LowStockItem{Product: i.Product, SKU: i.SKU, Place: i.Location, Left: i.OnHand, Unit: i.Unit, Level: i.Threshold, ValueMinor: i.ValueMinor, New: i.New}
		if days, known := i.Cover(); known {
			row.CoverDays = &days
		}
		m.Items = append(m.Items, row)
	}
	return m
}
