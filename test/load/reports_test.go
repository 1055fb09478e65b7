package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/xuri/excelize/v2"

	"makola/test/stack"
)

// reportSizes are how many sales, of one line each, the reports are of.
var reportSizes = []int{10_000, 100_000, 1_000_000}

// archive is a stack with a gateway and one shop that has sold much on the days from 1 March 2026 on.
type archive struct {
	*stack.Stack
	admin       *pgx.Conn
	files       string
	shop, token string
	sales       int
}

// newArchive registers the shop by the API and fills its books.
func newArchive(b *testing.B, sales int) *archive {
	b.Helper()
	a := &archive{Stack: stack.New(b), files: "STORAGE_URL=file://" + b.TempDir(), sales: sales}
	a.admin = a.DB.Admin()
	gateway := a.Start("api-gateway", a.files, "RATE_SIGN_IN_PER_MINUTE=1000")
	stack.Ready(b, gateway)
	m := &mall{Stack: a.Stack, gateway: gateway, admin: a.admin}
	a.token, a.shop = m.register(b, 0)
	batch := &pgx.Batch{}
	batch.Queue(`select set_config('app.tenants', array[$1::uuid]::text, true)`, a.shop)
	batch.Queue(`insert into inventory.location (id, tenant_id, kind, name, code) values ('0190e000-0000-7000-8000-0000000000a1', $1, 'STOREFRONT', 'Makola Main', 'MKL')`, a.shop)
	batch.Queue(`insert into inventory.product (id, tenant_id, name, sku) values ('0190e000-0000-7000-8000-0000000000a2', $1, 'Rice, perfumed, 5 kg', 'RICE-5')`, a.shop)
	batch.Queue(`insert into sales.customer (id, tenant_id, name, currency) values ('0190e000-0000-7000-8000-0000000000a3', $1, 'Ẹ̀bùn & Daughters', 'GHS')`, a.shop)
	batch.Queue(`insert into sales.sale (id, tenant_id, storefront_id, user_id, customer_id, receipt_number, type, status, currency, subtotal_minor, total_minor, paid_minor, payment_type, completed_at, created_at)
		select ('0190e000-0000-7000-8000-1' || lpad(to_hex(n), 11, '0'))::uuid, b.id, '0190e000-0000-7000-8000-0000000000a1', b.owner_id, '0190e000-0000-7000-8000-0000000000a3', 'MKL-20260301-' || n,
		       'RETAIL', 'COMPLETED', 'GHS', 1000 + n % 5000, 1000 + n % 5000, 1000 + n % 5000, 'CASH', '2026-03-01 08:00+00'::timestamptz + n * interval '5 seconds', now()
		  from generate_series(1, $2::int) n, accounts.business b where b.id = $1`, a.shop, sales)
	batch.Queue(`insert into sales.sale_item (id, tenant_id, sale_id, line, product_id, quantity, unit_price_minor, total_minor, cost_minor, product_name, product_sku)
		select gen_random_uuid(), tenant_id, id, 1, '0190e000-0000-7000-8000-0000000000a2', 1, total_minor, total_minor, total_minor / 2, 'Rice, perfumed, 5 kg', 'RICE-5' from sales.sale where tenant_id = $1`, a.shop)
	batch.Queue(`insert into sales.payment (id, tenant_id, sale_id, customer_id, amount_minor, currency, method, processed_by, at)
		select gen_random_uuid(), tenant_id, id, customer_id, total_minor, currency, 'CASH', user_id, completed_at from sales.sale where tenant_id = $1`, a.shop)
	if err := pgx.BeginFunc(b.Context(), a.admin, func(tx pgx.Tx) error { return tx.SendBatch(b.Context(), batch).Close() }); err != nil {
		b.Fatalf("fill the books: %v", err)
	}
	if _, err := a.admin.Exec(b.Context(), "vacuum analyze sales.sale, sales.sale_item, sales.payment"); err != nil {
		b.Fatalf("analyze: %v", err)
	}
	return a
}

// reading is the floor: the rows of the report on sales, read one by one into variables of their types and thrown away.
func (a *archive) reading(b *testing.B) time.Duration {
	b.Helper()
	began := time.Now()
	var texts [9]string
	var at time.Time
	var numbers [7]int64
	rows := a.read(b, `select s.receipt_number, s.completed_at, l.name, coalesce(p.name, ''), c.name, c.type, s.type, s.status, s.subtotal_minor, s.discount_minor, s.tax_minor, s.total_minor, s.paid_minor,
		       s.returned_minor, s.due_minor, coalesce(s.payment_type, ''), s.notes
		  from sales.sale s join inventory.location l on l.id = s.storefront_id join sales.customer c on c.id = s.customer_id left join accounts.user p on p.id = s.user_id
		 where s.tenant_id = $1 and s.completed_at >= '2026-03-01' order by s.completed_at, s.id`,
		&texts[0], &at, &texts[1], &texts[2], &texts[3], &texts[4], &texts[5], &texts[6], &numbers[0], &numbers[1], &numbers[2], &numbers[3], &numbers[4], &numbers[5], &numbers[6], &texts[7], &texts[8])
	lines := a.read(b, `select s.receipt_number, i.product_name, i.product_sku, coalesce(g.name, ''), i.quantity, i.unit_price_minor, i.total_minor - i.sale_discount_minor, i.tax_minor,
		       coalesce(i.cost_minor, 0), i.discount_minor + i.sale_discount_minor
		  from sales.sale s join sales.sale_item i on i.sale_id = s.id left join inventory.product p on p.id = i.product_id left join inventory.category g on g.id = p.category_id
		 where s.tenant_id = $1 and s.completed_at >= '2026-03-01' order by s.completed_at, s.id, i.line`,
		&texts[0], &texts[1], &texts[2], &texts[3], &numbers[0], &numbers[1], &numbers[2], &numbers[3], &numbers[4], &numbers[5])
	if rows != a.sales || lines != a.sales {
		b.Fatalf("%d sales of %d lines", rows, lines)
	}
	return time.Since(began)
}

