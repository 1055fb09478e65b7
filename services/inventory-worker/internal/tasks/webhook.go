package tasks

import (
	"time"

	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/pkg/tenant"
	"makola/pkg/webhooks"
	webhookspb "makola/proto/makola/webhooks/v1"
)

// listening returns tx so that the business's endpoints are told of what runs low in it.
func listening(tx *gorm.DB, tasks *webhookspb.Tasks) *gorm.DB {
	return tx.WithContext(inventory.OnCrossing(tx.Statement.Context, func(tx *gorm.DB, crossed []inventory.Crossing) error { //nolint:contextcheck // the transaction's own
		business, _ := tenant.From(tx.Statement.Context)
		items := make([]webhooks.LowItem, len(crossed))
		for i, c := range crossed {
			items[i] = webhooks.LowItem{
				Type: string(c.Type), ProductID: c.ProductID, SKU: c.SKU, Name: c.Product, LocationID: c.LocationID, Location: c.Location, OnHand: c.OnHand, ReorderLevel: c.Threshold,
			}
		}
		return webhooks.Emit(tx.Statement.Context, tx, tasks, webhooks.LowStock(business, time.Now(), items))
	}))
}
