package reporting_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"
	"gorm.io/gorm"

	"makola/pkg/document/documenttest"
	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/problem"
	"makola/pkg/reporting"
	"makola/pkg/tenant"
)

var update = flag.Bool("update", false, "write the golden files anew; look at each of them afterwards")

// id is one of testdata/shop.sql.
func id(end string) uuid.UUID {
	return uuid.MustParse("01900000-0000-7000-8000-" + strings.Repeat("0", 12-len(end)) + end)
}

// shop is the database of testdata/shop.sql as reports-worker sees it. Reports are read with the role that can only read.
type shop struct {
	db     *postgres.DB
	reader *postgres.DB
	pg     *postgrestest.Database
	admin  *pgx.Conn
}

func open(t testing.TB) *shop {
	t.Helper()
	pg := postgrestest.New(t)
	s := &shop{db: pg.Open("makola_reports"), reader: pg.Open("makola_reader"), pg: pg, admin: pg.Admin()}
	sql, err := os.ReadFile("testdata/shop.sql")
	require.NoError(t, err)
	_, err = s.admin.Exec(t.Context(), string(sql))
	require.NoError(t, err)
	return s
}

// of is a context of the shop's business.
func of(ctx context.Context) context.Context { return tenant.With(ctx, id("10")) }

func (s *shop) write(t testing.TB, o reporting.Order) ([]byte, reporting.Made) {
	t.Helper()
	var b bytes.Buffer
	made, err := reporting.Write(of(t.Context()), s.reader, &b, o, nil)
	require.NoError(t, err)
	return b.Bytes(), made
}

// read makes an order as a task would.
func (s *shop) read(t testing.TB, w reporting.Wish) (o reporting.Order, err error) {
	t.Helper()
	err = s.db.InTenant(of(t.Context()), func(tx *gorm.DB) (err error) {
		o, err = reporting.Read(tx, w, time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC))
		return err
	})
	return o, err
}

func (s *shop) order(t testing.TB, kind reporting.Kind, format, from, to string) reporting.Order {
	t.Helper()
	o, err := s.read(t, reporting.Wish{Kind: kind, Format: format, StartDate: from, EndDate: to})
	require.NoError(t, err)
	return o
}

// golden compares with a file of testdata. What was written just now in it does not count.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	lines := strings.Split(string(got), "\r\n")
	for i, line := range lines {
		if strings.HasPrefix(line, `"Generated",`) {
			lines[i] = `"Generated","now"`
		}
	}
	got = []byte(strings.Join(lines, "\r\n"))
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestReportsReadAsTheyDid(t *testing.T) {
	t.Parallel()
	s := open(t)
	tests := map[string]struct {
		order   reporting.Order
		records int64
	}{
		"sales.csv":       {s.order(t, reporting.Sales, "csv", "2026-03-10", "2026-03-11"), 3},
		"sales_day.csv":   {s.order(t, reporting.Sales, "csv", "2026-03-10", "2026-03-10"), 1},
		"sales_empty.csv": {s.order(t, reporting.Sales, "csv", "2026-03-20", "2026-03-21"), 0},
		"inventory.csv":   {s.order(t, reporting.Inventory, "csv", "", ""), 2},
		"customers.csv":   {s.order(t, reporting.Customers, "csv", "", ""), 2},
	}
	zero := tests["inventory.csv"]
	zero.order.IncludeZeroStock, zero.records = true, 3
	tests["inventory_all.csv"] = zero
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, made := s.write(t, tt.order)
			golden(t, name, got)
			require.Equal(t, tt.records, made.Records)
			require.NotContains(t, string(got), "Secret")
		})
	}
}

// figures are the lines of two cells that a CSV or the Summary sheet of a workbook has.
func figures(t *testing.T, rows [][]string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, row := range rows {
		if len(row) == 2 {
			all[row[0]] = strings.ReplaceAll(row[1], ",", "")
		}
	}
	return all
}

func readCSV(t *testing.T, raw []byte) [][]string {
	t.Helper()
	require.True(t, bytes.HasPrefix(raw, []byte("\xef\xbb\xbf")), "Excel needs the byte order mark")
	r := csv.NewReader(bytes.NewReader(raw[3:]))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	require.NoError(t, err)
	return rows
}

func readSheets(t *testing.T, raw []byte) map[string][][]string {
	t.Helper()
	f, err := excelize.OpenReader(bytes.NewReader(raw))
	require.NoError(t, err)
	defer f.Close()
	sheets := map[string][][]string{}
	for _, name := range f.GetSheetList() {
		sheets[name], err = f.GetRows(name)
		require.NoError(t, err)
	}
	return sheets
}