// read scans every row of a query and returns how many there were.
func (a *archive) read(b *testing.B, query string, into ...any) (n int) {
	b.Helper()
	rows, err := a.admin.Query(b.Context(), query, a.shop)
	if err != nil {
		b.Fatal(err)
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			b.Fatal(err)
		}
		n++
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
	return n
}

// streaming is the floor of a workbook: the library's stream writer alone with the cells of the report, made up as newArchive does, not read.
func (a *archive) streaming(b *testing.B) time.Duration {
	b.Helper()
	began := time.Now()
	book := excelize.NewFile()
	defer func() { _ = book.Close() }()
	number := func(n int) string { return fmt.Sprintf("MKL-20260301-%d", n) }
	sheets := []func(n int) []any{
		func(n int) []any {
			at, amount := 46082.3333333+float64(n)*5/86400, float64(1000+n%5000)/100
			return []any{number(n), at, at, "Makola Main", "Ama", "Ẹ̀bùn & Daughters", "RETAIL", "RETAIL", "COMPLETED", amount, 0.0, 0.0, amount, amount, 0.0, 0.0, "CASH", ""}
		},
		func(n int) []any {
			amount := float64(1000+n%5000) / 100
			return []any{number(n), "Rice, perfumed, 5 kg", "RICE-5", "", 1, amount, amount, amount / 2, amount / 2, 0.5, 0.0, 0.0}
		},
	}
	for i, row := range sheets {
		sheet := fmt.Sprintf("Sheet%d", i+1)
		if _, err := book.NewSheet(sheet); err != nil {
			b.Fatal(err)
		}
		w, err := book.NewStreamWriter(sheet)
		if err != nil {
			b.Fatal(err)
		}
		for n := 1; n <= a.sales; n++ {
			if err := w.SetRow(fmt.Sprintf("A%d", n), row(n)); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			b.Fatal(err)
		}
	}
	if err := book.Write(io.Discard); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// made is a report that is finished.
type made struct {
	took       time.Duration
	peak, idle int64
	size       int64
	rows       int64
}

// make asks for a report by the API, lets a worker of its own make it, and reads from the row how long that took.
func (a *archive) make(b *testing.B, kind, format string) made {
	b.Helper()
	worker := a.Start("reports-worker", a.files)
	stack.Ready(b, worker)
	defer worker.Stop()
	var m made
	m.idle, _ = worker.Memory()
	body := `{"start_date":"2026-03-01","end_date":"2026-10-31"}` // transactions have one format
	if kind == "sales" {
		body = fmt.Sprintf(`{"start_date":"2026-03-01","end_date":"2026-10-31","format":%q}`, format)
	}
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://"+a.Gateway+"/api/v1/reports/"+kind, bytes.NewBufferString(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatalf("ask for a report: %v", err)
	}
	defer func() { _ = resp.Body.Close() }()
	var accepted struct {
		ID string `json:"report_id"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&accepted); err != nil || resp.StatusCode != http.StatusAccepted {
		b.Fatalf("ask for a report: status %d: %v", resp.StatusCode, err)
	}
	var state string
	stack.Within(b, 3*limit, "the report is made", func() bool {
		var ms, size, rows *int64
		err := a.admin.QueryRow(context.WithoutCancel(b.Context()), `select state, took_ms, file_size, record_count from reporting.report where id = $1`, accepted.ID).Scan(&state, &ms, &size, &rows)
		if err != nil {
			b.Fatalf("read the report: %v", err)
		}
		if state == "COMPLETED" {
			m.took, m.size, m.rows = time.Duration(*ms)*time.Millisecond, *size, *rows
		}
		return state != "PENDING"
	})
	if state != "COMPLETED" {
		b.Fatalf("the report is %s\n%s", state, worker.Output())
	}
	_, m.peak = worker.Memory()
	return m
}

// BenchmarkReports makes the report on sales in each format, and that on transactions, by a worker that does nothing else. The floor is reading the same rows and dropping them;
// that of a workbook its library's own stream writer with as many cells.
func BenchmarkReports(b *testing.B) {
	for _, sales := range reportSizes {
		b.Run(fmt.Sprintf("%d_sales", sales), func(b *testing.B) {
			a := newArchive(b, sales)
			a.reading(b) // warms the caches
			reading, streaming := a.reading(b), a.streaming(b)
			note(fmt.Sprintf("%d sales of one line: reading and dropping them", sales), "%s", seconds(reading))
			note("the library's stream writer with as many cells", "%s", seconds(streaming))
			for _, r := range []struct{ kind, format string }{{"sales", "csv"}, {"sales", "excel"}, {"sales", "pdf"}, {"transactions", "excel"}} {
				m := a.make(b, r.kind, r.format)
				against := share(int(m.took/time.Millisecond), int(reading/time.Millisecond)) + " of reading"
				if r.format == "excel" && r.kind == "sales" {
					against += ", " + share(int(m.took/time.Millisecond), int(streaming/time.Millisecond)) + " of the stream writer"
				}
				note(fmt.Sprintf("report on %s as %s", r.kind, r.format), "%s; %s; %s; worker %s idle, %s at most", seconds(m.took), against, mib(m.size), mib(m.idle), mib(m.peak))
			}
		})
	}
}

// seconds prints a duration in seconds.
func seconds(d time.Duration) string {
	return fmt.Sprintf("%d.%02d s", d/time.Second, d%time.Second/(10*time.Millisecond))
}
