package reporting

import (
	"time"

	"github.com/jackc/pgx/v5"

	"makola/pkg/document"
)

// methodNames is what a method of payment is called.
var methodNames = map[string]string{
	"CASH": "Cash", "MOMO": "Mobile money", "CARD": "Card", "PAYSTACK": "Paystack", "STRIPE": "Stripe", "BANK_TRANSFER": "Bank transfer", "CHECK": "Cheque", "EXCHANGE": "Goods returned",
}

func methodName(method string) string {
	if name := methodNames[method]; name != "" {
		return name
	}
	return method
}

// Payments that were made, p, each with its sale s, if it was for one. Who sees only some storefronts sees no payments on account, which belong to none.
const paid = `
	sales.payment p left join sales.sale s on s.tenant_id = p.tenant_id and s.id = p.sale_id
	 where p.tenant_id = $1 and p.at >= $2 and p.at < $3 and p.status = 'SUCCESSFUL' and ($4::uuid[] is null or s.storefront_id = any($4))`

// given are the refunds f of a period, each with its sale s; those of cancelled sales too, because their money went back.
const given = `
	sales.refund f join sales.sale s on s.tenant_id = f.tenant_id and s.id = f.sale_id
	 where f.tenant_id = $1 and f.at >= $2 and f.at < $3 and f.status = 'PROCESSED' and ($4::uuid[] is null or s.storefront_id = any($4))`

// transactions describes the list of sales, payments and refunds, each on its own day.
func (s *source) transactions() (*document.Report, Made, error) {
	var sales, charged, payments, refunds, paidBack int64
	err := query(s.tx, "sum transactions", `
		select a.n, coalesce(a.minor, 0)::bigint, b.n, c.n, coalesce(c.minor, 0)::bigint
		  from (select count(*) as n, sum(s.total_minor) as minor from sales.sale s where`+soldWhere+statusIs(false)+`) a,
		       (select count(*) as n from `+paid+`) b, (select count(*) as n, sum(f.cash_minor - f.exchanged_minor) as minor from `+given+`) c`,
		func(r pgx.Rows) error { return r.Scan(&sales, &charged, &payments, &refunds, &paidBack) }, s.sold()...)
	if err != nil {
		return nil, Made{}, err
	}
	s.total = sales + payments + refunds
	r := s.report()
	if r.Filters, err = s.storefrontFilter(); err != nil {
		return nil, Made{}, err
	}
	r.Summary = []document.Figure{count("Sales", sales), s.figure("Charged", charged), count("Payments", payments)}
	err = query(s.tx, "sum payments by method", `select p.method, sum(p.amount_minor)::bigint from `+paid+` group by 1 order by 2 desc, 1`, func(rows pgx.Rows) error {
		var method string
		var minor int64
		if err := rows.Scan(&method, &minor); err != nil {
			return err
		}
		r.Summary = append(r.Summary, s.figure("Payments: "+methodName(method), minor))
		return nil
	}, s.sold()...)
	if err != nil {
		return nil, Made{}, err
	}
	r.Summary = append(r.Summary, count("Refunds", refunds), s.figure("Paid back", paidBack))
	r.Tables = []document.Table{s.soldList(), s.paymentList(), s.refundList()}
	return r, Made{Records: s.total, Sales: sales, Payments: payments}, nil
}

// customerName is the customer c of a transaction, as people call the one without a name.
const customerName = `case when c.is_walk_in then 'Walk-in' else c.name end`

