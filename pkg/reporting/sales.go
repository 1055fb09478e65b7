package reporting

import (
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"makola/pkg/document"
)

// topProducts is how many best sellers a PDF names.
const topProducts = 10

// salesSums is what a period's sales come to, in minor units.
type salesSums struct {
	sales, lines, cancelled, refunds int64
	charged, tax, onSales, onLines   int64
	cost, paid, due                  int64
	// refunded is what was given for goods that came back in the period, refundedNet the part without tax, and restocked what those that went back on the shelf had cost.
	refunded, refundedNet, restocked int64
}

func (s salesSums) revenue() int64 { return s.charged - s.refunded }
func (s salesSums) taxKept() int64 { return s.tax - (s.refunded - s.refundedNet) }
func (s salesSums) net() int64     { return s.revenue() - s.taxKept() }
func (s salesSums) goods() int64   { return s.cost - s.restocked }
func (s salesSums) profit() int64  { return s.net() - s.goods() }

// refundLines are the lines that came back in a period, each with the part of its amount that is no tax. A line's parts add up to the line whatever the pieces, because each is
// what is back after it less what was back before.
const refundLines = `
	select f.id as refund_id, f.at, s.receipt_number, i.product_name, i.product_sku, r.quantity, r.amount_minor, r.cost_minor, f.method, f.reason,
	       (div((i.total_minor - i.sale_discount_minor)::numeric * (b.before + r.quantity), i.quantity) - div((i.total_minor - i.sale_discount_minor)::numeric * b.before, i.quantity))::bigint as net_minor
	  from sales.refund f
	  join sales.sale s on s.tenant_id = f.tenant_id and s.id = f.sale_id and s.status <> 'CANCELLED' and ($4::uuid[] is null or s.storefront_id = any($4))
	  join sales.refund_item r on r.tenant_id = f.tenant_id and r.refund_id = f.id
	  join sales.sale_item i on i.tenant_id = f.tenant_id and i.id = r.sale_item_id,
	       lateral (select coalesce(sum(p.quantity), 0) as before from sales.refund_item p join sales.refund e on e.tenant_id = p.tenant_id and e.id = p.refund_id
	                 where p.tenant_id = f.tenant_id and p.sale_item_id = i.id and e.status = 'PROCESSED' and (e.at, e.id) < (f.at, f.id)) b
	 where f.tenant_id = $1 and f.at >= $2 and f.at < $3 and f.status = 'PROCESSED'`

func (s *source) sumSales() (t salesSums, err error) {
	err = query(s.tx, "sum sales", `
		with sold as (select s.id, s.status, s.total_minor, s.tax_minor, s.discount_minor, s.paid_minor, s.due_minor from sales.sale s where`+soldWhere+`),
		  line as (select count(*) as n, sum(i.discount_minor) as discount, sum(i.cost_minor) as cost from sold join sales.sale_item i on i.tenant_id = $1 and i.sale_id = sold.id where sold.status <> 'CANCELLED'),
		  back as (select count(*) as n, sum(amount_minor) as amount, sum(net_minor) as net, sum(cost_minor) as cost from (`+refundLines+`) b),
		  head as (
		    select count(*) filter (where status <> 'CANCELLED') as n, count(*) filter (where status = 'CANCELLED') as cancelled,
		           sum(total_minor) filter (where status <> 'CANCELLED') as total, sum(tax_minor) filter (where status <> 'CANCELLED') as tax,
		           sum(discount_minor) filter (where status <> 'CANCELLED') as discount, sum(paid_minor) filter (where status <> 'CANCELLED') as paid,
		           sum(due_minor) filter (where status <> 'CANCELLED') as due
		      from sold)
		select h.n, l.n, h.cancelled, b.n, coalesce(h.total, 0)::bigint, coalesce(h.tax, 0)::bigint, coalesce(h.discount, 0)::bigint, coalesce(l.discount, 0)::bigint, coalesce(l.cost, 0)::bigint,
		       coalesce(h.paid, 0)::bigint, coalesce(h.due, 0)::bigint, coalesce(b.amount, 0)::bigint, coalesce(b.net, 0)::bigint, coalesce(b.cost, 0)::bigint
		  from head h, line l, back b`,
		func(rows pgx.Rows) error {
			return rows.Scan(&t.sales, &t.lines, &t.cancelled, &t.refunds, &t.charged, &t.tax, &t.onSales, &t.onLines, &t.cost, &t.paid, &t.due, &t.refunded, &t.refundedNet, &t.restocked)
		}, s.sold()...)
	return t, err
}

