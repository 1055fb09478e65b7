package inventory

import (
	"bytes"
	"fmt"
	"slices"
	"unicode/utf8"

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

// trigram is how many letters in a row the search's index needs.
const trigram = 3

// Products returns the products by name, after the one with id after, and the id to go on with.
func Products(tx *gorm.DB, rules Rules, f ProductFilter, after uuid.UUID, limit int) (list []Stocked, next uuid.UUID, err error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("list products: %w", err)
	}
	limit = clamp(limit)
	among, few, err := among(tx, owner, rules, f)
	if err != nil {
		return nil, uuid.Nil, err
	}
	for most := limit + 1; ; most *= 10 {
		more := false
		if !few && after != uuid.Nil && f.Barcode == "" && utf8.RuneCountInString(f.Query) < trigram {
			if among, err = productsAfter(tx, after, most); err != nil {
				return nil, uuid.Nil, err
			}
			more = len(among) == most
		}
		part, err := products(tx, owner, rules, f, among, after, limit+1-len(list))
		if err != nil {
			return nil, uuid.Nil, err
		}
		if list = append(list, part...); len(list) > limit || !more {
			break
		}
		after = among[len(among)-1]
	}
	list, next = page(list, limit, func(s Stocked) uuid.UUID { return s.ID })
	return list, next, nil
}

// productsAfter returns those that follow by name, at most so many. Row security comes before a condition on lower(name): without this a page walks past all pages before it.
func productsAfter(tx *gorm.DB, after uuid.UUID, most int) (all []uuid.UUID, err error) {
	all = []uuid.UUID{}
	err = query(tx, "find the next products", `select inventory.products_after($1, $2)`, func(rows pgx.Rows) error {
		var id uuid.UUID
		err := rows.Scan(&id)
		all = append(all, id)
		return err
	}, after, most)
	return all, err
}

// maxFew is how many products are few: so many are read by their ids and sorted sooner than all are walked through by name.
const maxFew = 2_000

// highLevels is how many products' own thresholds are looked at one by one; those below them say how much stock may be low.
const highLevels = 100

// among returns the products that may have stock that is low, if low is asked for and they are few. Who has more finds a page of them by a walk.
func among(tx *gorm.DB, owner uuid.UUID, rules Rules, f ProductFilter) (all []uuid.UUID, few bool, err error) {
	if f.Status != LowStock || f.ID != uuid.Nil || f.Barcode != "" {
		return nil, false, nil
	}
	all = []uuid.UUID{}
	err = query(tx, "find low stock", `
		with bound as materialized (
			select greatest($2, (select p.reorder_level from inventory.product p where p.tenant_id = $1 and p.reorder_level is not null order by p.reorder_level desc offset $4 limit 1)) as most
		), place as materialized (
			select o.id from inventory.location o where o.tenant_id = $1 and ($3::uuid is null or o.id = $3)
		), likely as (
			(select l.id from place cross join lateral ( -- with a limit of its own it is one range of the index, whatever the planner takes a place for
				select l.product_id as id from inventory.stock_level l where l.tenant_id = $1 and l.location_id = place.id and l.on_hand > 0 and l.on_hand <= (select most from bound) limit $5) l limit $5)
			union all
			(select p.id from inventory.product p where p.tenant_id = $1 and p.reorder_level > (select most from bound) limit $5)
			union all
			(select l.product_id from inventory.stock_level l where l.tenant_id = $1 and l.reorder_level > (select most from bound) limit $5)
		)
		select id from likely`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			err := rows.Scan(&id)
			all = append(all, id)
			return err
		}, owner, rules.ReorderLevel, optionalID(f.Location), highLevels, maxFew+1)
	if err != nil || len(all) > maxFew {
		return nil, false, err
	}
	slices.SortFunc(all, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(all), true, nil
}

// products reads one page; among, unless it is nil, are the ids that it is chosen from.
func products(tx *gorm.DB, owner uuid.UUID, rules Rules, f ProductFilter, among []uuid.UUID, after uuid.UUID, limit int) (list []Stocked, err error) {
	var w filter
	tenant, threshold := w.arg(owner), w.arg(rules.ReorderLevel)
	with, from := ``, ` from inventory.product p`
	switch letters := utf8.RuneCountInString(f.Query); {
	case among != nil:
		with = `with found as materialized (select p.* from unnest(` + w.arg(among) + `::uuid[]) as hit (id) join inventory.product p on p.tenant_id = ` + tenant + ` and p.id = hit.id)`
		from = ` from found p`
		if letters > 0 {
			w.and(`p.search like ?`, contains(f.Query))
		}
	case letters >= trigram:
		// Materialized: the planner does not know how few the index finds, and would rather walk all products by name.
		with = `with found as materialized (select p.* from inventory.matching_products(` + w.arg(contains(f.Query)) + `) as hit (id) join inventory.product p on p.tenant_id = ` + tenant + ` and p.id = hit.id)`
		from = ` from found p`
	case letters > 0: // too short for the index, and so common that a walk by name soon has a page of them
		w.and(`p.search like ?`, contains(f.Query))
	}
	// Stock is looked up for each product on its own. A plan that is kept for all businesses takes a place's levels for few, and would compare every product with every level.
	if f.Location != uuid.Nil {
		place := w.arg(f.Location)
		from += ` join inventory.location o on o.tenant_id = ` + tenant + ` and o.id = ` + place + `
			left join lateral (select l.* from inventory.stock_level l where l.tenant_id = p.tenant_id and l.product_id = p.id and l.location_id = ` + place + ` limit 1) s on true`
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
	err = query(tx, "list products", with+`
		select `+productColumns+`, coalesce(s.on_hand, 0), coalesce(s.reorder_level, p.reorder_level, `+threshold+`), coalesce(s.currency, ''), s.retail_price_minor, s.wholesale_price_minor`+from+`
		 where p.tenant_id = `+tenant+w.where.String()+` order by lower(p.name), p.id limit `+w.arg(limit),
		func(rows pgx.Rows) error {
			var s Stocked
			var currency money.Currency
			var retail, wholesale *int64
			err := rows.Scan(append(s.fields(), &s.OnHand, &s.Threshold, &currency, &retail, &wholesale)...)
			s.Retail, s.Wholesale = optionalAmount(retail, currency), optionalAmount(wholesale, currency)
			list = append(list, s)
			return err
		}, w.args...)
	return list, err
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
