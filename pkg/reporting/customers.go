package reporting

import (
	"time"

	"github.com/jackc/pgx/v5"

	"makola/pkg/document"
)

var customerColumns = []document.Column{
	{Title: "Name", Width: 26}, {Title: "Email", Width: 26}, {Title: "Phone", Width: 16}, {Title: "Address", Width: 26}, {Title: "Credit Limit", Kind: document.KindMoney, Total: true},
	{Title: "Current Balance", Kind: document.KindMoney, Total: true}, {Title: "Total Purchases", Kind: document.KindMoney, Total: true}, {Title: "Created Date", Kind: document.KindDate},
}

// customers describes the list of customers. The CSV is the list alone, so that programs can read it; the others begin with what it comes to.
func (s *source) customers() (*document.Report, Made, error) {
	var n, retail, wholesale, active, blocked, limit, owed, available int64
	err := query(s.tx, "sum customers", `
		select count(*), count(*) filter (where type = 'RETAIL'), count(*) filter (where type = 'WHOLESALE'), count(*) filter (where is_active), count(*) filter (where credit_blocked),
		       coalesce(sum(credit_limit_minor), 0)::bigint, coalesce(sum(outstanding_minor), 0)::bigint, coalesce(sum(greatest(0, credit_limit_minor - outstanding_minor)), 0)::bigint
		  from sales.customer where tenant_id = $1`,
		func(r pgx.Rows) error {
			return r.Scan(&n, &retail, &wholesale, &active, &blocked, &limit, &owed, &available)
		}, s.shop.id)
	if err != nil {
		return nil, Made{}, err
	}
	s.total = n
	r := s.report()
	if s.order.Format != CSV {
		r.Summary = []document.Figure{
			count("Customers", n), count("Retail", retail), count("Wholesale", wholesale), count("Active", active), count("Blocked", blocked),
			s.figure("Credit limits", limit), s.figure("Outstanding", owed), s.figure("Available credit", available),
		}
		ages, err := s.ageing()
		if err != nil {
			return nil, Made{}, err
		}
		bars := make([]document.Bar, len(ages))
		for i, minor := range ages {
			r.Summary = append(r.Summary, s.figure("Owed "+ageLabels[i], minor))
			bars[i] = document.Bar{Label: ageLabels[i], Value: minor}
		}
		if s.order.Format == PDF && owed > 0 {
			picture, err := document.Chart("Owed by days since the sale, in "+string(s.shop.currency), bars, false, s.shop.currency)
			if err != nil {
				return nil, Made{}, err
			}
			r.Pictures = []document.Picture{picture}
		}
	}
	r.Tables = []document.Table{{Name: "Customers", Columns: customerColumns, Rows: s.rows("customers", len(customerColumns), s.customerRow, `
		with bought as (
		  select customer_id, sum(total_minor - returned_minor)::bigint as minor from sales.sale where tenant_id = $1 and status not in ('DRAFT', 'CANCELLED') group by 1)
		select c.name, c.email, c.phone, c.address, c.credit_limit_minor, c.outstanding_minor, coalesce(b.minor, 0), c.created_at
		  from sales.customer c left join bought b on b.customer_id = c.id where c.tenant_id = $1 order by lower(c.name), c.id`, s.shop.id)}}
	return r, Made{Records: n}, nil
}

func (s *source) customerRow(rows pgx.Rows, row []document.Cell) error {
	var name, address string
	var email, phone *string
	var limit, owed, bought int64
	var created time.Time
	if err := rows.Scan(&name, &email, &phone, &address, &limit, &owed, &bought, &created); err != nil {
		return err
	}
	row[0], row[1], row[2], row[3] = document.Text(name), optionalText(email), optionalText(phone), optionalText(&address)
	row[4], row[5], row[6], row[7] = s.money(limit), s.money(owed), s.money(bought), document.Instant(created)
	return nil
}

// ageLabels are the ages of debts, in days since the sale.
var ageLabels = [4]string{"0 to 30 days", "31 to 60 days", "61 to 90 days", "over 90 days"}

// ageing is what is owed, by those ages.
func (s *source) ageing() (sums [4]int64, err error) {
	err = query(s.tx, "sum debts by age", `
		select case when a.days <= 30 then 0 when a.days <= 60 then 1 when a.days <= 90 then 2 else 3 end, sum(r.outstanding_minor)::bigint
		  from sales.receivable r join sales.sale s on s.tenant_id = r.tenant_id and s.id = r.sale_id,
		       lateral (select $2::date - (s.completed_at at time zone $3)::date as days) a
		 where r.tenant_id = $1 and r.outstanding_minor > 0 group by 1`, func(rows pgx.Rows) error {
		var age int
		var minor int64
		if err := rows.Scan(&age, &minor); err != nil {
			return err
		}
		sums[age] = minor
		return nil
	}, s.shop.id, dayOf(s.shop.now, s.shop.zone), s.shop.zone.String())
	return sums, err
}