// sales describes the report on sales.
func (s *source) sales() (*document.Report, Made, error) {
	t, err := s.sumSales()
	if err != nil {
		return nil, Made{}, err
	}
	r := s.report()
	if r.Filters, err = s.storefrontFilter(); err != nil {
		return nil, Made{}, err
	}
	r.Summary = []document.Figure{
		count("Sales", t.sales), s.figure("Revenue", t.revenue()), s.figure("Net sales", t.net()), s.figure("Tax", t.taxKept()),
		s.figure("Discounts on sales", t.onSales), s.figure("Discounts on lines", t.onLines), s.figure("Cost of goods sold", t.goods()), s.figure("Gross profit", t.profit()),
		rate("Margin", t.profit(), t.net()), s.figure("Charged", t.charged), s.figure("Refunded", t.refunded), s.figure("Paid", t.paid), s.figure("Outstanding", t.due),
	}
	if s.order.Format == PDF {
		s.total = t.sales + t.cancelled + t.refunds
		picture, trend, err := s.trend()
		if err != nil {
			return nil, Made{}, err
		}
		r.Pictures = []document.Picture{picture}
		r.Tables = []document.Table{trend, s.byPaymentType(), s.byStorefront(), s.bestSellers(), s.shortSales("Sales", false)}
	} else {
		s.total = t.sales + t.lines + t.cancelled + t.refunds
		r.Tables = []document.Table{s.fullSales("Sales Detail", false), s.lineItems()}
	}
	if t.refunds > 0 {
		r.Tables = append(r.Tables, s.refunds())
	}
	switch {
	case t.cancelled > 0 && s.order.Format == PDF:
		r.Tables = append(r.Tables, s.shortSales("Cancelled Sales", true))
	case t.cancelled > 0:
		r.Tables = append(r.Tables, s.fullSales("Cancelled Sales", true))
	}
	return r, Made{Records: t.sales, Sales: t.sales}, nil
}

// storefrontFilter says which storefronts the report is of, when it is not of all.
func (s *source) storefrontFilter() ([]string, error) {
	if s.order.Storefronts == nil {
		return nil, nil
	}
	var names []string
	err := query(s.tx, "name storefronts", `select name from inventory.location where tenant_id = $1 and id = any($2) order by lower(name)`, func(rows pgx.Rows) error {
		var name string
		err := rows.Scan(&name)
		names = append(names, name)
		return err
	}, s.shop.id, s.order.Storefronts)
	switch {
	case err != nil:
		return nil, err
	case len(names) == 0:
		return []string{"Storefronts: none"}, nil
	case len(names) == 1:
		return []string{"Storefront: " + names[0]}, nil
	}
	return []string{"Storefronts: " + strings.Join(names, ", ")}, nil
}

// statusIs chooses sales that were cancelled, or those that were not.
func statusIs(cancelled bool) string {
	if cancelled {
		return "and s.status = 'CANCELLED'"
	}
	return "and s.status <> 'CANCELLED'"
}

var salesColumns = []document.Column{
	{Title: "Receipt Number", Width: 20}, {Title: "Date", Kind: document.KindDate}, {Title: "Time", Kind: document.KindTime}, {Title: "Storefront"}, {Title: "Cashier"},
	{Title: "Customer Name", Width: 24}, {Title: "Customer Type", Width: 12, Codes: true}, {Title: "Sale Type", Width: 12, Codes: true}, {Title: "Status", Width: 12, Codes: true},
	{Title: "Subtotal", Kind: document.KindMoney, Total: true}, {Title: "Discount", Kind: document.KindMoney, Total: true}, {Title: "Tax", Kind: document.KindMoney, Total: true},
	{Title: "Total", Kind: document.KindMoney, Total: true}, {Title: "Amount Paid", Kind: document.KindMoney, Total: true}, {Title: "Amount Refunded", Kind: document.KindMoney, Total: true},
	{Title: "Amount Due", Kind: document.KindMoney, Total: true}, {Title: "Payment Type", Width: 14, Codes: true}, {Title: "Notes", Width: 30},
}

