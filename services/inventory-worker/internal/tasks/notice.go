package tasks

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"makola/pkg/inventory"
	"makola/pkg/notifications"
	"makola/pkg/task"
)

const (
	// seesStock is who is told of stock in the application, a codename of the permission matrix.
	seesStock = "can_view_inventory"
	// alertsLink is where the application shows alerts.
	alertsLink = "/stock/alerts"
)

// lowStockNotice tells in the application what is new in a digest.
func lowStockNotice(ctx context.Context, business uuid.UUID, d inventory.LowDigest) notifications.Notice {
	n := notifications.Notice{
		Tenant: business, Permission: seesStock, Kind: notifications.KindStockLow, Priority: notifications.Medium, Key: "lowstock:" + task.RunFrom(ctx).ID.String(), Link: alertsLink,
		Title: fmt.Sprintf("%d %s to reorder", d.New, plural(d.New, "item", "items")), Data: map[string]any{"new": d.New, "total": d.Total},
	}
	for _, i := range d.Items {
		if i.New && i.OnHand == 0 {
			n.Kind, n.Priority = notifications.KindStockOut, notifications.High
			n.Body = i.Product + " is out of stock at " + i.Location + "."
			return n
		}
	}
	for _, i := range d.Items {
		if i.New {
			n.Body = fmt.Sprintf("%s: %d left at %s, level %d.", i.Product, i.OnHand, i.Location, i.Threshold)
			return n
		}
	}
	return n
}

// expiryNotice tells in the application what the mails about expiry tell.
func expiryNotice(ctx context.Context, business uuid.UUID, items []inventory.ExpiringItem) notifications.Notice {
	n := notifications.Notice{
		Tenant: business, Permission: seesStock, Kind: notifications.KindStockExpiring, Priority: notifications.Medium, Key: "expiry:" + task.RunFrom(ctx).ID.String(), Link: alertsLink,
		Title: fmt.Sprintf("%d %s soon", len(items), plural(len(items), "item expires", "items expire")), Data: map[string]any{"items": len(items)},
	}
	first := items[0]
	if first.Expired() {
		expired := 0
		for _, i := range items {
			if i.Expired() {
				expired++
			}
		}
		n.Priority, n.Data["expired"] = notifications.High, expired
		n.Title = fmt.Sprintf("%d %s expired", expired, plural(expired, "item has", "items have"))
	}
	n.Body = fmt.Sprintf("%s at %s, %d %s, expires on %s.", first.Product, first.Location, first.OnHand, first.Unit, first.ExpiryDate.Format("2 January 2006"))
	return n
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