func (s *source) soldList() document.Table {
	columns := []document.Column{
		{Title: "Date", Kind: document.KindInstant}, {Title: "Reference", Width: 20}, {Title: "Customer", Width: 26}, {Title: "Total Amount", Kind: document.KindMoney, Total: true},
		{Title: "Payment Status", Width: 16}, {Title: "Created By"},
	}
	words := map[string]string{"COMPLETED": "Paid", "PARTIAL": "Partial", "PENDING": "Unpaid", "REFUNDED": "Refunded"}
	return document.Table{Name: "Sales", Columns: columns, Rows: s.rows("sales", len(columns), func(rows pgx.Rows, row []document.Cell) error {
		var at time.Time
		var receipt, customer, status, by string
		var total int64
		if err := rows.Scan(&at, &receipt, &customer, &total, &status, &by); err != nil {
			return err
		}
		row[0], row[1], row[2], row[3], row[4], row[5] = document.Instant(at), document.Text(receipt), document.Text(customer), s.money(total), document.Text(words[status]), document.Text(by)
		return nil
	}, `
		select s.completed_at, s.receipt_number, `+customerName+`, s.total_minor, s.status, coalesce(u.name, '')
		  from sales.sale s join sales.customer c on c.tenant_id = s.tenant_id and c.id = s.customer_id left join accounts.v_person u on u.tenant_id = s.tenant_id and u.user_id = s.user_id
		 where`+soldWhere+statusIs(false)+` order by s.completed_at, s.id`, s.sold()...)}
}

func (s *source) paymentList() document.Table {
	columns := []document.Column{
		{Title: "Date", Kind: document.KindInstant}, {Title: "Reference", Width: 20}, {Title: "Customer", Width: 26}, {Title: "Amount", Kind: document.KindMoney, Total: true},
		{Title: "Method", Width: 16, Codes: true}, {Title: "Status", Width: 14, Codes: true},
	}
	return document.Table{Name: "Payments", Columns: columns, Rows: s.rows("payments", len(columns), func(rows pgx.Rows, row []document.Cell) error {
		var at time.Time
		var reference, customer, method, status string
		var minor int64
		if err := rows.Scan(&at, &reference, &customer, &minor, &method, &status); err != nil {
			return err
		}
		row[0], row[1], row[2], row[3], row[4], row[5] = document.Instant(at), document.Text(reference), document.Text(customer), s.money(minor), document.Text(methodName(method)), document.Text(status)
		return nil
	}, `
		select q.at, q.reference, `+customerName+`, q.amount_minor, q.method, q.status
		  from (select p.id, p.tenant_id, p.customer_id, p.at, coalesce(nullif(p.reference, ''), s.receipt_number, '') as reference, p.amount_minor, p.method, p.status from `+paid+`) q
		  join sales.customer c on c.tenant_id = q.tenant_id and c.id = q.customer_id order by q.at, q.id`, s.sold()...)}
}

func (s *source) refundList() document.Table {
	columns := []document.Column{
		{Title: "Date", Kind: document.KindInstant}, {Title: "Reference", Width: 20}, {Title: "Customer", Width: 26}, {Title: "Worth", Kind: document.KindMoney, Total: true},
		{Title: "Paid Back", Kind: document.KindMoney, Total: true}, {Title: "Method", Width: 16, Codes: true}, {Title: "Reason", Width: 26},
	}
	return document.Table{Name: "Refunds", Columns: columns, Rows: s.rows("refunds", len(columns), func(rows pgx.Rows, row []document.Cell) error {
		var at time.Time
		var receipt, customer, method, reason string
		var worth, back int64
		if err := rows.Scan(&at, &receipt, &customer, &worth, &back, &method, &reason); err != nil {
			return err
		}
		row[0], row[1], row[2], row[3], row[4], row[5], row[6] = document.Instant(at), document.Text(receipt), document.Text(customer), s.money(worth), s.money(back), document.Text(methodName(method)), document.Text(reason)
		return nil
	}, `
		select q.at, q.receipt_number, `+customerName+`, q.amount_minor, q.back, q.method, q.reason
		  from (select f.id, f.tenant_id, s.customer_id, f.at, s.receipt_number, f.amount_minor, f.cash_minor - f.exchanged_minor as back, coalesce(f.method, '') as method, f.reason from `+given+`) q
		  join sales.customer c on c.tenant_id = q.tenant_id and c.id = q.customer_id order by q.at, q.id`, s.sold()...)}
}
