package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

const (
	// DigestRows is how many products a digest names; the rest is a number. More than a screen is not read.
	DigestRows = 20
	// RemindAfter is how long a shop is left in peace about a product that it was told of.
	RemindAfter = 7 * 24 * time.Hour
	// CoverDays is how many days of sales the days of cover are reckoned from: four weeks, so that each weekday counts alike.
	CoverDays = 28
)

// LowItem is one product at one place that is low or out.
type LowItem struct {
	Pair
	Product, SKU, Unit, Location string
	OnHand, Threshold            int64
	// Sold is what the place sold of it in the last CoverDays days, without what came back.
	Sold int64
	// ValueMinor is what is left of it, at landed cost.
	ValueMinor int64
	// New is true when nobody has been told before.
	New bool
	// placeTotal is how many items the place has in all, this one included, and placeNew how many of them are new.
	placeTotal, placeNew int
}

// Cover is how many days the stock lasts at the pace of the last weeks, rounded down; known is false when nothing was sold.
func (i LowItem) Cover() (days int64, known bool) {
	if i.Sold <= 0 {
		return 0, false
	}
	return i.OnHand * CoverDays / i.Sold, true
}

// LowDigest is what is to be told about low stock, the worst first.
type LowDigest struct {
	// Total is how many items it speaks of, New how many of them were never told. Items are the worst DigestRows.
	Total, New int
	Items      []LowItem
	// Recovered is how many that were told of have been stocked up since the last digest.
	Recovered int
}

// LowStockDigests is what TakeLowStock found in one business; For makes one person's digest of it.
type LowStockDigests struct {
	items     []LowItem
	recovered map[uuid.UUID]int // by place
}

// TakeLowStock collects the alerts that are due to be told and marks them told, in one statement. Due is what was never told, or more than RemindAfter ago, and is neither
// snoozed nor acknowledged. products asks for these products instead, told and acknowledged or not. tx must be bound to one business.
func TakeLowStock(tx *gorm.DB, products []uuid.UUID) (*LowStockDigests, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("take low stock: %w", err)
	}
	d := &LowStockDigests{recovered: map[uuid.UUID]int{}}
	// Before the alerts are marked: the last digest is then still the last one.
	err = query(tx, "count recovered stock", `
		select a.location_id, count(distinct a.product_id)
		  from inventory.stock_alert a
		 where a.tenant_id = $1 and a.type in ('LOW_STOCK', 'OUT_OF_STOCK') and a.notified_at is not null
		   and a.resolved_at > (select max(b.notified_at) from inventory.stock_alert b where b.tenant_id = $1 and b.type in ('LOW_STOCK', 'OUT_OF_STOCK'))
		   and not exists (select from inventory.stock_alert o where o.tenant_id = a.tenant_id and o.product_id = a.product_id and o.location_id = a.location_id and o.resolved_at is null and o.stock_item_id is null)
		 group by 1`,
		func(rows pgx.Rows) error {
			var place uuid.UUID
			var n int
			err := rows.Scan(&place, &n)
			d.recovered[place] = n
			return err
		}, owner)
	if err != nil {
		return nil, err
	}
	err = query(tx, "take low stock", `
		with due as (
			select a.tenant_id, a.id, a.product_id, a.location_id, a.notified_at, l.on_hand, `+thresholdSQL+` as threshold
			  from inventory.stock_alert a
			  join inventory.stock_level l on l.tenant_id = a.tenant_id and l.product_id = a.product_id and l.location_id = a.location_id
			  join inventory.product p on p.tenant_id = a.tenant_id and p.id = a.product_id and p.is_active and not p.alerts_muted
			  left join accounts.v_settings s on s.tenant_id = a.tenant_id
			 where a.tenant_id = $1 and a.resolved_at is null and a.type in ('LOW_STOCK', 'OUT_OF_STOCK')
			   and case when $2::uuid[] is null
			            then a.acknowledged_at is null and coalesce(a.snoozed_until, '-infinity') <= now() and coalesce(a.notified_at, '-infinity') <= now() - $4::bigint * interval '1 second'
			            else a.product_id = any ($2) end
		), told as (
			update inventory.stock_alert a set notified_at = now(), current_quantity = due.on_hand, threshold = due.threshold from due where a.tenant_id = due.tenant_id and a.id = due.id
		), ranked as (
			select due.*, row_number() over (partition by location_id order by on_hand > 0, on_hand::numeric / greatest(threshold, 1), product_id) as n,
			       count(*) over (partition by location_id) as total, count(*) filter (where notified_at is null) over (partition by location_id) as fresh
			  from due
		)
		select r.product_id, r.location_id, p.name, p.sku, p.unit, o.name, r.on_hand, r.threshold, r.notified_at is null, r.total, r.fresh,
		       coalesce((select -sum(m.delta) from inventory.movement m where m.tenant_id = r.tenant_id and m.product_id = r.product_id and m.location_id = r.location_id
		                  and m.kind in ('SALE', 'REFUND') and m.at > now() - $5::int * interval '1 day'), 0)::bigint,
		       coalesce((select sum(i.on_hand * i.unit_landed_minor) from inventory.stock_item i where i.tenant_id = r.tenant_id and i.product_id = r.product_id
		                  and i.location_id = r.location_id and i.on_hand > 0), 0)::bigint
		  from ranked r
		  join inventory.product p on p.tenant_id = r.tenant_id and p.id = r.product_id
		  join inventory.location o on o.tenant_id = r.tenant_id and o.id = r.location_id
		 where r.n <= $3`,
		func(rows pgx.Rows) error {
			var i LowItem
			err := rows.Scan(&i.ProductID, &i.LocationID, &i.Product, &i.SKU, &i.Unit, &i.Location, &i.OnHand, &i.Threshold, &i.New, &i.placeTotal, &i.placeNew, &i.Sold, &i.ValueMinor)
			d.items = append(d.items, i)
			return err
		}, owner, products, DigestRows, int64(RemindAfter.Seconds()), CoverDays)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(d.items, worseLow)
	return d, nil
}

// worseLow orders by urgency: nothing left first, then what is furthest below its threshold.
func worseLow(a, b LowItem) int {
	if c := cmp.Compare(min(a.OnHand, 1), min(b.OnHand, 1)); c != 0 {
		return c
	}
	// a.OnHand/a.Threshold against b.OnHand/b.Threshold, without fractions.
	if c := cmp.Compare(a.OnHand*max(b.Threshold, 1), b.OnHand*max(a.Threshold, 1)); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Product, b.Product); c != 0 {
		return c
	}
	return cmp.Compare(a.LocationID.String(), b.LocationID.String())
}

// For returns one person's digest: of the places that they look after.
func (d *LowStockDigests) For(r Recipient) LowDigest {
	var digest LowDigest
	counted := map[uuid.UUID]bool{}
	for _, i := range d.items {
		if !r.Sees(i.LocationID) {
			continue
		}
		if !counted[i.LocationID] {
			counted[i.LocationID] = true
			digest.Total, digest.New = digest.Total+i.placeTotal, digest.New+i.placeNew
		}
		if len(digest.Items) < DigestRows {
			digest.Items = append(digest.Items, i)
		}
	}
	for place, n := range d.recovered {
		if r.Sees(place) {
			digest.Recovered += n
		}
	}
	return digest
}
