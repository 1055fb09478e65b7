package inventory

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/money"
)

// sourceItem is the source_type of a corrected intake.
const sourceItem = "stock_item"

// Item is one product of one delivery at one place.
type Item struct {
	ID, Batch, Location, Product uuid.UUID
	ProductName, ProductSKU      string
	Supplier                     *uuid.UUID
	// Source is the item that a transfer took this one from; nil for what a delivery brought here.
	Source *uuid.UUID
	Expiry *time.Time
	// Received is how much came at first, OnHand how much is left.
	Received, OnHand              int64
	Cost, Tax, Additional, Landed money.Amount
	Retail                        money.Amount
	Wholesale                     *money.Amount
	CreatedAt                     time.Time
}

const selectItem = `
	select i.id, i.batch_id, i.location_id, i.product_id, p.name, p.sku, i.supplier_id, i.source_item_id, i.expiry_date, i.quantity_received, i.on_hand, i.currency,
	       i.unit_cost_minor, i.unit_tax_minor, i.unit_additional_minor, i.unit_landed_minor, i.retail_price_minor, i.wholesale_price_minor, i.created_at
	  from inventory.stock_item i join inventory.product p on p.tenant_id = i.tenant_id and p.id = i.product_id `

func scanItem(rows pgx.Rows) (i Item, err error) {
	var c money.Currency
	var wholesale *int64
	err = rows.Scan(&i.ID, &i.Batch, &i.Location, &i.Product, &i.ProductName, &i.ProductSKU, &i.Supplier, &i.Source, &i.Expiry, &i.Received, &i.OnHand, &c,
		&i.Cost.Minor, &i.Tax.Minor, &i.Additional.Minor, &i.Landed.Minor, &i.Retail.Minor, &wholesale, &i.CreatedAt)
	for _, a := range []*money.Amount{&i.Cost, &i.Tax, &i.Additional, &i.Landed, &i.Retail} {
		a.Currency = c
	}
	i.Wholesale = optionalAmount(wholesale, c)
	return i, err
}

// ItemFilter chooses stock items; zero members choose all.
type ItemFilter struct {
	Product, Location uuid.UUID
	// ExpiringBefore chooses what is on hand and expires before that day.
	ExpiringBefore *time.Time
	// InStock chooses what something is left of.
	InStock bool
}

// Items returns the stock items after the one with id after, newest first, and the id to go on with.
func Items(tx *gorm.DB, f ItemFilter, after uuid.UUID, limit int) (list []Item, next uuid.UUID, err error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("list stock items: %w", err)
	}
	limit = clamp(limit)
	var w filter
	tenant := w.arg(owner)
	if f.Product != uuid.Nil {
		w.and(`i.product_id = ?`, f.Product)
	}
	if f.Location != uuid.Nil {
		w.and(`i.location_id = ?`, f.Location)
	}
	if f.ExpiringBefore != nil {
		w.and(`i.expiry_date < ?`, *f.ExpiringBefore)
	}
	if f.InStock || f.ExpiringBefore != nil {
		w.where.WriteString(` and i.on_hand > 0`)
	}
	if after != uuid.Nil {
		w.and(`i.id < ?`, after)
	}
	err = query(tx, "list stock items", selectItem+`where i.tenant_id = `+tenant+w.where.String()+` order by i.id desc limit `+w.arg(limit+1), func(rows pgx.Rows) error {
		i, err := scanItem(rows)
		list = append(list, i)
		return err
	}, w.args...)
	list, next = page(list, limit, func(i Item) uuid.UUID { return i.ID })
	return list, next, err
}

// ItemByID returns a stock item, or ErrItemNotFound.
func ItemByID(tx *gorm.DB, id uuid.UUID) (*Item, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("read stock item: %w", err)
	}
	i, err := one(tx, "read stock item", selectItem+`where i.tenant_id = $1 and i.id = $2`, ErrItemNotFound, scanItem, owner, id)
	return &i, err
}

// ItemDetails are what may change about a stock item; nil leaves it as it is.
type ItemDetails struct {
	// Quantity is how much was received after all.
	Quantity          *int64
	Retail, Wholesale *money.Amount
	NoWholesale       bool
}

