package inventory

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// PutBack is how much of one line of a sale goes back on the shelf.
type PutBack struct {
	SaleItemID uuid.UUID
	Quantity   int64
}

// Restock puts goods back into the items that Sell took them from, the last taken first, and returns what each line of the sale had cost, in minor units, by SaleItemID.
// Over any number of calls no more goes back than was taken, and the costs add up to those of the sale.
// Errors: ErrQuantity; ErrBeyondTaken, also for a line that was never sold, which leaves nothing changed.
func Restock(tx *gorm.DB, lines []PutBack, user uuid.UUID, at time.Time) (cost map[uuid.UUID]int64, err error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("restock: %w", err)
	}
	left := map[uuid.UUID]int64{}
	for _, l := range lines {
		if l.Quantity < 1 || l.Quantity > MaxQuantity {
			return nil, fmt.Errorf("restock: %w", ErrQuantity)
		}
		left[l.SaleItemID] += l.Quantity
	}
	sources := column(lines, func(l PutBack) uuid.UUID { return l.SaleItemID })
	var pairs []Pair
	err = query(tx, "find what was sold", `
		select distinct m.product_id, m.location_id from inventory.movement m where m.tenant_id = $1 and m.source_id = any($2) and m.source_type = 'sale_item'`,
		func(rows pgx.Rows) error {
			var p Pair
			err := rows.Scan(&p.ProductID, &p.LocationID)
			pairs = append(pairs, p)
			return err
		}, owner, sources)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(pairs, comparePairs)
	if _, err := lockLevels(tx, owner, pairs); err != nil {
		return nil, err
	}
	cost = make(map[uuid.UUID]int64, len(left))
	var moves []movement
	err = query(tx, "read what was taken", `
		select m.source_id, m.stock_item_id, m.product_id, m.location_id, i.unit_landed_minor, -sum(m.delta)::bigint
		  from inventory.movement m join inventory.stock_item i on i.tenant_id = m.tenant_id and i.id = m.stock_item_id
		 where m.tenant_id = $1 and m.source_id = any($2) and m.source_type = 'sale_item'
		 group by m.source_id, m.stock_item_id, m.product_id, m.location_id, i.unit_landed_minor, i.expiry_date
		having sum(m.delta) < 0
		 order by m.source_id, i.expiry_date desc nulls first, m.stock_item_id desc`,
		func(rows pgx.Rows) error {
			var m movement
			var unitCost, out int64
			if err := rows.Scan(&m.source, &m.item, &m.pair.ProductID, &m.pair.LocationID, &unitCost, &out); err != nil {
				return err
			}
			if m.delta = min(out, left[m.source]); m.delta > 0 {
				left[m.source] -= m.delta
				cost[m.source] += m.delta * unitCost
				moves = append(moves, m)
			}
			return nil
		}, owner, sources)
	if err != nil {
		return nil, err
	}
	for line, n := range left {
		if n > 0 {
			return nil, fmt.Errorf("restock line %s of a sale, %d too many: %w", line, n, ErrBeyondTaken)
		}
	}
	return cost, post(tx, owner, cause{kind: Refund, sourceType: sourceSaleItem, user: user, at: at}, moves)
}
