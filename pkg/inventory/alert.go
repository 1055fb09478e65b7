package inventory

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// AlertType is what an alert is about.
type AlertType string

// The types of alerts. A product at a place has one of the first two at a time, an item of stock at most one warning for each bucket.
const (
	AlertLow    AlertType = "LOW_STOCK"
	AlertOut    AlertType = "OUT_OF_STOCK"
	AlertExpiry AlertType = "EXPIRY_WARNING"
)

// Crossing is a product at a place whose stock has just fallen to its threshold, or to nothing.
type Crossing struct {
	Pair
	Product, SKU, Location string
	Type                   AlertType
	OnHand, Threshold      int64
}

// crossing is an alert to open.
type crossing struct {
	Crossing
	toldAt, snoozedTill *time.Time
	// milder takes the place of a worse one.
	milder bool
}

type crossedKey struct{}

// Crossed is told what has crossed, in the transaction in which it did.
type Crossed func(tx *gorm.DB, crossed []Crossing) error

// OnCrossing returns a context of which transactions tell fn what crosses in them: every change of stock may make something run low, and whoever changes it need not know. It is
// told where somebody listens (webhooks.v_listener) and else not asked; an error of fn fails what changed the stock.
func OnCrossing(ctx context.Context, fn Crossed) context.Context {
	return context.WithValue(ctx, crossedKey{}, fn)
}

// thresholdSQL is the threshold of a product at a place: the place's own, else the product's, else the business's. l is inventory.stock_level, p its product, s accounts.v_settings.
var thresholdSQL = fmt.Sprintf(`coalesce(l.reorder_level, p.reorder_level, s.reorder_level, %d)`, DefaultReorderLevel)

// RefreshAlerts opens an alert for each of the places whose stock has fallen to its threshold or to nothing, and ends the alerts of those that have recovered; nil means
// all places of the business. A place has its alert once for each crossing. Stock that falls from low to nothing opens the worse alert in place of the other; stock that
// rises from nothing to little opens the milder one, which counts as told when the worse one was. Muted and inactive products, and closed places, have no alerts.
//
// Callers that changed stock hold the locks of its levels, so what is found is what will be committed. One statement when nothing crosses; three otherwise, however many places.
func RefreshAlerts(tx *gorm.DB, places []Pair) (opened, ended int, err error) {
	owner, err := owner(tx)
	if err != nil {
		return 0, 0, fmt.Errorf("refresh stock alerts: %w", err)
	}
	return refreshAlerts(tx, owner, places)
}