func (s *source) fullSales(name string, cancelled bool) document.Table {
	return document.Table{Name: name, Columns: salesColumns, Rows: s.rows("sales", len(salesColumns), func(rows pgx.Rows, row []document.Cell) error {
		var receipt, place, cashier, customer, customerType, kind, status, way, notes string
		var at time.Time
		var subtotal, discount, tax, total, paid, returned, due int64
		if err := rows.Scan(&receipt, &at, &place, &cashier, &customer, &customerType, &kind, &status, &subtotal, &discount, &tax, &total, &paid, &returned, &due, &way, &notes); err != nil {
			return err
		}
		row[0], row[1], row[2] = document.Text(receipt), document.Instant(at), document.Instant(at)
		for i, text := range []string{place, cashier, customer, customerType, kind, status} {
			row[3+i] = document.Text(text)
		}
		for i, minor := range []int64{subtotal, discount, tax, total, paid, returned, due} {
			row[9+i] = s.money(minor)
		}
		row[16], row[17] = document.Text(way), document.Text(notes)
		return nil
	}, `
		select s.receipt_number, s.completed_at, l.name, coalesce(p.name, ''), c.name, c.type, s.type, s.status, s.subtotal_minor, s.discount_minor, s.tax_minor, s.total_minor, s.paid_minor,
		       s.returned_minor, s.due_minor, coalesce(s.payment_type, ''), s.notes
		  from sales.sale s join inventory.location l on l.tenant_id = s.tenant_id and l.id = s.storefront_id join sales.customer c on c.tenant_id = s.tenant_id and c.id = s.customer_id
		  left join accounts.v_person p on p.tenant_id = s.tenant_id and p.user_id = s.user_id
		 where`+soldWhere+statusIs(cancelled)+` order by s.completed_at, s.id`, s.sold()...)}
}

// shortColumns fit a page held upright, as refundColumns do.
var shortColumns = []document.Column{
	{Title: "Receipt", Width: 18}, {Title: "Date", Kind: document.KindDate}, {Title: "Customer", Width: 20}, {Title: "Type", Width: 11, Codes: true}, {Title: "Status", Width: 11, Codes: true},
	{Title: "Total", Kind: document.KindMoney, Total: true, Width: 12}, {Title: "Paid", Kind: document.KindMoney, Total: true, Width: 12}, {Title: "Due", Kind: document.KindMoney, Total: true, Width: 10},
}

func (s *source) shortSales(name string, cancelled bool) document.Table {
	return document.Table{Name: name, Columns: shortColumns, Rows: s.rows("sales", len(shortColumns), func(rows pgx.Rows, row []document.Cell) error {
		var receipt, customer, kind, status string
		var at time.Time
		var total, paid, due int64
		if err := rows.Scan(&receipt, &at, &customer, &kind, &status, &total, &paid, &due); err != nil {
			return err
		}
		row[0], row[1], row[2], row[3], row[4] = document.Text(receipt), document.Instant(at), document.Text(customer), document.Text(kind), document.Text(status)
		row[5], row[6], row[7] = s.money(total), s.money(paid), s.money(due)
		return nil
	}, `
		select s.receipt_number, s.completed_at, c.name, s.type, s.status, s.total_minor, s.paid_minor, s.due_minor
		  from sales.sale s join sales.customer c on c.tenant_id = s.tenant_id and c.id = s.customer_id where`+soldWhere+statusIs(cancelled)+` order by s.completed_at, s.id`, s.sold()...)}
}

var itemColumns = []document.Column{
	{Title: "Receipt Number", Width: 20}, {Title: "Product Name", Width: 30}, {Title: "SKU", Width: 16}, {Title: "Category"}, {Title: "Quantity", Kind: document.KindInteger, Total: true},
	{Title: "Unit Price", Kind: document.KindMoney}, {Title: "Total Price", Kind: document.KindMoney, Total: true}, {Title: "COGS", Kind: document.KindMoney, Total: true},
	{Title: "Profit", Kind: document.KindMoney, Total: true}, {Title: "Margin %", Kind: document.KindPercent}, {Title: "Discounts", Kind: document.KindMoney, Total: true},
	{Title: "Tax", Kind: document.KindMoney, Total: true},
}

func (s *source) lineItems() document.Table {
	return document.Table{Name: "Line Items", Columns: itemColumns, Rows: s.rows("line items", len(itemColumns), func(rows pgx.Rows, row []document.Cell) error {
		var receipt, product, sku, category string
		var quantity, price, net, tax, cost, discounts int64
		if err := rows.Scan(&receipt, &product, &sku, &category, &quantity, &price, &net, &tax, &cost, &discounts); err != nil {
			return err
		}
		row[0], row[1], row[2], row[3], row[4] = document.Text(receipt), document.Text(product), document.Text(sku), document.Text(category), document.Integer(quantity)
		row[5], row[6], row[7], row[8], row[9] = s.money(price), s.money(net+tax), s.money(cost), s.money(net-cost), percentOf(net-cost, net)
		row[10], row[11] = s.money(discounts), s.money(tax)
		return nil
	}, `
		select s.receipt_number, i.product_name, i.product_sku, coalesce(g.name, ''), i.quantity, i.unit_price_minor, i.total_minor - i.sale_discount_minor, i.tax_minor, coalesce(i.cost_minor, 0),
		       i.discount_minor + i.sale_discount_minor
		  from sales.sale s join sales.sale_item i on i.tenant_id = s.tenant_id and i.sale_id = s.id
		  left join inventory.product p on p.tenant_id = i.tenant_id and p.id = i.product_id left join inventory.category g on g.tenant_id = p.tenant_id and g.id = p.category_id
		 where`+soldWhere+statusIs(false)+` order by s.completed_at, s.id, i.line`, s.sold()...)}
}

