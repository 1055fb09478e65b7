package inventory

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// Movement is one line of the ledger.
type Movement struct {
	ID, Product, Location, Item uuid.UUID
	ProductName, ProductSKU     string
	LocationName                string
	Kind                        string
	// Delta is the change; Before and After are what the place held of the product around it.
	Delta, Before, After int64
	// SourceType and Source name the cause: a line of a sale, a delivery, an adjustment, a transfer.
	SourceType string
	Source     uuid.UUID
	Reason     string
	User       *uuid.UUID
	At         time.Time
}

// MovementFilter chooses movements; zero members choose all.
type MovementFilter struct {
	Product, Location uuid.UUID
	Kind              string
	// From is the first instant, To the first one that is too late.
	From, To *time.Time
}

// Movements returns the movements after the one with id after, newest first, and the id to go on with.
//
// Before and After are counted back from what each place holds now, over what moved since the oldest line of the page: one walk for each product and place of the page,
// however many of its lines are theirs. Both come from one snapshot, so they are right also while others sell.
func Movements(tx *gorm.DB, f MovementFilter, after uuid.UUID, limit int) (list []Movement, next uuid.UUID, err error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("list movements: %w", err)
	}
	limit = clamp(limit)
	var w filter
	tenant := w.arg(owner)
	if f.Product != uuid.Nil {
		w.and(`m.product_id = ?`, f.Product)
	}
	place := `m.location_id = ?`
	if f.Kind != "" {
		w.and(`m.kind = ?`, f.Kind)
		if f.Kind != Sale {
			w.where.WriteString(` and m.kind <> 'SALE'`) // as the index says it
			place = `(m.location_id = ?) is true`        // no index reads that: a place has too many movements to walk through for the few of a kind
		}
	}
	if f.Location != uuid.Nil {
		w.and(place, f.Location)
	}
	if f.From != nil {
		w.and(`m.at >= ?`, *f.From)
	}
	if f.To != nil {
		w.and(`m.at < ?`, *f.To)
	}
	if after != uuid.Nil {
		w.and(`(m.at, m.id) < (select a.at, a.id from inventory.movement a where a.tenant_id = `+tenant+` and a.id = ?)`, after)
	}
	err = query(tx, "list movements", `
		with page as materialized (
			select m.* from inventory.movement m where m.tenant_id = `+tenant+w.where.String()+` order by m.at desc, m.id desc limit `+w.arg(limit+1)+`
		), pair as materialized (
			select product_id, location_id, min(at) as since from page group by 1, 2
		), walk as (
			select w.id, l.on_hand - w.later as after
			  from pair
			  join inventory.stock_level l on l.tenant_id = `+tenant+` and l.location_id = pair.location_id and l.product_id = pair.product_id
			 cross join lateral ( -- for each pair on its own: the planner cannot know how little "since" leaves, and would rather read the whole ledger
				select m.id, sum(m.delta) over (order by m.at desc, m.id desc) - m.delta as later
				  from inventory.movement m
				 where m.tenant_id = `+tenant+` and m.product_id = pair.product_id and m.location_id = pair.location_id and m.at >= pair.since) w
		)
		select m.id, m.product_id, m.location_id, m.stock_item_id, p.name, p.sku, o.name, m.kind, m.delta, (walk.after - m.delta)::bigint, walk.after::bigint, m.source_type, m.source_id,
		       m.reason, m.user_id, m.at
		  from page m join walk on walk.id = m.id
		  join inventory.product p on p.tenant_id = `+tenant+` and p.id = m.product_id
		  join inventory.location o on o.tenant_id = `+tenant+` and o.id = m.location_id
		 order by m.at desc, m.id desc`,
		func(rows pgx.Rows) error {
			var m Movement
			err := rows.Scan(&m.ID, &m.Product, &m.Location, &m.Item, &m.ProductName, &m.ProductSKU, &m.LocationName, &m.Kind, &m.Delta, &m.Before, &m.After, &m.SourceType, &m.Source,
				&m.Reason, &m.User, &m.At)
			list = append(list, m)
			return err
		}, w.args...)
	list, next = page(list, limit, func(m Movement) uuid.UUID { return m.ID })
	return list, next, err
}
