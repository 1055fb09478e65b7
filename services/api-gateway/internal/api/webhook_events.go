package api

import (
	"context"
	"time"

	"github.com/gin-gonic/gin"
	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/pkg/sales"
	"makola/pkg/tenant"
	"makola/pkg/webhooks"
)

// tellSale tells the business's endpoints of a sale that was completed just now, in its transaction. Where none wants to know it costs nothing.
func (s *Server) tellSale(ctx context.Context, t *till, sale *sales.Sale) error {
	if !sale.Heard {
		return nil
	}
	return webhooks.Emit(ctx, t.tx, s.Webhooks, []webhooks.Event{{Tenant: t.who.Entry.Tenant, At: t.now, Data: saleEvent(sale)}})
}

func saleEvent(s *sales.Sale) webhooks.SaleCompleted {
	m := func(minor int64) string { return s.Amount(minor).Decimal() }
	e := webhooks.SaleCompleted{
		SaleID: s.ID, ReceiptNumber: value(s.Receipt), StorefrontID: s.Storefront, CustomerID: s.Customer, UserID: s.User, ExchangeOf: s.ExchangeOf, Type: string(s.Type), Status: string(s.Status),
		Currency: string(s.Currency), Subtotal: m(s.Subtotal), Discount: m(s.Discount), Tax: m(s.Tax), Total: m(s.Total), AmountPaid: m(s.Paid), AmountDue: m(s.Due), PaymentType: value(s.PaymentType),
		CompletedAt: value(s.CompletedAt).UTC(), Items: []webhooks.SaleItem{},
	}
	for _, i := range s.Items {
		e.Items = append(e.Items, webhooks.SaleItem{ProductID: i.Product, SKU: i.SKU, Name: i.Name, Quantity: i.Quantity, UnitPrice: m(i.UnitPrice), Discount: m(i.Discount), Total: m(i.Total)})
	}
	return e
}

// withCrossings has the business's endpoints told of what runs low by whatever a request changes.
func (s *Server) withCrossings(c *gin.Context) {
	c.Request = c.Request.WithContext(inventory.OnCrossing(c.Request.Context(), s.tellLow))
}

// tellLow tells the business's endpoints of what has run low just now.
func (s *Server) tellLow(tx *gorm.DB, crossed []inventory.Crossing) error {
	ctx := tx.Statement.Context
	business, _ := tenant.From(ctx)
	items := make([]webhooks.LowItem, len(crossed))
	for i, c := range crossed {
		items[i] = webhooks.LowItem{
			Type: string(c.Type), ProductID: c.ProductID, SKU: c.SKU, Name: c.Product, LocationID: c.LocationID, Location: c.Location, OnHand: c.OnHand, ReorderLevel: c.Threshold,
		}
	}
	return webhooks.Emit(ctx, tx, s.Webhooks, webhooks.LowStock(business, time.Now(), items))
}
