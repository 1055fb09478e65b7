package inventory

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// checkDetails is how many faults of one check are kept in full; the rest is counted.
const checkDetails = 100

// StockFault is one figure that does not agree with the movements.
type StockFault struct {
	// Rule is item, level or received; Row is the stock item, or product@location.
	Rule string `json:"rule"`
	Row  string `json:"row"`
	Want int64  `json:"want"`
	Got  int64  `json:"got"`
}

// StockCheck is what one check of a business found.
type StockCheck struct {
	Levels, Movements int64
	Faults            int
	// Details are the first faults.
	Details []StockFault
}

// RecordStockCheck recomputes every figure of what is on hand from the movements and keeps the result as the day's: each item against its movements, each place against
// its items, and what an item received against its intake. Nothing is corrected. tx must be bound to the business.
func RecordStockCheck(tx *gorm.DB, business uuid.UUID) (*StockCheck, error) {
	c := &StockCheck{}
	err := query(tx, "check stock", `
		with moved as (
			select stock_item_id, location_id, product_id, sum(delta)::bigint as n, coalesce(sum(delta) filter (where kind in ('INTAKE', 'TRANSFER_IN')), 0)::bigint as came, count(*) as rows
			  from inventory.movement where tenant_id = $1 group by 1, 2, 3
		), fault as (
			select 'item' as rule, i.id::text as row, coalesce(m.n, 0) as want, i.on_hand as got
			  from inventory.stock_item i left join moved m on m.stock_item_id = i.id where i.tenant_id = $1 and i.on_hand <> coalesce(m.n, 0)
			union all
			select 'received', i.id::text, coalesce(m.came, 0), i.quantity_received
			  from inventory.stock_item i left join moved m on m.stock_item_id = i.id where i.tenant_id = $1 and i.source_item_id is null and i.quantity_received <> coalesce(m.came, 0)
			union all
			select 'level', coalesce(l.product_id, m.product_id) || '@' || coalesce(l.location_id, m.location_id), coalesce(m.n, 0), coalesce(l.on_hand, 0)
			  from (select location_id, product_id, sum(n)::bigint as n from moved group by 1, 2) m
			  full join (select * from inventory.stock_level where tenant_id = $1) l on l.location_id = m.location_id and l.product_id = m.product_id
			 where coalesce(l.on_hand, 0) <> coalesce(m.n, 0)
		)
		select (select count(*) from inventory.stock_level where tenant_id = $1), (select coalesce(sum(rows), 0)::bigint from moved), (select count(*) from fault), f.rule, f.row, f.want, f.got
		  from (values (1)) one left join lateral (select * from fault order by 1, 2 limit $2) f on true`,
		func(rows pgx.Rows) error {
			var rule, row *string
			var want, got *int64
			if err := rows.Scan(&c.Levels, &c.Movements, &c.Faults, &rule, &row, &want, &got); err != nil {
				return err
			}
			if rule != nil {
				c.Details = append(c.Details, StockFault{Rule: *rule, Row: *row, Want: *want, Got: *got})
			}
			return nil
		}, business, checkDetails)
	if err != nil {
		return nil, err
	}
	details, err := json.Marshal(append([]StockFault{}, c.Details...))
	if err != nil {
		return nil, fmt.Errorf("encode stock faults: %w", err)
	}
	_, err = exec(tx, "keep stock check", `
		insert into inventory.stock_check (tenant_id, day, checked_at, levels, movements, faults, details) values ($1, (now() at time zone 'UTC')::date, now(), $2, $3, $4, $5)
		    on conflict (tenant_id, day) do update set checked_at = excluded.checked_at, levels = excluded.levels, movements = excluded.movements, faults = excluded.faults, details = excluded.details`,
		business, c.Levels, c.Movements, c.Faults, details)
	return c, err
}
