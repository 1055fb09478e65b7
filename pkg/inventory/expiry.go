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

// ExpiryBuckets are the days before expiry at which an item is warned of, each once. 0 is for what has expired: it is warned of on the day after its last day.
var ExpiryBuckets = [...]int{30, 14, 7, 1, 0}

// DefaultExpiryDays is how far ahead the warning looks unless told otherwise: the first bucket.
const DefaultExpiryDays = 30

// ExpiringItem is one item of stock that expires soon, or has.
type ExpiringItem struct {
	ItemID uuid.UUID
	Pair
	Product, SKU, Unit, Location string
	ExpiryDate                   time.Time
	// Days are from the business's today to the expiry date: 0 is today, less than 0 is over.
	Days   int
	Bucket int
	OnHand int64
	// ValueMinor is what is left of it, at landed cost.
	ValueMinor int64
}

// Expired reports whether the item may not be sold any more.
func (i ExpiringItem) Expired() bool { return i.Days < 0 }

// Expiring is what WarnOfExpiry found in one business.
type Expiring struct {
	// Total is how many items with stock expire within the threshold or have; New are those that reached a bucket since they were last warned of, the most urgent first.
	Total int
	New   []ExpiringItem
}

// For returns what one person is to be told of.
func (e *Expiring) For(r Recipient) []ExpiringItem {
	var mine []ExpiringItem
	for _, i := range e.New {
		if r.Sees(i.LocationID) {
			mine = append(mine, i)
		}
	}
	return mine
}

// WarnOfExpiry opens the warnings that are due on the business's day of now: one for each item with stock and bucket of ExpiryBuckets, ever. An item that skips buckets,
// because it arrived late, is warned of in its present one. Warnings of earlier buckets end, and those of items that are gone. Inactive and muted products have none.
// tx must be bound to one business. Four statements, however many items.
func WarnOfExpiry(tx *gorm.DB, days int, now time.Time) (*Expiring, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("warn of expiry: %w", err)
	}
	e := &Expiring{}
	due := `
		due as (
			select i.tenant_id, i.id, i.product_id, i.location_id, i.expiry_date, i.on_hand, i.on_hand * i.unit_landed_minor as value,
			       i.expiry_date - ($1::timestamptz at time zone s.timezone)::date as days
			  from inventory.stock_item i
			  join accounts.v_settings s on s.tenant_id = i.tenant_id
			  join inventory.product p on p.tenant_id = i.tenant_id and p.id = i.product_id and p.is_active and not p.alerts_muted
			 where i.tenant_id = $3 and i.on_hand > 0 and i.expiry_date <= ($1::timestamptz at time zone s.timezone)::date + $2::int
		), placed as (
			select due.*, case when days < 0 then 0 when days <= 1 then 1 when days <= 7 then 7 when days <= 14 then 14 else 30 end as bucket from due
		)`
	err = query(tx, "find expiring stock", `with `+due+`
		select p.id, p.product_id, p.location_id, pr.name, pr.sku, pr.unit, o.name, p.expiry_date, p.days, p.bucket, p.on_hand, p.value, a.id is null
		  from placed p
		  join inventory.product pr on pr.tenant_id = p.tenant_id and pr.id = p.product_id
		  join inventory.location o on o.tenant_id = p.tenant_id and o.id = p.location_id
		  left join inventory.stock_alert a on a.tenant_id = p.tenant_id and a.stock_item_id = p.id and a.bucket = p.bucket`,
		func(rows pgx.Rows) error {
			var i ExpiringItem
			var fresh bool
			if err := rows.Scan(&i.ItemID, &i.ProductID, &i.LocationID, &i.Product, &i.SKU, &i.Unit, &i.Location, &i.ExpiryDate, &i.Days, &i.Bucket, &i.OnHand, &i.ValueMinor, &fresh); err != nil {
				return err
			}
			e.Total++
			if fresh {
				e.New = append(e.New, i)
			}
			return nil
		}, now, days, owner)
	if err != nil {
		return nil, err
	}
	if e.New, err = openWarnings(tx, owner, e.New); err != nil {
		return nil, err
	}
	slices.SortFunc(e.New, func(a, b ExpiringItem) int {
		if c := cmp.Compare(a.Bucket, b.Bucket); c != 0 {
			return c
		}
		if c := cmp.Compare(b.ValueMinor, a.ValueMinor); c != 0 {
			return c
		}
		return cmp.Compare(a.ItemID.String(), b.ItemID.String())
	})
	// Last, so that a new bucket ends the one before it.
	_, err = exec(tx, "end expiry warnings", `
		update inventory.stock_alert a set resolved_at = clock_timestamp()
		 where a.tenant_id = $1 and a.resolved_at is null and a.stock_item_id is not null
		   and (not exists (select from inventory.stock_item i where i.tenant_id = a.tenant_id and i.id = a.stock_item_id and i.on_hand > 0)
		        or exists (select from inventory.product p where p.tenant_id = a.tenant_id and p.id = a.product_id and (p.alerts_muted or not p.is_active))
		        or exists (select from inventory.stock_alert n where n.tenant_id = a.tenant_id and n.stock_item_id = a.stock_item_id and n.bucket < a.bucket))`, owner)
	return e, err
}

// openWarnings stores the warnings and returns those that are really new: of two runs at once, one has each.
func openWarnings(tx *gorm.DB, owner uuid.UUID, items []ExpiringItem) ([]ExpiringItem, error) {
	if len(items) == 0 {
		return nil, nil
	}
	ids := make([]uuid.UUID, len(items))
	var err error
	for i := range ids {
		if ids[i], err = uuid.NewV7(); err != nil {
			return nil, fmt.Errorf("make alert id: %w", err)
		}
	}
	fresh := map[uuid.UUID]bool{}
	err = query(tx, "open expiry warnings", `
		insert into inventory.stock_alert (id, tenant_id, product_id, location_id, type, stock_item_id, bucket, current_quantity, threshold, notified_at)
		select w.id, i.tenant_id, i.product_id, i.location_id, 'EXPIRY_WARNING', i.id, w.bucket, i.on_hand, w.bucket, now()
		  from unnest($2::uuid[], $3::uuid[], $4::smallint[]) as w (id, item, bucket)
		  join inventory.stock_item i on i.tenant_id = $1 and i.id = w.item
		    on conflict do nothing
		returning stock_item_id`,
		func(rows pgx.Rows) error {
			var item uuid.UUID
			err := rows.Scan(&item)
			fresh[item] = true
			return err
		}, owner, ids, column(items, func(i ExpiringItem) uuid.UUID { return i.ItemID }), column(items, func(i ExpiringItem) int16 { return int16(i.Bucket) }))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(items, func(i ExpiringItem) bool { return !fresh[i.ItemID] }), nil
}
