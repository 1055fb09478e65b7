package inventory

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
)

// Stocked is a product with its stock, at one place or over all.
type Stocked struct {
	Product
	OnHand, Threshold int64
	// Retail and Wholesale are a place's prices; nil over all places, and where the product never was.
	Retail, Wholesale *money.Amount
}

// Status is how the stock stands.
func (s *Stocked) Status() Status { return StatusOf(s.OnHand, s.Threshold) }

// ProductFilter chooses products; zero members choose all.
type ProductFilter struct {
	// Query is part of a name, SKU or barcode, in whatever case. Barcode is a whole one.
	Query, Barcode string
	// Category takes the categories below it, too.
	Category uuid.UUID
	// Location asks for the stock of one place instead of all together. A place that does not exist has no products.
	Location uuid.UUID
	Status   Status
	Active   *bool
	// ID asks for one product.
	ID uuid.UUID
}

// conditions are what Status asks of a product. onHand and threshold stand for the columns.
var conditions = map[Status]string{
	InStock:    ` and s.on_hand > coalesce(s.reorder_level, p.reorder_level, `,
	LowStock:   ` and s.on_hand > 0 and s.on_hand <= coalesce(s.reorder_level, p.reorder_level, `,
	OutOfStock: ` and coalesce(s.on_hand, 0) = 0`,
}

// Products returns the products by name, after the one with id after, and the id to go on with.
func Products(tx *gorm.DB, rules Rules, f ProductFilter, after uuid.UUID, limit int) (list []Stocked, next uuid.UUID, err error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("list products: %w", err)
	}
	limit = clamp(limit)
	var w filter
	tenant, threshold := w.arg(owner), w.arg(rules.ReorderLevel)
	from := ` from inventory.product p`
	if f.Query != "" {
		from = ` from inventory.matching_products(` + w.arg(contains(f.Query)) + `) as found (id) join inventory.product p on p.tenant_id = ` + tenant + ` and p.id = found.id`
	}
	if f.Location != uuid.Nil {
		place := w.arg(f.Location)
		from += ` join inventory.location o on o.tenant_id = ` + tenant + ` and o.id = ` + place + `
			left join inventory.stock_level s on s.tenant_id = p.tenant_id and s.product_id = p.id and s.location_id = ` + place
	} else {
		from += ` left join lateral (select sum(l.on_hand)::bigint as on_hand, null::bigint as reorder_level, null::char(3) as currency, null::bigint as retail_price_minor, null::bigint as wholesale_price_minor
			from inventory.stock_level l where l.tenant_id = p.tenant_id and l.product_id = p.id) s on true`
	}
	if f.ID != uuid.Nil {
		w.and(`p.id = ?`, f.ID)
	}
	if f.Barcode != "" {
		w.and(`p.barcode = ?`, f.Barcode)
	}
	if f.Active != nil {
		w.and(`p.is_active = ?`, *f.Active)
	}
	if f.Category != uuid.Nil {
		w.and(`p.category_id in (
			with recursive below as (
				select id from inventory.category where tenant_id = `+tenant+` and id = ?
				union select c.id from inventory.category c join below on c.tenant_id = `+tenant+` and c.parent_id = below.id)
			select id from below)`, f.Category)
	}
	if after != uuid.Nil { // products are renamed and never deleted: the place in the list is where this one stands now
		w.and(`(lower(p.name), p.id) > (select lower(b.name), b.id from inventory.product b where b.tenant_id = `+tenant+` and b.id = ?)`, after)
	}
	if condition := conditions[f.Status]; condition != "" {
		w.where.WriteString(condition)
		if f.Status != OutOfStock {
			w.where.WriteString(threshold + `)`)
		}
	}
	err = query(tx, "list products", `
		select `+productColumns+`, coalesce(s.on_hand, 0), coalesce(s.reorder_level, p.reorder_level, `+threshold+`), coalesce(s.currency, ''), s.retail_price_minor, s.wholesale_price_minor`+from+`
		 where p.tenant_id = `+tenant+w.where.String()+` order by lower(p.name), p.id limit `+w.arg(limit+1),
		func(rows pgx.Rows) error {
			var s Stocked
			var currency money.Currency
			var retail, wholesale *int64
			err := rows.Scan(append(s.fields(), &s.OnHand, &s.Threshold, &currency, &retail, &wholesale)...)
			s.Retail, s.Wholesale = optionalAmount(retail, currency), optionalAmount(wholesale, currency)
			list = append(list, s)
			return err
		}, w.args...)
	list, next = page(list, limit, func(s Stocked) uuid.UUID { return s.ID })
	return list, next, err
}

// ProductByID returns a product with its stock over all places, or ErrProductNotFound.
func ProductByID(tx *gorm.DB, rules Rules, id uuid.UUID) (*Stocked, error) {
	list, _, err := Products(tx, rules, ProductFilter{ID: id}, uuid.Nil, 1)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("read product %s: %w", id, ErrProductNotFound)
	}
	return &list[0], nil
}
