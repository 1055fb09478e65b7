package inventory

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
)

// TopSellers is how many products a movement report names.
const TopSellers = 10

// Flow is what a business sold and moved in one period.
type Flow struct {
	// Sales counts sales that took place in it, UnitsSold what left the shelves for good, and RevenueMinor is what was sold, with tax, without what was refunded in the period.
	Sales        int64
	UnitsSold    int64
	RevenueMinor int64
	// Received, Returned, TransferredOut, AdjustedUp and AdjustedDown are units.
	Received, Returned, TransferredOut, AdjustedUp, AdjustedDown int64
	// LostUnits and LostMinor are what theft, loss, damage, expiry, spoilage and write-offs took, at landed cost.
	LostUnits, LostMinor int64
}

// Empty reports whether nothing happened.
func (f Flow) Empty() bool { return f == Flow{} }

// Seller is one product in a movement report.
type Seller struct {
	ProductID    uuid.UUID
	Product, SKU string
	// Units and RevenueMinor are as in Flow, UnitsBefore of the period before; Sales counts the sales that it was in.
	Units, UnitsBefore, Sales int64
	RevenueMinor              int64
}

// MovementReport is what moved in a period of whole days, beside the period of the same length before it.
type MovementReport struct {
	// From and To are the first and the last day, in the business's zone.
	From, To    time.Time
	Timezone    string
	Currency    money.Currency
	Now, Before Flow
	// Top are the best sellers by units, at most TopSellers.
	Top []Seller
}

// MovementReportOf reports on the days that end with the one before the business's day of now. Carts and cancelled sales do not count; a refund counts on its own day.
// tx must be bound to one business. Three statements.
func MovementReportOf(tx *gorm.DB, days int, now time.Time) (*MovementReport, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("report movements: %w", err)
	}
	r := &MovementReport{}
	var start, middle, end time.Time
	err = query(tx, "find the period", `
		select s.timezone, s.currency, d.today - 2 * $2::int, d.today - $2::int, d.today - 1,
		       (d.today - 2 * $2::int)::timestamp at time zone s.timezone, (d.today - $2::int)::timestamp at time zone s.timezone, d.today::timestamp at time zone s.timezone
		  from accounts.v_settings s, lateral (select ($1::timestamptz at time zone s.timezone)::date as today) d
		 where s.tenant_id = $3`,
		func(rows pgx.Rows) error {
			var before time.Time
			return rows.Scan(&r.Timezone, (*string)(&r.Currency), &before, &r.From, &r.To, &start, &middle, &end)
		}, now, days, owner)
	if err != nil {
		return nil, err
	}
	if r.Timezone == "" {
		return nil, fmt.Errorf("report movements: business %s has no settings", owner)
	}
	if err := flows(tx, owner, r, start, middle, end); err != nil {
		return nil, err
	}
	err = query(tx, "find best sellers", `
		with sold as (
			select v.product_id, v.completed_at >= $2 as now, v.sale_id, v.quantity as units, v.total_minor - v.sale_discount_minor + v.tax_minor as value
			  from sales.v_sold v where v.tenant_id = $5 and v.completed_at >= $1 and v.completed_at < $3
			union all
			select v.product_id, v.at >= $2, null, -v.quantity, -v.amount_minor from sales.v_refunded v where v.tenant_id = $5 and v.at >= $1 and v.at < $3
		), best as (
			select product_id, coalesce(sum(units) filter (where now), 0) as units, coalesce(sum(units) filter (where not now), 0) as before,
			       count(distinct sale_id) filter (where now) as sales, coalesce(sum(value) filter (where now), 0) as value
			  from sold group by 1 having coalesce(sum(units) filter (where now), 0) > 0
			 order by 2 desc, 5 desc, 1 limit $4
		)
		select b.product_id, p.name, p.sku, b.units::bigint, b.before::bigint, b.sales, b.value::bigint from best b join inventory.product p on p.tenant_id = $5 and p.id = b.product_id order by b.units desc, b.value desc, b.product_id`,
		func(rows pgx.Rows) error {
			var s Seller
			err := rows.Scan(&s.ProductID, &s.Product, &s.SKU, &s.Units, &s.UnitsBefore, &s.Sales, &s.RevenueMinor)
			r.Top = append(r.Top, s)
			return err
		}, start, middle, end, TopSellers, owner)
	return r, err
}

// flows fills in the totals of both periods.
func flows(tx *gorm.DB, owner uuid.UUID, r *MovementReport, start, middle, end time.Time) error {
	return query(tx, "add up movements", `
		with sale as (
			select completed_at >= $2 as now, count(*) as n, sum(total_minor) as value from sales.v_sale
			 where tenant_id = $4 and completed_at >= $1 and completed_at < $3 group by 1
		), refund as (
			select at >= $2 as now, sum(amount_minor) as value from sales.v_refunded where tenant_id = $4 and at >= $1 and at < $3 group by 1
		), moved as (
			select at >= $2 as now,
			       coalesce(-sum(delta) filter (where kind in ('SALE', 'REFUND')), 0) as sold, coalesce(sum(delta) filter (where kind = 'INTAKE'), 0) as received,
			       coalesce(sum(delta) filter (where kind = 'REFUND'), 0) as returned, coalesce(-sum(delta) filter (where kind = 'TRANSFER_OUT'), 0) as transferred,
			       coalesce(sum(delta) filter (where kind = 'ADJUSTMENT' and delta > 0), 0) as up, coalesce(-sum(delta) filter (where kind = 'ADJUSTMENT' and delta < 0), 0) as down
			  from inventory.movement where tenant_id = $4 and at >= $1 and at < $3 group by 1
		), lost as (
			select completed_at >= $2 as now, -sum(quantity) as units, sum(total_cost_minor) as cost from inventory.stock_adjustment
			 where tenant_id = $4 and status = 'COMPLETED' and completed_at >= $1 and completed_at < $3 and type in ('THEFT', 'LOSS', 'DAMAGE', 'EXPIRED', 'SPOILAGE', 'WRITE_OFF') group by 1
		)
		select p.now, coalesce(s.n, 0), coalesce(m.sold, 0)::bigint, (coalesce(s.value, 0) - coalesce(f.value, 0))::bigint, coalesce(m.received, 0)::bigint, coalesce(m.returned, 0)::bigint,
		       coalesce(m.transferred, 0)::bigint, coalesce(m.up, 0)::bigint, coalesce(m.down, 0)::bigint, coalesce(l.units, 0)::bigint, coalesce(l.cost, 0)::bigint
		  from (values (true), (false)) p (now)
		  left join sale s on s.now = p.now left join refund f on f.now = p.now left join moved m on m.now = p.now left join lost l on l.now = p.now`,
		func(rows pgx.Rows) error {
			var current bool
			var f Flow
			if err := rows.Scan(&current, &f.Sales, &f.UnitsSold, &f.RevenueMinor, &f.Received, &f.Returned, &f.TransferredOut, &f.AdjustedUp, &f.AdjustedDown, &f.LostUnits, &f.LostMinor); err != nil {
				return err
			}
			if current {
				r.Now = f
			} else {
				r.Before = f
			}
			return nil
		}, start, middle, end, owner)
}