// The three formats of one period agree with each other and with sums that are worked out another way.
func TestTheFormatsOfAPeriodAgreeWithSQL(t *testing.T) {
	t.Parallel()
	s := open(t)
	var n int
	var charged, refunded, tax, due string
	require.NoError(t, s.admin.QueryRow(t.Context(), `
		with sold as (select * from sales.sale where tenant_id = $1 and status not in ('DRAFT', 'CANCELLED') and (completed_at at time zone 'Africa/Lagos')::date between '2026-03-10' and '2026-03-11')
		select count(*), to_char(sum(total_minor) / 100.0, 'FM999990.00'), to_char(sum(tax_minor) / 100.0, 'FM999990.00'), to_char(sum(due_minor) / 100.0, 'FM999990.00'),
		       (select to_char(sum(f.amount_minor) / 100.0, 'FM999990.00') from sales.refund f join sales.sale s on s.id = f.sale_id and s.status <> 'CANCELLED'
		         where f.tenant_id = $1 and (f.at at time zone 'Africa/Lagos')::date between '2026-03-10' and '2026-03-11') from sold`, id("10")).Scan(&n, &charged, &tax, &due, &refunded))
	require.Equal(t, []any{3, "39.90", "1.90", "5.00", "10.00"}, []any{n, charged, tax, due, refunded})
	want := map[string]string{
		"Sales": "3", "Revenue (GHS)": "29.90", "Net sales (GHS)": "28.00", "Tax (GHS)": tax, "Discounts on sales (GHS)": "1.00", "Discounts on lines (GHS)": "0.99", "Cost of goods sold (GHS)": "18.00",
		"Gross profit (GHS)": "10.00", "Charged (GHS)": charged, "Refunded (GHS)": refunded, "Paid (GHS)": "34.90", "Outstanding (GHS)": due,
	}
	raw, _ := s.write(t, s.order(t, reporting.Sales, "csv", "2026-03-10", "2026-03-11"))
	fromCSV := figures(t, readCSV(t, raw))
	raw, _ = s.write(t, s.order(t, reporting.Sales, "excel", "2026-03-10", "2026-03-11"))
	sheets := readSheets(t, raw)
	fromExcel := figures(t, sheets["Summary"])
	for label, value := range want {
		require.Equal(t, value, fromCSV[label], "CSV: %s", label)
		require.Equal(t, value, fromExcel[label], "Excel: %s", label)
	}
	require.Equal(t, "35.71", fromCSV["Margin"])
	total := func(sheet string, column int) string {
		rows := sheets[sheet]
		return rows[len(rows)-1][column]
	}
	require.Equal(t, "Total", total("Sales Detail", 0))
	require.Equal(t, charged, total("Sales Detail", 12))
	require.Equal(t, charged, total("Line Items", 6), "lines add up to sales")
	require.Equal(t, refunded, total("Refunds", 5))
	require.Len(t, sheets["Cancelled Sales"], 3, "heading, the sale, total")
	require.Len(t, sheets["Sales Detail"], 5)

	raw, _ = s.write(t, s.order(t, reporting.Sales, "pdf", "2026-03-10", "2026-03-11"))
	for label, value := range want {
		label = strings.TrimSuffix(label, " (GHS)")
		require.Equal(t, value, strings.ReplaceAll(strings.TrimPrefix(documenttest.After(t, raw, label), "GH₵ "), ",", ""), "PDF: %s", label)
	}
}

// What a page says of a period in time comes to what it says of the whole.
func TestTheTrendAddsUpToTheRevenue(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.many(t, 1, 40)
	for name, period := range map[string]struct {
		from, to, table string
		rows            int
	}{
		"days":   {"2026-03-01", "2026-03-31", "By Day", 31},
		"weeks":  {"2026-01-14", "2026-03-31", "By Week", 12},
		"months": {"2025-04-15", "2026-03-31", "By Month", 12},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, _ := s.write(t, s.order(t, reporting.Sales, "pdf", period.from, period.to))
			revenue, dates, inTable, total := documenttest.After(t, raw, "Revenue"), 0, false, ""
			last := ""
			for _, page := range documenttest.Pages(t, raw) {
				for _, piece := range page[:len(page)-2] { // without the foot
					switch {
					case piece.Text == period.table:
						inTable = true
					case piece.Text == "By Payment Type":
						inTable, total = false, last // of the totals
					case inTable && regexp.MustCompile(`^\d{4}-\d\d-\d\d$`).MatchString(piece.Text):
						dates++
					}
					last = piece.Text
				}
			}
			require.Equal(t, period.rows, dates, "a day without sales is a row, too")
			require.NotEmpty(t, total)
			require.True(t, strings.HasSuffix(revenue, total), "%s is the revenue, and %s what its parts come to", revenue, total)
		})
	}
}

