package reporting_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/document/documenttest"
	"makola/pkg/reporting"
)

// made is what was written just now in a page or a sheet.
var made = regexp.MustCompile(`(Generated[ |]+)\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? WAT`)

// sheetsAsText is a workbook as its cells show: one line for each row, the sheets in the order of their names.
func sheetsAsText(t *testing.T, raw []byte, order ...string) string {
	t.Helper()
	sheets := readSheets(t, raw)
	require.Len(t, sheets, len(order))
	var b strings.Builder
	for _, name := range order {
		fmt.Fprintf(&b, "[%s]\n", name)
		for _, row := range sheets[name] {
			b.WriteString(strings.ReplaceAll(strings.Join(row, " | "), "\n", "⏎") + "\n")
		}
	}
	return b.String()
}

// Every report, page by page and cell by cell: a sale at 23:30 and one at half past midnight, a refund of a sale from before, a product that was given up since, and days without anything.
func TestPagesAndSheetsReadAsTheyDid(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, err := s.admin.Exec(t.Context(), `update inventory.product set is_active = false, name = 'Given up', sku = 'GONE', category_id = null where id = $1`, id("41"))
	require.NoError(t, err)
	for n, at := range []string{"2026-03-10 22:30+00", "2026-03-10 23:30+00"} { // half past eleven, and half past midnight
		_, err = s.admin.Exec(t.Context(), `
			insert into audit.entry (id, tenant_id, user_id, actor, action, entity, entity_id, changes, ip, user_agent, at)
			select (substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-7000-8000-00000000000' || $4)::uuid, $1, $2, 'ama@example.com', 'product.renamed', 'product', '41', '{"name": ["Soap", "=Given up"]}', '192.0.2.1', 'curl/8', $3::text::timestamptz
			  from (select lpad(to_hex((extract(epoch from $3::text::timestamptz) * 1000)::bigint), 12, '0') h) x`, id("10"), id("01"), at, fmt.Sprint(n))
		require.NoError(t, err)
	}
	for name, tt := range map[string]struct {
		kind     reporting.Kind
		from, to string
		sheets   []string
	}{
		"sales":        {reporting.Sales, "2026-03-10", "2026-03-11", []string{"Summary", "Sales Detail", "Line Items", "Refunds", "Cancelled Sales"}},
		"sales_empty":  {reporting.Sales, "2026-03-20", "2026-03-21", []string{"Summary", "Sales Detail", "Line Items"}},
		"inventory":    {reporting.Inventory, "", "", []string{"Summary", "By Location", "Stock"}},
		"customers":    {reporting.Customers, "", "", []string{"Summary", "Customers"}},
		"transactions": {reporting.Transactions, "2026-03-10", "2026-03-11", []string{"Summary", "Sales", "Payments", "Refunds"}},
		"audit_logs":   {reporting.AuditLogs, "2026-03-10", "2026-03-10", []string{"Summary", "Audit Log"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, _ := s.write(t, s.order(t, tt.kind, "excel", tt.from, tt.to))
			golden(t, name+"_xlsx.txt", made.ReplaceAll([]byte(sheetsAsText(t, raw, tt.sheets...)), []byte("${1}now")))
			if tt.kind == reporting.Transactions { // which come as workbooks alone
				return
			}
			raw, _ = s.write(t, s.order(t, tt.kind, "pdf", tt.from, tt.to))
			golden(t, name+"_pdf.txt", made.ReplaceAll([]byte(documenttest.Outline(t, raw)), []byte("${1}now")))
		})
	}
}
