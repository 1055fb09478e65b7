package inventory

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
)

// Availability is what a storefront can sell of a product.
type Availability struct {
	OnHand, Reserved int64
	// Retail and Wholesale are nil where the product never was.
	Retail, Wholesale *money.Amount
}

// Available is what is on hand and in nobody's cart. Reservations never go beyond what is there, but what is there may shrink under them.
func (a *Availability) Available() int64 { return max(0, a.OnHand-a.Reserved) }

// AvailabilityOf returns what a storefront can sell of a product now. Carts are another context's, so their sum comes from its view.
// Errors: ErrLocationNotFound, ErrProductNotFound.
func AvailabilityOf(tx *gorm.DB, storefront, product uuid.UUID) (*Availability, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("read availability: %w", err)
	}
	if _, err := LocationByID(tx, Storefront, storefront); err != nil {
		return nil, err
	}
	a, err := one(tx, "read availability", `
		select coalesce(l.on_hand, 0), coalesce(r.quantity, 0), coalesce(l.currency, ''), l.retail_price_minor, l.wholesale_price_minor
		  from inventory.product p
		  left join inventory.stock_level l on l.tenant_id = p.tenant_id and l.product_id = p.id and l.location_id = $3
		  left join sales.v_reserved r on r.tenant_id = p.tenant_id and r.product_id = p.id and r.storefront_id = $3
		 where p.tenant_id = $1 and p.id = $2`, ErrProductNotFound,
		func(rows pgx.Rows) (a Availability, err error) {
			var currency money.Currency
			var retail, wholesale *int64
			err = rows.Scan(&a.OnHand, &a.Reserved, &currency, &retail, &wholesale)
			a.Retail, a.Wholesale = optionalAmount(retail, currency), optionalAmount(wholesale, currency)
			return a, err
		}, owner, product, storefront)
	return &a, err
}
