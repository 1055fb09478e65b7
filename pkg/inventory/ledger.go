package inventory

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// Pair is a product at a place.
type Pair struct{ ProductID, LocationID uuid.UUID }

// Kinds of movements.
const (
	Intake      = "INTAKE"
	Sale        = "SALE"
	Refund      = "REFUND"
	Adjusted    = "ADJUSTMENT"
	TransferOut = "TRANSFER_OUT"
	TransferIn  = "TRANSFER_IN"
)

// movement is one change of one item. source is what caused it.
type movement struct {
	item, source uuid.UUID
	pair         Pair
	delta        int64
}

// cause is what the movements of one deed have in common.
type cause struct {
	kind, sourceType, reason string
	user                     uuid.UUID // uuid.Nil: nobody in particular
	at                       time.Time
}

// post writes movements, and with them changes stock; it is the only way to. Alerts follow, for what has crossed its threshold. The levels must be locked. A movement is dated as the cause says, but never after
// the database's clock nor before what the ledger has of the same product and place: the order of dates is the order in which stock changed.
func post(tx *gorm.DB, owner uuid.UUID, c cause, list []movement) error {
	if len(list) == 0 {
		return nil
	}
	ids, err := movementIDs(len(list))
	if err != nil {
		return err
	}
	_, err = exec(tx, "post movements", `
		insert into inventory.movement (id, tenant_id, product_id, location_id, stock_item_id, delta, kind, source_type, source_id, reason, user_id, at)
		select m.id, $1, m.product, m.place, m.item, m.delta, $2, $3, m.source, $4, $5, greatest(least($6, clock_timestamp()), l.updated_at + interval '1 microsecond')
		  from unnest($7::uuid[], $8::uuid[], $9::uuid[], $10::uuid[], $11::bigint[], $12::uuid[]) as m (id, product, place, item, delta, source)
		  left join inventory.stock_level l on l.tenant_id = $1 and l.location_id = m.place and l.product_id = m.product`,
		owner, c.kind, c.sourceType, c.reason, optionalID(c.user), c.at, ids,
		column(list, func(m movement) uuid.UUID { return m.pair.ProductID }), column(list, func(m movement) uuid.UUID { return m.pair.LocationID }),
		column(list, func(m movement) uuid.UUID { return m.item }), column(list, func(m movement) int64 { return m.delta }),
		column(list, func(m movement) uuid.UUID { return m.source }))
	if err != nil {
		return err
	}
	touched := column(list, func(m movement) Pair { return m.pair })
	slices.SortFunc(touched, comparePairs)
	_, _, err = refreshAlerts(tx, owner, slices.Compact(touched))
	return err
}

func movementIDs(n int) ([]uuid.UUID, error) {
	ids := make([]uuid.UUID, n)
	for i := range ids {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("make movement id: %w", err)
		}
		ids[i] = id
	}
	return ids, nil
}

// postBatch is post without the alerts, for all n items of a delivery of which nothing is posted yet: what each received. It is for an import, which looks after the alerts once at its end.
func postBatch(tx *gorm.DB, owner uuid.UUID, c cause, batch uuid.UUID, n int) error {
	ids, err := movementIDs(n)
	if err != nil {
		return err
	}
	entered, err := exec(tx, "post movements of delivery", `
		insert into inventory.movement (id, tenant_id, product_id, location_id, stock_item_id, delta, kind, source_type, source_id, reason, user_id, at)
		select m.id, $1, i.product_id, i.location_id, i.id, i.quantity_received, $2, $3, $4, $5, $6, greatest(least($7, clock_timestamp()), l.updated_at + interval '1 microsecond')
		  from (select i.*, row_number() over (order by i.id) as n from inventory.stock_item i where i.tenant_id = $1 and i.batch_id = $4) i
		  join unnest($8::uuid[]) with ordinality as m (id, n) on m.n = i.n
		  left join inventory.stock_level l on l.tenant_id = $1 and l.location_id = i.location_id and l.product_id = i.product_id`,
		owner, c.kind, c.sourceType, batch, c.reason, optionalID(c.user), c.at, ids)
	if err == nil && entered != int64(n) {
		err = fmt.Errorf("post movements of delivery %s: it has %d items of %d", batch, entered, n)
	}
	return err
}