// ChangeItem corrects a stock item. Its quantity may change only while nothing but the delivery moved it, and the difference is a movement of its own. The prices of the
// newest item of a product at a place are the place's current ones, so those change, too.
// Errors: ErrItemNotFound, ErrItemMoved; numbers out of range are faults of the body.
func ChangeItem(tx *gorm.DB, who audit.Entry, rules Rules, id uuid.UUID, d ItemDetails, now time.Time) (*Item, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("change stock item: %w", err)
	}
	before, err := ItemByID(tx, id)
	if err != nil {
		return nil, err
	}
	prices := LevelDetails{Retail: d.Retail, Wholesale: d.Wholesale, NoWholesale: d.NoWholesale}
	if err := prices.check(before.Cost.Currency); err != nil {
		return nil, err
	}
	pair := Pair{before.Product, before.Location}
	if _, err := lockLevels(tx, owner, []Pair{pair}); err != nil {
		return nil, err
	}
	if before, err = ItemByID(tx, id); err != nil { // as it is now that the level is ours
		return nil, err
	}
	if d.Retail != nil || d.Wholesale != nil || d.NoWholesale {
		if err := changePrices(tx, owner, before, prices); err != nil {
			return nil, err
		}
	}
	if d.Quantity != nil && *d.Quantity != before.Received {
		if err := correct(tx, owner, who.User, before, *d.Quantity, now); err != nil {
			return nil, err
		}
	}
	after, err := ItemByID(tx, id)
	if err != nil {
		return nil, err
	}
	changes := map[string]any{}
	differ(changes, "quantity_received", before.Received, after.Received)
	differ(changes, "retail_price", before.Retail, after.Retail)
	differ(changes, "wholesale_price", value(before.Wholesale).Minor, value(after.Wholesale).Minor)
	if len(changes) == 0 {
		return after, nil
	}
	who.Action, who.Entity, who.EntityID, who.Changes = audit.Update, "stock_item", id.String(), changes
	return after, record(tx, owner, who)
}

func changePrices(tx *gorm.DB, owner uuid.UUID, i *Item, d LevelDetails) error {
	var retail, wholesale *int64
	if d.Retail != nil {
		retail = &d.Retail.Minor
	}
	if d.Wholesale != nil {
		wholesale = &d.Wholesale.Minor
	}
	_, err := exec(tx, "change prices of stock item", `
		update inventory.stock_item set retail_price_minor = coalesce($3, retail_price_minor), wholesale_price_minor = case when $5 then null else coalesce($4, wholesale_price_minor) end
		 where tenant_id = $1 and id = $2`, owner, i.ID, retail, wholesale, d.NoWholesale)
	if err != nil {
		return err
	}
	_, err = exec(tx, "change current prices", `
		update inventory.stock_level l set retail_price_minor = coalesce($5, l.retail_price_minor), wholesale_price_minor = case when $7 then null else coalesce($6, l.wholesale_price_minor) end
		 where l.tenant_id = $1 and l.location_id = $2 and l.product_id = $3
		   and not exists (select from inventory.stock_item n where n.tenant_id = $1 and n.product_id = $3 and n.location_id = $2 and n.id > $4)`,
		owner, i.Location, i.Product, i.ID, retail, wholesale, d.NoWholesale)
	return err
}

// correct makes quantity what was received. The level is locked.
func correct(tx *gorm.DB, owner, user uuid.UUID, i *Item, quantity int64, now time.Time) error {
	if quantity < 1 || quantity > MaxQuantity {
		return ErrQuantity
	}
	moved, err := one(tx, "look for movements", `
		select exists (select from inventory.movement where tenant_id = $1 and stock_item_id = $2 and kind <> 'INTAKE')`, ErrItemNotFound,
		func(rows pgx.Rows) (moved bool, err error) { return moved, rows.Scan(&moved) }, owner, i.ID)
	if err != nil {
		return err
	}
	if moved || i.Source != nil {
		return fmt.Errorf("correct stock item %s: %w", i.ID, ErrItemMoved)
	}
	if _, err := exec(tx, "correct stock item", `update inventory.stock_item set quantity_received = $3 where tenant_id = $1 and id = $2`, owner, i.ID, quantity); err != nil {
		return err
	}
	return post(tx, owner, cause{kind: Intake, sourceType: sourceItem, reason: "corrected", user: user, at: now},
		[]movement{{item: i.ID, source: i.ID, pair: Pair{i.Product, i.Location}, delta: quantity - i.Received}})
}
