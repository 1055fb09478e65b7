package inventory

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
)

// sourceSaleItem is the source_type of what is sold and taken back; the source is the sale's line.
const sourceSaleItem = "sale_item"

// Offer is what a storefront asks for a product, and how much it holds of it.
type Offer struct {
	ProductID       uuid.UUID
	Name, SKU, Unit string
	OnHand          int64
	Retail          money.Amount
	// Wholesale is nil where the product has no price of its own for resellers.
	Wholesale *money.Amount
	// Active is false for a product that is not sold any more.
	Active bool
}

// LockOffers locks the levels of the products at a storefront, in order, and returns what is offered; until the transaction ends nobody else changes their stock. A product
// that never was at the storefront, or is no product of the business, is absent.
func LockOffers(tx *gorm.DB, storefront uuid.UUID, products []uuid.UUID) (map[uuid.UUID]Offer, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("lock offers: %w", err)
	}
	offers := make(map[uuid.UUID]Offer, len(products))
	err = query(tx, "lock offers", `
		select l.product_id, p.name, p.sku, p.unit, l.on_hand, l.currency, l.retail_price_minor, l.wholesale_price_minor, p.is_active
		  from inventory.stock_level l join inventory.product p on p.tenant_id = l.tenant_id and p.id = l.product_id
		 where l.tenant_id = $1 and l.location_id = $2 and l.product_id = any($3)
		 order by l.product_id, l.location_id for update of l`,
		func(rows pgx.Rows) error {
			var o Offer
			var currency money.Currency
			var wholesale *int64
			err := rows.Scan(&o.ProductID, &o.Name, &o.SKU, &o.Unit, &o.OnHand, &currency, &o.Retail.Minor, &wholesale, &o.Active)
			o.Retail.Currency, o.Wholesale = currency, optionalAmount(wholesale, currency)
			offers[o.ProductID] = o
			return err
		}, owner, storefront, products)
	return offers, err
}

func optionalAmount(minor *int64, c money.Currency) *money.Amount {
	if minor == nil {
		return nil
	}
	a := money.FromMinor(*minor, c)
	return &a
}

// Take is one line of a sale, to be taken from the shelf.
type Take struct {
	SaleItemID, ProductID uuid.UUID
	Quantity              int64
}

// Sell takes the lines from the storefront's items, first expired first out, and returns what each line cost: the landed cost of the very items it was taken from, in minor
// units, by SaleItemID. It waits for others who change the same stock, and takes all lines or none.
// Errors: ErrQuantity; *InsufficientStockError, which leaves nothing changed.
func Sell(tx *gorm.DB, storefront uuid.UUID, lines []Take, user uuid.UUID, at time.Time) (cost map[uuid.UUID]int64, err error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("sell: %w", err)
	}
	needs := column(lines, func(l Take) need { return need{l.SaleItemID, l.ProductID, l.Quantity} })
	list, err := take(tx, owner, storefront, needs)
	if err != nil {
		return nil, fmt.Errorf("sell: %w", err)
	}
	cost = make(map[uuid.UUID]int64, len(lines))
	moves := make([]movement, len(list))
	for i, t := range list {
		cost[t.line] += t.quantity * t.unitCost
		moves[i] = movement{item: t.item, source: t.line, pair: Pair{t.product, storefront}, delta: -t.quantity}
	}
	return cost, post(tx, owner, cause{kind: Sale, sourceType: sourceSaleItem, user: user, at: at}, moves)
}