func TestTransactionsAreOfTheirOwnDays(t *testing.T) {
	t.Parallel()
	s := open(t)
	raw, made := s.write(t, s.order(t, reporting.Transactions, "", "2026-03-10", "2026-03-11"))
	require.Equal(t, []int64{10, 3, 5}, []int64{made.Records, made.Sales, made.Payments})
	require.Regexp(t, `^transactions_2026-03-10_2026-03-11_\d{8}_\d{6}\.xlsx$`, made.FileName)
	sheets := readSheets(t, raw)
	f := figures(t, sheets["Summary"])
	require.Equal(t, []string{"39.90", "40.90", "4.00", "1.00", "20.00"}, []string{f["Charged (GHS)"], f["Payments: Cash (GHS)"], f["Payments: Mobile money (GHS)"], f["Payments: Cheque (GHS)"], f["Paid back (GHS)"]})
	sales := sheets["Sales"]
	require.Equal(t, []string{"2026-03-10 23:30:00", "MKL-20260310-0001", "Walk-in", "20.90", "Paid", "Ama Ẹ̀bùn"}, sales[1])
	require.Equal(t, []string{"2026-03-11 00:30:00", "OSU-20260311-0001", `+Esi "Quote", Ltd`, "9.00", "Partial", "Kofi"}, sales[2])
	require.Equal(t, "Refunded", sales[3][4])
	require.Equal(t, []string{"2026-03-11 00:30:00", "=MM-1"}, sheets["Payments"][2][:2])
	workbook, err := excelize.OpenReader(bytes.NewReader(raw))
	require.NoError(t, err)
	defer workbook.Close()
	formula, err := workbook.GetCellFormula("Payments", "B3")
	require.NoError(t, err)
	require.Empty(t, formula, "no text is a formula")
}

func TestWhoSeesOneStorefrontGetsThatOnesSales(t *testing.T) {
	t.Parallel()
	s := open(t)
	o := s.order(t, reporting.Transactions, "", "2026-03-10", "2026-03-11")
	o.Storefronts = []uuid.UUID{id("22")}
	raw, made := s.write(t, o)
	require.Equal(t, []int64{2, 1, 1}, []int64{made.Records, made.Sales, made.Payments}, "a payment on account belongs to no storefront")
	require.NotContains(t, readSheets(t, raw)["Sales"][1], "MKL-20260310-0001")

	o = s.order(t, reporting.Sales, "csv", "2026-03-10", "2026-03-11")
	o.Storefronts = []uuid.UUID{id("22")}
	raw, made = s.write(t, o)
	require.EqualValues(t, 1, made.Records)
	require.Contains(t, string(raw), `"Filter","Storefront: Osu"`)
	require.NotContains(t, string(raw), "MKL-")

	o.Storefronts = []uuid.UUID{}
	_, made = s.write(t, o)
	require.Zero(t, made.Records, "none is not all")
}

// many makes sales of the shop, one line each, on 20 March.
func (s *shop) many(t testing.TB, from, to int) {
	t.Helper()
	_, err := s.admin.Exec(t.Context(), `
		with sale as (
		  insert into sales.sale (id, tenant_id, storefront_id, user_id, customer_id, receipt_number, type, status, currency, subtotal_minor, total_minor, paid_minor, payment_type, completed_at, created_at)
		  select gen_random_uuid(), '01900000-0000-7000-8000-000000000010', '01900000-0000-7000-8000-000000000021', '01900000-0000-7000-8000-000000000001', '01900000-0000-7000-8000-000000000050',
		         'MANY-' || i, 'RETAIL', 'COMPLETED', 'GHS', 100, 100, 100, 'CASH', '2026-03-20 08:00+00'::timestamptz + i * interval '1 second', now() from generate_series($1::int, $2::int) i
		  returning id, tenant_id, total_minor)
		insert into sales.sale_item (id, tenant_id, sale_id, line, product_id, quantity, unit_price_minor, total_minor, cost_minor, product_name, product_sku)
		select gen_random_uuid(), tenant_id, id, 1, '01900000-0000-7000-8000-000000000040', 1, total_minor, total_minor, 50, 'Rice 1 kg', 'RICE' from sale`, from, to)
	require.NoError(t, err)
}

