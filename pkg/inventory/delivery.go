package inventory

import (
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/money"
	"makola/pkg/problem"
)

// MaxDelivery is the most items one delivery may have.
const MaxDelivery = 500

// maxFaults is how many faults of one delivery are named; whoever has more has the same mistake in every line.
const maxFaults = 50

// sourceBatch is the source_type of what a delivery brings.
const sourceBatch = "stock_batch"

// Delivery is goods that arrive together.
type Delivery struct {
	// Arrival is a day, at midnight UTC.
	Arrival                time.Time
	Reference, Description string
	Items                  []DeliveryItem
}

// DeliveryItem is one product of a delivery at one place. The costs and prices are for one unit, in the business's currency.
type DeliveryItem struct {
	Product, Location uuid.UUID
	// Supplier may be the zero id: nobody in particular.
	Supplier uuid.UUID
	// Expiry is a day at midnight UTC; nil: it keeps.
	Expiry   *time.Time
	Quantity int64
	// Cost, Tax and Additional add up to what one unit cost until it lay on the shelf.
	Cost, Tax, Additional money.Amount
	Retail                money.Amount
	// Wholesale is nil where there is no price of its own for resellers; the place keeps the one it has.
	Wholesale *money.Amount
}

// check names what is wrong with the delivery without looking at the database.
func (d *Delivery) check(rules Rules) (faults []problem.FieldError) {
	if d.Arrival.After(rules.Today) {
		faults = append(faults, fault("/arrival_date", "in_future", "must not be in the future"))
	}
	if len(d.Items) < 1 || len(d.Items) > MaxDelivery {
		return append(faults, fault("/items", "out_of_range", "must be from 1 to 500"))
	}
	type key struct {
		product, location, supplier uuid.UUID
		expiry                      time.Time
		cost                        int64
	}
	first := map[key]int{}
	for i, item := range d.Items {
		at := "/items/" + strconv.Itoa(i)
		if item.Quantity < 1 || item.Quantity > MaxQuantity {
			faults = append(faults, fault(at+"/quantity", "out_of_range", "must be a whole number from 1 to 1000000000"))
		}
		prices := []struct {
			name   string
			amount money.Amount
		}{{"unit_cost", item.Cost}, {"unit_tax", item.Tax}, {"unit_additional_cost", item.Additional}, {"retail_price", item.Retail}}
		if item.Wholesale != nil {
			prices = append(prices, struct {
				name   string
				amount money.Amount
			}{"wholesale_price", *item.Wholesale})
		}
		for _, p := range prices {
			if p.amount.Currency != rules.Currency || p.amount.Minor < 0 || p.amount.Minor > MaxUnitMinor {
				faults = append(faults, fault(at+"/"+p.name, "out_of_range", "must be from 0.00 to 10000000.00"))
			}
		}
		if item.Expiry != nil && item.Expiry.Before(d.Arrival) {
			faults = append(faults, fault(at+"/expiry_date", "before_arrival", "must not be before the goods arrived"))
		}
		k := key{item.Product, item.Location, item.Supplier, value(item.Expiry), item.Cost.Minor}
		if before, again := first[k]; again {
			faults = append(faults, fault(at, "duplicate", "is the same as item "+strconv.Itoa(before)+"; add their quantities"))
		} else {
			first[k] = i
		}
	}
	return faults
}

// references names the ids that the business does not have, or that take nothing in any more.
func (d *Delivery) references(tx *gorm.DB, owner uuid.UUID) (faults []problem.FieldError, err error) {
	state := map[string]bool{} // by kind and id: whether it is active
	err = query(tx, "look up what a delivery names", `
		select 'product', id, is_active from inventory.product where tenant_id = $1 and id = any($2)
		union all select 'location', id, is_active from inventory.location where tenant_id = $1 and id = any($3)
		union all select 'supplier', id, is_active from inventory.supplier where tenant_id = $1 and id = any($4)`,
		func(rows pgx.Rows) error {
			var kind string
			var id uuid.UUID
			var active bool
			err := rows.Scan(&kind, &id, &active)
			state[kind+id.String()] = active
			return err
		}, owner, ids(d.Items, func(i DeliveryItem) uuid.UUID { return i.Product }), ids(d.Items, func(i DeliveryItem) uuid.UUID { return i.Location }),
		ids(d.Items, func(i DeliveryItem) uuid.UUID { return i.Supplier }))
	if err != nil {
		return nil, err
	}
	for i, item := range d.Items {
		for _, ref := range []struct {
			kind string
			id   uuid.UUID
		}{{"product", item.Product}, {"location", item.Location}, {"supplier", item.Supplier}} {
			if ref.kind == "supplier" && ref.id == uuid.Nil {
				continue
			}
			at := "/items/" + strconv.Itoa(i) + "/" + ref.kind + "_id"
			switch active, known := state[ref.kind+ref.id.String()]; {
			case !known:
				faults = append(faults, fault(at, "unknown", "is no "+ref.kind+" of this business"))
			case !active:
				faults = append(faults, fault(at, "inactive", "is not in use any more"))
			}
		}
	}
	return faults, nil
}

