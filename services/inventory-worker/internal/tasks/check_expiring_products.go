package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/pkg/notifications"
	"makola/pkg/task"
	inventorypb "makola/proto/makola/inventory/v1"
)

// expiryHour is when a shop is told, by its own clock: before it opens.
const expiryHour = 7 * time.Hour

// CheckExpiringProducts warns a business of stock that expires soon, or has.
// SHORT: the warnings are stored in the transaction that stores the mails.
func (i *Inventory) CheckExpiringProducts(ctx context.Context, tx *gorm.DB, args *inventorypb.CheckExpiringProductsArgs) (*inventorypb.CheckExpiringProductsResult, error) {
	days := inventory.DefaultExpiryDays
	if args.DaysThreshold != nil {
		days = int(args.GetDaysThreshold())
	}
	if days < 1 || days > 365 {
		return nil, task.Permanent(errors.New("days_threshold must be from 1 to 365"))
	}
	all, err := forAll(ctx, args.BusinessId)
	if err != nil {
		return nil, err
	}
	if all {
		n, err := task.Each(ctx, tx, i.Tasks.CheckExpiringProducts, func(business uuid.UUID) *inventorypb.CheckExpiringProductsArgs {
			id := business.String()
			return &inventorypb.CheckExpiringProductsArgs{BusinessId: &id, DaysThreshold: args.DaysThreshold}
		}, task.EachDayAt(expiryHour))
		return &inventorypb.CheckExpiringProductsResult{Status: fannedOut, BusinessesChecked: int32(n)}, err
	}
	ctx, tx, business, active, err := task.ForActiveBusiness(ctx, tx, args.GetBusinessId())
	if err != nil || !active {
		return &inventorypb.CheckExpiringProductsResult{Status: inactive}, err
	}
	people, err := inventory.Recipients(tx)
	if err != nil {
		return nil, fmt.Errorf("check expiring products: %w", err)
	}
	if len(people) == 0 {
		return &inventorypb.CheckExpiringProductsResult{Status: noRecipient, BusinessesChecked: 1}, nil
	}
	found, err := inventory.WarnOfExpiry(tx, days, time.Now())
	if err != nil {
		return nil, fmt.Errorf("check expiring products: %w", err)
	}
	shop, err := inventory.ShopOf(tx, business)
	if err != nil {
		return nil, fmt.Errorf("check expiring products: %w", err)
	}
	var mails []notifications.Email
	for _, p := range people {
		if items := found.For(p); len(items) > 0 {
			mails = append(mails, notifications.Email{Tenant: business, Key: mailKey(ctx, "expiry", p.User), To: p.Email, Content: expiryMail(p, shop, items)})
		}
	}
	result := &inventorypb.CheckExpiringProductsResult{Status: "no_alerts", BusinessesChecked: 1, AlertsSent: int32(len(found.New)), TotalExpiringItems: int32(found.Total)}
	n, err := queue(ctx, tx, i.Mail, mails)
	if err != nil {
		return nil, fmt.Errorf("check expiring products: %w", err)
	}
	if n > 0 {
		result.Status = sent
	}
	if len(found.New) > 0 {
		if _, err := notifications.Post(tx, i.Bell, []notifications.Notice{expiryNotice(ctx, business, found.New)}); err != nil {
			return nil, fmt.Errorf("check expiring products: %w", err)
		}
	}
	return result, nil
}

func expiryMail(p inventory.Recipient, shop inventory.Shop, items []inventory.ExpiringItem) notifications.ExpiringStock {
	m := notifications.ExpiringStock{Name: p.Name, Business: p.Business, Currency: shop.Currency, Total: len(items), Owner: p.Owner}
	for n, i := range items {
		m.ValueMinor += i.ValueMinor
		if i.Expired() {
			m.Expired++
			m.ExpiredMinor += i.ValueMinor
		}
		if n < inventory.DigestRows {
			m.Items = append(m.Items, notifications.ExpiringItem{Product: i.Product, SKU: i.SKU, Place: i.Location, Date: i.ExpiryDate.Format(time.DateOnly), Days: i.Days,
				Left: i.OnHand, Unit: i.Unit, ValueMinor: i.ValueMinor})
		}
	}
	return m
}