// lockLevels locks what is there of the pairs, in order, and returns what each holds. A pair without a level, where there never was anything, is absent.
func lockLevels(tx *gorm.DB, owner uuid.UUID, pairs []Pair) (map[Pair]int64, error) {
	onHand := make(map[Pair]int64, len(pairs))
	err := query(tx, "lock stock levels", `
		select l.product_id, l.location_id, l.on_hand
		  from unnest($2::uuid[], $3::uuid[]) as p (place, product)
		  join inventory.stock_level l on l.tenant_id = $1 and l.location_id = p.place and l.product_id = p.product
		 order by l.product_id, l.location_id for update of l`,
		func(rows pgx.Rows) error {
			var p Pair
			var n int64
			err := rows.Scan(&p.ProductID, &p.LocationID, &n)
			onHand[p] = n
			return err
		}, owner, column(pairs, func(p Pair) uuid.UUID { return p.LocationID }), column(pairs, func(p Pair) uuid.UUID { return p.ProductID }))
	return onHand, err
}

// need is what a line asks of a product.
type need struct {
	line, product uuid.UUID
	quantity      int64
}

// taken is what a line gets of one item.
type taken struct {
	line, item, product uuid.UUID
	quantity, unitCost  int64
}

// take locks the levels of a place and spreads the lines over its items, first expired first out, then oldest; an item without expiry comes last. It changes nothing.
// Lines of the same product take turns in their order. Errors: ErrQuantity; *InsufficientStockError, for the first product that is short.
func take(tx *gorm.DB, owner, place uuid.UUID, lines []need) ([]taken, error) {
	if len(lines) == 0 {
		return nil, nil
	}
	total := map[uuid.UUID]int64{}
	for _, l := range lines {
		if l.quantity < 1 || l.quantity > MaxQuantity {
			return nil, ErrQuantity
		}
		total[l.product] += l.quantity
	}
	pairs := make([]Pair, 0, len(total))
	for product := range total {
		pairs = append(pairs, Pair{product, place})
	}
	slices.SortFunc(pairs, comparePairs)
	onHand, err := lockLevels(tx, owner, pairs)
	if err != nil {
		return nil, err
	}
	for _, p := range pairs {
		if onHand[p] < total[p.ProductID] {
			return nil, &InsufficientStockError{Product: p.ProductID, Available: onHand[p], Requested: total[p.ProductID]}
		}
	}
	// Both sides are laid out on one scale for each product; a line gets of an item as much as their stretches overlap.
	list := make([]taken, 0, len(lines))
	got := map[uuid.UUID]int64{}
	err = query(tx, "spread over stock items", `
		with line as (
			select n, line, product, quantity, sum(quantity) over (partition by product order by n) as upto
			  from unnest($3::uuid[], $4::uuid[], $5::bigint[]) with ordinality as u (line, product, quantity, n)
		), item as (
			select i.id, i.product_id, i.on_hand, i.unit_landed_minor, i.expiry_date,
			       sum(i.on_hand) over (partition by i.product_id order by i.expiry_date nulls last, i.id) as upto
			  from inventory.stock_item i
			 where i.tenant_id = $1 and i.location_id = $2 and i.product_id = any($4) and i.on_hand > 0
		)
		select line.line, item.id, item.product_id, (least(line.upto, item.upto) - greatest(line.upto - line.quantity, item.upto - item.on_hand))::bigint, item.unit_landed_minor
		  from line join item on item.product_id = line.product and line.upto - line.quantity < item.upto and item.upto - item.on_hand < line.upto
		 order by line.n, item.upto`,
		func(rows pgx.Rows) error {
			var t taken
			err := rows.Scan(&t.line, &t.item, &t.product, &t.quantity, &t.unitCost)
			list = append(list, t)
			got[t.product] += t.quantity
			return err
		}, owner, place, column(lines, func(l need) uuid.UUID { return l.line }), column(lines, func(l need) uuid.UUID { return l.product }),
		column(lines, func(l need) int64 { return l.quantity }))
	if err != nil {
		return nil, err
	}
	for product, want := range total {
		if got[product] != want {
			return nil, fmt.Errorf("take %d of product %s: its items hold %d, its level says %d", want, product, got[product], onHand[Pair{product, place}])
		}
	}
	return list, nil
}

func comparePairs(a, b Pair) int {
	return cmp.Or(bytes.Compare(a.ProductID[:], b.ProductID[:]), bytes.Compare(a.LocationID[:], b.LocationID[:]))
}