var refundColumns = []document.Column{
	{Title: "Date", Kind: document.KindDate}, {Title: "Time", Kind: document.KindTime}, {Title: "Receipt Number", Width: 18}, {Title: "Product Name", Width: 24},
	{Title: "Quantity", Kind: document.KindInteger, Total: true}, {Title: "Amount", Kind: document.KindMoney, Total: true, Width: 13}, {Title: "Reason", Width: 22},
}

// refunds lists what came back, by line.
func (s *source) refunds() document.Table {
	return document.Table{Name: "Refunds", Columns: refundColumns, Rows: s.rows("refunds", len(refundColumns), func(rows pgx.Rows, row []document.Cell) error {
		var at time.Time
		var receipt, product, reason string
		var quantity, amount int64
		if err := rows.Scan(&at, &receipt, &product, &quantity, &amount, &reason); err != nil {
			return err
		}
		row[0], row[1], row[2], row[3], row[4], row[5], row[6] = document.Instant(at), document.Instant(at), document.Text(receipt), document.Text(product), document.Integer(quantity), s.money(amount), document.Text(reason)
		return nil
	}, `select at, receipt_number, product_name, quantity, amount_minor, reason from (`+refundLines+`) b order by at, refund_id, product_name, product_sku`, s.sold()...)}
}

// grouped is a table of a name, a count and an amount.
func (s *source) grouped(name string, of document.Column, counted, statement string) document.Table {
	of.Width = 30
	columns := []document.Column{of, {Title: counted, Kind: document.KindInteger, Total: true}, {Title: "Total", Kind: document.KindMoney, Total: true}}
	return document.Table{Name: name, Columns: columns, Rows: s.rows(strings.ToLower(name), len(columns), func(rows pgx.Rows, row []document.Cell) error {
		var label string
		var n, minor int64
		if err := rows.Scan(&label, &n, &minor); err != nil {
			return err
		}
		row[0], row[1], row[2] = document.Text(label), document.Integer(n), s.money(minor)
		return nil
	}, statement, s.sold()...)}
}

func (s *source) byPaymentType() document.Table {
	return s.grouped("By Payment Type", document.Column{Title: "Payment Type", Codes: true}, "Sales", `select coalesce(s.payment_type, ''), count(*), sum(s.total_minor)::bigint from sales.sale s where`+soldWhere+statusIs(false)+` group by 1 order by 3 desc, 1`)
}

func (s *source) byStorefront() document.Table {
	return s.grouped("By Storefront", document.Column{Title: "Storefront"}, "Sales", `select l.name, count(*), sum(s.total_minor)::bigint from sales.sale s join inventory.location l on l.tenant_id = s.tenant_id and l.id = s.storefront_id where`+
		soldWhere+statusIs(false)+` group by l.id, l.name order by 3 desc, 1`)
}

func (s *source) bestSellers() document.Table {
	columns := []document.Column{{Title: "Product", Width: 34}, {Title: "SKU", Width: 16}, {Title: "Quantity", Kind: document.KindInteger}, {Title: "Total", Kind: document.KindMoney}, {Title: "Profit", Kind: document.KindMoney}}
	return document.Table{Name: "Top Products", Columns: columns, Rows: s.rows("top products", len(columns), func(rows pgx.Rows, row []document.Cell) error {
		var name, sku string
		var quantity, total, profit int64
		if err := rows.Scan(&name, &sku, &quantity, &total, &profit); err != nil {
			return err
		}
		row[0], row[1], row[2], row[3], row[4] = document.Text(name), document.Text(sku), document.Integer(quantity), s.money(total), s.money(profit)
		return nil
	}, `
		with best as (
		  select i.product_id, sum(i.quantity)::bigint as quantity, sum(i.total_minor - i.sale_discount_minor + i.tax_minor)::bigint as total,
		         sum(i.total_minor - i.sale_discount_minor - coalesce(i.cost_minor, 0))::bigint as profit, max(i.product_name) as name, max(i.product_sku) as sku
		    from sales.sale s join sales.sale_item i on i.tenant_id = s.tenant_id and i.sale_id = s.id where`+soldWhere+statusIs(false)+` group by 1 order by 3 desc, 1 limit $5)
		select coalesce(p.name, b.name), coalesce(p.sku, b.sku), b.quantity, b.total, b.profit from best b left join inventory.product p on p.tenant_id = $1 and p.id = b.product_id order by b.total desc, b.product_id`,
		append(s.sold(), topProducts)...)}
}