func refreshAlerts(tx *gorm.DB, owner uuid.UUID, places []Pair) (opened, ended int, err error) {
	if places != nil && len(places) == 0 {
		return 0, 0, nil
	}
	levels, alerts := "", ""
	args := []any{owner}
	if places != nil {
		args = append(args, column(places, func(p Pair) uuid.UUID { return p.ProductID }), column(places, func(p Pair) uuid.UUID { return p.LocationID }))
		levels = ` and (l.product_id, l.location_id) in (select * from unnest($2::uuid[], $3::uuid[]))`
		alerts = ` and (a.product_id, a.location_id) in (select * from unnest($2::uuid[], $3::uuid[]))`
	}
	var open []crossing
	var over []uuid.UUID
	err = query(tx, "find stock crossings", `
		with due as (
			select l.tenant_id, l.product_id, l.location_id, p.name, p.sku, o.name as place, l.on_hand, `+thresholdSQL+` as threshold, case when l.on_hand = 0 then 'OUT_OF_STOCK' else 'LOW_STOCK' end as type
			  from inventory.stock_level l
			  join inventory.product p on p.tenant_id = l.tenant_id and p.id = l.product_id and p.is_active and not p.alerts_muted
			  join inventory.location o on o.tenant_id = l.tenant_id and o.id = l.location_id and o.is_active
			  left join accounts.v_settings s on s.tenant_id = l.tenant_id
			 where l.tenant_id = $1 and l.on_hand <= `+thresholdSQL+levels+`
		), alert as (
			select a.* from inventory.stock_alert a where a.tenant_id = $1 and a.resolved_at is null and a.stock_item_id is null`+alerts+`
		)
		select null::uuid, d.product_id, d.location_id, d.type, d.on_hand, d.threshold, w.notified_at, w.snoozed_until, w.id is not null, d.name, d.sku, d.place
		  from due d
		  left join alert same on same.product_id = d.product_id and same.location_id = d.location_id and same.type = d.type
		  left join alert w on w.product_id = d.product_id and w.location_id = d.location_id and w.type = 'OUT_OF_STOCK'
		 where same.id is null
		union all
		select a.id, a.product_id, a.location_id, a.type, 0, 0, null, null, false, '', '', ''
		  from alert a left join due d on d.product_id = a.product_id and d.location_id = a.location_id and d.type = a.type
		 where d.type is null`,
		func(rows pgx.Rows) error {
			var alert uuid.NullUUID
			var c crossing
			if err := rows.Scan(&alert, &c.ProductID, &c.LocationID, &c.Type, &c.OnHand, &c.Threshold, &c.toldAt, &c.snoozedTill, &c.milder, &c.Product, &c.SKU, &c.Location); err != nil {
				return err
			}
			if alert.Valid {
				over = append(over, alert.UUID)
			} else {
				open = append(open, c)
			}
			return nil
		}, args...)
	if err != nil {
		return 0, 0, err
	}
	if len(over) > 0 {
		n, err := exec(tx, "end stock alerts", `update inventory.stock_alert set resolved_at = clock_timestamp() where tenant_id = $1 and id = any ($2) and resolved_at is null`, owner, over)
		if err != nil {
			return 0, 0, err
		}
		ended = int(n)
	}
	if len(open) > 0 {
		if opened, err = openAlerts(tx, owner, open); err != nil {
			return 0, 0, err
		}
	}
	return opened, ended, nil
}

// openAlerts stores the alerts, and tells of them where somebody listens; one that somebody else has opened meanwhile is left as it is.
func openAlerts(tx *gorm.DB, owner uuid.UUID, open []crossing) (int, error) {
	ids := make([]uuid.UUID, len(open))
	var err error
	for i := range ids {
		if ids[i], err = uuid.NewV7(); err != nil {
			return 0, fmt.Errorf("make alert id: %w", err)
		}
	}
	type alert struct {
		Pair
		kind AlertType
	}
	fresh, heard := map[alert]bool{}, false
	err = query(tx, "open stock alerts", `
		with o as (
		insert into inventory.stock_alert (id, tenant_id, product_id, location_id, type, current_quantity, threshold, notified_at, snoozed_until)
		select c.id, $1, c.product, c.location, c.type, c.on_hand, c.threshold, c.told, c.snoozed
		  from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::bigint[], $8::timestamptz[], $9::timestamptz[])
		       as c (id, product, location, type, on_hand, threshold, told, snoozed)
		    on conflict do nothing returning product_id, location_id, type)
		select o.product_id, o.location_id, o.type, (select exists (select from webhooks.v_listener l where l.tenant_id = $1 and 'stock.low' = any (l.kinds))) from o`,
		func(rows pgx.Rows) error {
			var a alert
			err := rows.Scan(&a.ProductID, &a.LocationID, &a.kind, &heard)
			fresh[a] = true
			return err
		}, owner, ids, column(open, func(c crossing) uuid.UUID { return c.ProductID }), column(open, func(c crossing) uuid.UUID { return c.LocationID }),
		column(open, func(c crossing) string { return string(c.Type) }), column(open, func(c crossing) int64 { return c.OnHand }), column(open, func(c crossing) int64 { return c.Threshold }),
		column(open, func(c crossing) *time.Time { return c.toldAt }), column(open, func(c crossing) *time.Time { return c.snoozedTill }))
	if err != nil || !heard {
		return len(fresh), err
	}
	tell, ok := tx.Statement.Context.Value(crossedKey{}).(Crossed)
	if !ok {
		return len(fresh), nil
	}
	var crossed []Crossing
	for _, c := range open {
		if !c.milder && fresh[alert{c.Pair, c.Type}] {
			crossed = append(crossed, c.Crossing)
		}
	}
	if len(crossed) > 0 {
		err = tell(tx, crossed)
	}
	return len(fresh), err
}