func TestAReportIsOfOneMoment(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.many(t, 1, 1500)
	o := s.order(t, reporting.Sales, "csv", "2026-03-20", "2026-03-20")
	var b bytes.Buffer
	var told []int64
	made, err := reporting.Write(of(t.Context()), s.reader, &b, o, func(done, total int64, _ string) {
		if told = append(told, done); len(told) == 1 { // the sums are written, and some rows
			s.many(t, 1501, 1600)
		}
		require.EqualValues(t, 3000, total)
	})
	require.NoError(t, err)
	require.Equal(t, []int64{512, 1024, 1536, 2048, 2560}, told)
	require.EqualValues(t, 1500, made.Records)
	rows := readCSV(t, b.Bytes())
	require.Equal(t, "1500.00", figures(t, rows)["Charged (GHS)"])
	totals := 0
	for _, row := range rows {
		if row[0] == "Total" {
			totals++
			require.Contains(t, row, "1500.00", "the rows' sums are the summary's")
		}
	}
	require.Equal(t, 2, totals)
}

func TestASnapshotCannotBeWrittenTo(t *testing.T) {
	t.Parallel()
	s := open(t)
	err := s.db.InSnapshot(of(t.Context()), time.Minute, func(tx *gorm.DB) error {
		_, err := postgres.Exec(tx, `update reporting.report set error = ''`)
		return err
	})
	require.ErrorContains(t, err, "25006")
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestADiskThatIsFullEndsTheReport(t *testing.T) {
	t.Parallel()
	s := open(t)
	full := errors.New("no space left on device")
	for _, format := range []string{"csv", "excel", "pdf"} {
		o := s.order(t, reporting.Sales, format, "2026-03-10", "2026-03-11")
		_, err := reporting.Write(of(t.Context()), s.reader, writerFunc(func([]byte) (int, error) { return 0, full }), o, nil)
		require.ErrorIs(t, err, full, format)
	}
	ctx, cancel := context.WithCancel(of(t.Context()))
	cancel()
	_, err := reporting.Write(ctx, s.reader, io.Discard, s.order(t, reporting.Sales, "csv", "2026-03-10", "2026-03-11"), nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestWishesThatCannotBe(t *testing.T) {
	t.Parallel()
	s := open(t)
	tests := map[string]struct {
		wish  reporting.Wish
		fault string
	}{
		"start after end":            {reporting.Wish{Kind: reporting.Sales, StartDate: "2026-03-11", EndDate: "2026-03-10"}, "end_date before_start"},
		"tomorrow":                   {reporting.Wish{Kind: reporting.Sales, StartDate: "2026-03-11", EndDate: "2026-04-01"}, "end_date in_future"},
		"twenty years":               {reporting.Wish{Kind: reporting.Transactions, StartDate: "2006-03-11", EndDate: "2026-03-10"}, "end_date too_long"},
		"367 days":                   {reporting.Wish{Kind: reporting.Sales, StartDate: "2025-03-10", EndDate: "2026-03-11"}, "end_date too_long"},
		"no dates":                   {reporting.Wish{Kind: reporting.Sales}, "start_date required"},
		"no date":                    {reporting.Wish{Kind: reporting.Sales, StartDate: "yesterday", EndDate: "2026-03-10"}, "start_date invalid"},
		"30 February":                {reporting.Wish{Kind: reporting.Sales, StartDate: "2026-02-01", EndDate: "2026-02-30"}, "end_date invalid"},
		"a format that nobody knows": {reporting.Wish{Kind: reporting.Inventory, Format: "docx"}, "format unknown"},
		"a format of other reports":  {reporting.Wish{Kind: reporting.Transactions, Format: "pdf", StartDate: "2026-03-10", EndDate: "2026-03-10"}, "format unknown"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := s.read(t, tt.wish)
			e, ok := errors.AsType[*problem.Error](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, tt.fault, e.Fields[0].Field+" "+e.Fields[0].Code)
		})
	}
	o, err := s.read(t, reporting.Wish{Kind: reporting.Sales, StartDate: "2025-03-10", EndDate: "2026-03-10"})
	require.NoError(t, err, "366 days")
	require.Equal(t, reporting.PDF, o.Format)
	require.Equal(t, "10 March 2025 to 10 March 2026", o.Period.String())
}
