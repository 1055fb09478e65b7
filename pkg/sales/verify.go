package sales

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// checkDetails is how many faults of one check are kept in full; the rest is counted.
const checkDetails = 100

// DebtFault is one figure about what customers owe that does not agree with another.
type DebtFault struct {
	// Rule is transactions, receivables, payments or sale; Row is the customer, the receivable or the sale.
	Rule string `json:"rule"`
	Row  string `json:"row"`
	Want int64  `json:"want"`
	Got  int64  `json:"got"`
}

// DebtCheck is what one check of a business found.
type DebtCheck struct {
	Customers int64
	Faults    int
	// Details are the first faults.
	Details []DebtFault
}

// RecordDebtCheck compares what each customer owes with the sum of their credit transactions and of their open receivables, what each receivable was paid with its
// payments, and what it leaves open with its sale, and keeps the result as the day's. Nothing is corrected. tx must be bound to the business.
func RecordDebtCheck(tx *gorm.DB, business uuid.UUID) (*DebtCheck, error) {
	c := &DebtCheck{}
	err := query(tx, "check receivables", `
		with entry as (
			select customer_id, sum(amount_minor)::bigint as n from sales.credit_transaction where tenant_id = $1 group by 1
		), open as (
			select customer_id, sum(outstanding_minor)::bigint as n from sales.receivable where tenant_id = $1 group by 1
		), paid as (
			select receivable_id, sum(amount_minor)::bigint as n from sales.receivable_payment where tenant_id = $1 group by 1
		), fault as (
			select 'transactions' as rule, c.id::text as row, coalesce(e.n, 0) as want, c.outstanding_minor as got
			  from sales.customer c left join entry e on e.customer_id = c.id where c.tenant_id = $1 and c.outstanding_minor <> coalesce(e.n, 0)
			union all
			select 'receivables', c.id::text, coalesce(o.n, 0), c.outstanding_minor
			  from sales.customer c left join open o on o.customer_id = c.id where c.tenant_id = $1 and c.outstanding_minor <> coalesce(o.n, 0)
			union all
			select 'payments', r.id::text, coalesce(p.n, 0), r.paid_minor
			  from sales.receivable r left join paid p on p.receivable_id = r.id where r.tenant_id = $1 and r.paid_minor <> coalesce(p.n, 0)
			union all
			select 'sale', s.id::text, r.outstanding_minor, s.due_minor
			  from sales.receivable r join sales.sale s on s.tenant_id = r.tenant_id and s.id = r.sale_id where r.tenant_id = $1 and r.status <> 'WRITTEN_OFF' and s.due_minor <> r.outstanding_minor
		)
		select (select count(*) from sales.customer where tenant_id = $1), (select count(*) from fault), f.rule, f.row, f.want, f.got
		  from (values (1)) one left join lateral (select * from fault order by 1, 2 limit $2) f on true`,
		func(rows pgx.Rows) error {
			var rule, row *string
			var want, got *int64
			if err := rows.Scan(&c.Customers, &c.Faults, &rule, &row, &want, &got); err != nil {
				return err
			}
			if rule != nil {
				c.Details = append(c.Details, DebtFault{Rule: *rule, Row: *row, Want: *want, Got: *got})
			}
			return nil
		}, business, checkDetails)
	if err != nil {
		return nil, err
	}
	details, err := json.Marshal(append([]DebtFault{}, c.Details...))
	if err != nil {
		return nil, fmt.Errorf("encode debt faults: %w", err)
	}
	_, err = exec(tx, "keep debt check", `
		insert into sales.receivable_check (tenant_id, day, checked_at, customers, faults, details) values ($1, (now() at time zone 'UTC')::date, now(), $2, $3, $4)
		    on conflict (tenant_id, day) do update set checked_at = excluded.checked_at, customers = excluded.customers, faults = excluded.faults, details = excluded.details`,
		business, c.Customers, c.Faults, details)
	return c, err
}
