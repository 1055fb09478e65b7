package assist

import (
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// How sales are split.
const (
	byNothing    = "nothing"
	byStorefront = "storefront"
	byDay        = "day"
	byMonth      = "month"
)

// maxGroups is the most days or months of a table: those of a month, and a year's months.
const maxGroups = 31

// salesTotals are what GET /api/v1/sales/summary sums.
var salesTotals = Figure{
	Name:        "sales_totals",
	About:       "How many sales there were in some days and what they came to: takings, revenue, turnover, discounts, tax, returns, what is still due, and profit. In all, or by storefront, day or month. Cancelled sales do not count.",
	Permissions: []string{viewFinancialData},
	parameters: func(s *Shop) object {
		o := s.inPeriod()
		o["group_by"] = oneOf("How to split the totals.", byNothing, byStorefront, byDay, byMonth)
		return o
	},
	read: readSalesTotals,
}

var sumColumns = []Column{{"Sales", Count}, {"Total", Money}, {"Discounts", Money}, {"Tax", Money}, {"Returned", Money}, {"Net", Money}, {"Still due", Money}, {"Profit", Money}}

// takings sums sales.v_takings: the business, the days, and the storefronts.
const takings = `count(*), coalesce(sum(t.total_minor), 0)::bigint, coalesce(sum(t.discount_minor), 0)::bigint, coalesce(sum(t.tax_minor), 0)::bigint, coalesce(sum(t.returned_minor), 0)::bigint,
	coalesce(sum(t.total_minor - t.returned_minor), 0)::bigint, coalesce(sum(t.due_minor), 0)::bigint, coalesce(sum(t.profit_minor), 0)::bigint`

// takingsFrom adds the business's own time to them.
const takingsFrom = ` from (select v.*, v.completed_at at time zone $5 as local_at from sales.v_takings v) t `

const takingsWhere = ` t.tenant_id = $1 and t.completed_at >= $2 and t.completed_at < $3 and ($4::uuid[] is null or t.storefront_id = any ($4)) `

func readSalesTotals(tx *gorm.DB, s *Shop, c choice) (Table, error) {
	ids, where, err := s.at(c.storefront)
	if err != nil {
		return Table{}, err
	}
	from, to := c.days.bounds(s.zone)
	t := Table{Figure: "sales_totals", Title: "Sales, " + where + ", " + c.days.String() + ", " + string(s.currency), Rows: [][]string{}}
	label, group, by, order := Column{}, "", "1", "1"
	switch c.group {
	case byStorefront:
		label, group, by, order = Column{"Storefront", Text}, "l.name", "l.id, l.name", "3 desc, l.id"
	case byDay:
		label, group = Column{"Day", Date}, "to_char(t.local_at, 'YYYY-MM-DD')"
	case byMonth:
		label, group = Column{"Month", Text}, "to_char(t.local_at, 'YYYY-MM')"
	}
	add := func(rows pgx.Rows) error {
		var name string
		var n int64
		sums := make([]int64, len(sumColumns)-1)
		into := []any{&name, &n}
		for i := range sums {
			into = append(into, &sums[i])
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		row := []string{name, strconv.FormatInt(n, 10)}
		for _, minor := range sums {
			row = append(row, s.amount(minor))
		}
		if label.Name == "" {
			row = row[1:]
		}
		t.Rows = append(t.Rows, row)
		return nil
	}
	t.Columns = sumColumns
	args := []any{s.tenant, from, to, ids, s.zone.String()}
	if label.Name != "" {
		t.Columns = append([]Column{label}, sumColumns...)
		err = query(tx, "sum sales by "+c.group, `select `+group+`, `+takings+takingsFrom+`join inventory.location l on l.tenant_id = t.tenant_id and l.id = t.storefront_id where`+takingsWhere+`
			group by `+by+` order by `+order+` limit $6`, add, append(args, maxGroups+1)...)
		if err != nil {
			return t, err
		}
		if len(t.Rows) > maxGroups {
			t.Rows, t.More = t.Rows[:maxGroups], true
		}
	}
	err = query(tx, "sum sales", `select 'All', `+takings+takingsFrom+`where`+takingsWhere, add, args...)
	return t, err
}

// topProducts are what sold best.
var topProducts = Figure{
	Name:        "top_products",
	About:       "Which products sold best, the top or best sellers, in some days: units sold, units that came back, and what was charged.",
	Permissions: []string{viewFinancialData},
	parameters: func(s *Shop) object {
		o := s.inPeriod()
		o["order_by"], o["limit"] = oneOf("What is best: the highest amount, or the most units.", "amount", "units"), limit()
		return o
	},
	read: readTopProducts,
}

func readTopProducts(tx *gorm.DB, s *Shop, c choice) (Table, error) {
	ids, where, err := s.at(c.storefront)
	if err != nil {
		return Table{}, err
	}
	from, to := c.days.bounds(s.zone)
	order := map[string]string{"amount": "4 desc", "units": "2 desc"}[c.by]
	t := Table{
		Figure: "top_products", Title: fmt.Sprintf("Top products by %s, %s, %s, %s", c.by, where, c.days, s.currency), Rows: [][]string{},
		Columns: []Column{{"Product", Text}, {"Units sold", Count}, {"Units returned", Count}, {"Charged", Money}},
	}
	err = query(tx, "find best sellers", `
		select max(t.product_name), sum(t.quantity)::bigint, sum(t.returned)::bigint, sum(t.total_minor)::bigint from sales.v_line t where`+takingsWhere+`group by t.product_id order by `+order+`, t.product_id limit $5`,
		func(rows pgx.Rows) error {
			var name string
			var units, back, minor int64
			err := rows.Scan(&name, &units, &back, &minor)
			t.Rows = append(t.Rows, []string{name, strconv.FormatInt(units, 10), strconv.FormatInt(back, 10), s.amount(minor)})
			return err
		}, s.tenant, from, to, ids, c.limit)
	return t, err
}

// receivables are what customers owe, in all.
var receivables = Figure{
	Name:        "receivables",
	About:       "What customers owe in all now: receivables, debts, credit given, outstanding and overdue amounts, by age of the debt.",
	Permissions: []string{viewFinancialData},
	parameters:  func(s *Shop) object { return object{"storefront": s.storefront()} },
	read:        readReceivables,
}

// ages are the buckets of a debt's age, by days since the sale.
var ages = []struct {
	name       string
	first, end int // days; the end is in the next bucket
}{{"0 to 30 days", 0, 31}, {"31 to 60 days", 31, 61}, {"61 to 90 days", 61, 91}, {"more than 90 days", 91, 1 << 20}}

func readReceivables(tx *gorm.DB, s *Shop, c choice) (Table, error) {
	ids, where, err := s.at(c.storefront)
	if err != nil {
		return Table{}, err
	}
	t := Table{
		Figure: "receivables", Title: "Owed by customers now, " + where + ", " + string(s.currency), Rows: [][]string{},
		Columns: []Column{{"Age", Text}, {"Sales", Count}, {"Owed", Money}, {"Overdue", Money}},
	}
	var names []string
	var firsts, ends []int64
	for _, a := range ages {
		names, firsts, ends = append(names, a.name), append(firsts, int64(a.first)), append(ends, int64(a.end))
	}
	var n, owed, overdue int64
	err = query(tx, "sum receivables", `
		select b.name, count(o.customer_id), coalesce(sum(o.outstanding_minor), 0)::bigint, coalesce(sum(o.outstanding_minor) filter (where o.due_date < $3::date), 0)::bigint
		  from unnest($5::text[], $6::bigint[], $7::bigint[]) with ordinality b (name, first, past, place)
		  left join sales.v_owed o on o.tenant_id = $1 and ($2::uuid[] is null or o.storefront_id = any ($2))
		       and greatest(0, $3::date - (o.sold_at at time zone $4)::date) >= b.first and greatest(0, $3::date - (o.sold_at at time zone $4)::date) < b.past
		 group by b.place, b.name order by b.place`,
		func(rows pgx.Rows) error {
			var name string
			var count, minor, late int64
			err := rows.Scan(&name, &count, &minor, &late)
			n, owed, overdue = n+count, owed+minor, overdue+late
			t.Rows = append(t.Rows, []string{name, strconv.FormatInt(count, 10), s.amount(minor), s.amount(late)})
			return err
		}, s.tenant, ids, s.today, s.zone.String(), names, firsts, ends)
	t.Rows = append(t.Rows, []string{total, strconv.FormatInt(n, 10), s.amount(owed), s.amount(overdue)})
	return t, err
}

// customersOwing are those who owe most.
var customersOwing = Figure{
	Name:        "customers_owing",
	About:       "Which customers owe the most now, who the debtors are, each with what they owe, what of it is overdue, and since when.",
	Permissions: []string{viewFinancialData, viewCustomers},
	parameters: func(s *Shop) object {
		return object{"storefront": s.storefront(), "overdue_only": map[string]any{"type": "boolean", "description": "Only those with something overdue."}, "limit": limit()}
	},
	read: readCustomersOwing,
}

func readCustomersOwing(tx *gorm.DB, s *Shop, c choice) (Table, error) {
	ids, where, err := s.at(c.storefront)
	if err != nil {
		return Table{}, err
	}
	t := Table{
		Figure: "customers_owing", Title: "Customers who owe most now, " + where + ", " + string(s.currency), Rows: [][]string{},
		Columns: []Column{{"Customer", Customer}, {"Sales", Count}, {"Owed", Money}, {"Overdue", Money}, {"Oldest sale", Date}},
	}
	err = query(tx, "find customers who owe", `
		select o.customer_id, count(*), sum(o.outstanding_minor)::bigint, coalesce(sum(o.outstanding_minor) filter (where o.due_date < $3::date), 0)::bigint, min((o.sold_at at time zone $4)::date)
		  from sales.v_owed o where o.tenant_id = $1 and ($2::uuid[] is null or o.storefront_id = any ($2))
		 group by 1 having not $5 or bool_or(o.due_date < $3::date) order by 3 desc, 1 limit $6`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			var n, owed, overdue int64
			var since time.Time
			err := rows.Scan(&id, &n, &owed, &overdue, &since)
			t.Rows = append(t.Rows, []string{id.String(), strconv.FormatInt(n, 10), s.amount(owed), s.amount(overdue), date(since)})
			return err
		}, s.tenant, ids, s.today, s.zone.String(), c.overdue, c.limit)
	return t, err
}