// Receive takes a delivery in: its items, their movements, and its prices, which are the places' current ones from now on. All of it or nothing.
// Errors: faults of the body, named by JSON pointer.
func Receive(tx *gorm.DB, who audit.Entry, rules Rules, d Delivery, now time.Time) (*Batch, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("receive delivery: %w", err)
	}
	faults := d.check(rules)
	if len(faults) == 0 {
		if faults, err = d.references(tx, owner); err != nil {
			return nil, err
		}
	}
	if err := invalid(faults[:min(len(faults), maxFaults)]...); err != nil {
		return nil, err
	}
	batch, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make delivery id: %w", err)
	}
	if err := setPrices(tx, owner, rules.Currency, d.Items); err != nil {
		return nil, err
	}
	_, err = exec(tx, "insert delivery", `insert into inventory.stock_batch (id, tenant_id, arrival_date, reference, description, created_by) values ($1, $2, $3, $4, $5, $6)`,
		batch, owner, d.Arrival, value(trimmed(&d.Reference)), value(trimmed(&d.Description)), who.User)
	if err != nil {
		return nil, err
	}
	if err := d.insert(tx, owner, batch, rules.Currency, who.User, now); err != nil {
		return nil, err
	}
	who.Action, who.Entity, who.EntityID, who.Changes = audit.Create, "stock_batch", batch.String(), map[string]any{"items": len(d.Items), "reference": d.Reference}
	if err := record(tx, owner, who); err != nil {
		return nil, err
	}
	return BatchByID(tx, batch)
}

// insert writes the items and what they bring.
func (d *Delivery) insert(tx *gorm.DB, owner, batch uuid.UUID, currency money.Currency, user uuid.UUID, now time.Time) error {
	moves, err := d.insertItems(tx, owner, batch, currency)
	if err != nil {
		return err
	}
	return post(tx, owner, cause{kind: Intake, sourceType: sourceBatch, user: user, at: now}, moves)
}

// insertItems writes the items, with nothing in them, and returns the movements that fill them.
func (d *Delivery) insertItems(tx *gorm.DB, owner, batch uuid.UUID, currency money.Currency) ([]movement, error) {
	items := make([]uuid.UUID, len(d.Items))
	moves := make([]movement, len(d.Items))
	for i, item := range d.Items {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("make stock item id: %w", err)
		}
		items[i] = id
		moves[i] = movement{item: id, source: batch, pair: Pair{item.Product, item.Location}, delta: item.Quantity}
	}
	minor := func(of func(DeliveryItem) money.Amount) []int64 {
		return column(d.Items, func(i DeliveryItem) int64 { return of(i).Minor })
	}
	_, err := exec(tx, "insert stock items", `
		insert into inventory.stock_item (id, tenant_id, batch_id, location_id, product_id, supplier_id, expiry_date, quantity_received, currency, unit_cost_minor, unit_tax_minor,
		       unit_additional_minor, retail_price_minor, wholesale_price_minor)
		select i.id, $1, $2, i.place, i.product, i.supplier, i.expiry, i.quantity, $3, i.cost, i.tax, i.additional, i.retail, i.wholesale
		  from unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[], $8::date[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[])
		       as i (id, place, product, supplier, expiry, quantity, cost, tax, additional, retail, wholesale)`,
		owner, batch, string(currency), items, column(d.Items, func(i DeliveryItem) uuid.UUID { return i.Location }), column(d.Items, func(i DeliveryItem) uuid.UUID { return i.Product }),
		column(d.Items, func(i DeliveryItem) *uuid.UUID { return optionalID(i.Supplier) }), column(d.Items, func(i DeliveryItem) *time.Time { return i.Expiry }),
		column(d.Items, func(i DeliveryItem) int64 { return i.Quantity }), minor(func(i DeliveryItem) money.Amount { return i.Cost }), minor(func(i DeliveryItem) money.Amount { return i.Tax }),
		minor(func(i DeliveryItem) money.Amount { return i.Additional }), minor(func(i DeliveryItem) money.Amount { return i.Retail }),
		column(d.Items, func(i DeliveryItem) *int64 {
			if i.Wholesale == nil {
				return nil
			}
			return &i.Wholesale.Minor
		}))
	return moves, err
}

// setPrices makes the prices of the items the current ones of their places; of several items of a product at a place the last counts. Levels that are not there yet begin
// here. The statement locks in order, as lockLevels does, and so stands for it.
func setPrices(tx *gorm.DB, owner uuid.UUID, currency money.Currency, items []DeliveryItem) error {
	last := map[Pair]int{}
	for i, item := range items {
		last[Pair{item.Product, item.Location}] = i
	}
	current := make([]DeliveryItem, 0, len(last))
	for _, i := range last {
		current = append(current, items[i])
	}
	_, err := exec(tx, "set current prices", `
		insert into inventory.stock_level as l (tenant_id, location_id, product_id, currency, retail_price_minor, wholesale_price_minor)
		select $1, u.place, u.product, $2, u.retail, u.wholesale from unnest($3::uuid[], $4::uuid[], $5::bigint[], $6::bigint[]) as u (place, product, retail, wholesale)
		 order by u.product, u.place
		    on conflict (tenant_id, location_id, product_id) do update set currency = excluded.currency, retail_price_minor = excluded.retail_price_minor,
		       wholesale_price_minor = coalesce(excluded.wholesale_price_minor, l.wholesale_price_minor)`,
		owner, string(currency), column(current, func(i DeliveryItem) uuid.UUID { return i.Location }), column(current, func(i DeliveryItem) uuid.UUID { return i.Product }),
		column(current, func(i DeliveryItem) int64 { return i.Retail.Minor }), column(current, func(i DeliveryItem) *int64 {
			if i.Wholesale == nil {
				return nil
			}
			return &i.Wholesale.Minor
		}))
	return err
}
