package fault

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"makola/pkg/payments/paystack"
	"makola/pkg/reporting"
	"makola/test/stack"
)

// poison are texts that a spreadsheet would take for formulas or commands, each known by its end.
var poison = []string{
	"=HYPERLINK(\"http://evil.example\",\"P0\")", "+cmd|' /C calc'!P1", "-2+3+cmd|'P2", "@SUM(P3)", "\t=1+P4", "\r=1+P5", "\n=1+P6", "  =1+P7", "＝1+P8", "＋P9", "－P10", "＠P11", "\u200b=P12", "\"=P13",
}

// TestF27FormulaCells sells under names that are formulas, and to people who are called so, and reads the files as a spreadsheet does: through the running services, by
// a link.
func TestF27FormulaCells(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.newDesk()
	w.exec(`insert into sales.customer (id, tenant_id, name, email, phone, address, type, currency)
		select gen_random_uuid(), $1, p, null, '0244 9' || lpad(n::text, 5, '0'), p, 'RETAIL', 'GHS' from unnest($2::text[]) with ordinality x(p, n)`, lagos, poison)
	w.exec(`insert into inventory.product (id, tenant_id, name, sku, unit) select gen_random_uuid(), $1, btrim(p, E'\t\r\n '), 'P-' || n, 'pcs' from unnest($2::text[]) with ordinality x(p, n)`, lagos, poison)
	w.exec(`update sales.sale set notes = x.p from (select p, n from unnest($2::text[]) with ordinality y(p, n)) x where tenant_id = $1 and receipt_number = (array['MKL-20260310-0001','OSU-20260311-0001','MKL-20260311-0002'])[x.n]`, lagos, poison)
	w.exec(`update sales.sale_item set product_name = $2 where tenant_id = $1`, lagos, poison[0])
	files, key := t.TempDir(), "0123456789abcdef0123456789abcdef"
	d.worker(files)
	address := "http://" + stack.FreeAddr(t)
	w.startGateway(address, "STORAGE_URL=file://"+files, "DOWNLOAD_KEYS="+key, "PAYSTACK_SECRET_KEYS="+string(paystack.SimulatorSecretKey))
	keys, err := reporting.ParseLinkKeys(key)
	require.NoError(t, err)
	day := func(n int) time.Time { return time.Date(2026, 3, n, 0, 0, 0, 0, time.UTC) }
	period := reporting.Period{From: day(10), To: day(12)}
	for name, o := range map[string]reporting.Order{
		"sales as CSV":         {Kind: reporting.Sales, Format: reporting.CSV, Period: period},
		"sales as XLSX":        {Kind: reporting.Sales, Format: reporting.Excel, Period: period},
		"customers as CSV":     {Kind: reporting.Customers, Format: reporting.CSV},
		"customers as XLSX":    {Kind: reporting.Customers, Format: reporting.Excel},
		"transactions as XLSX": {Kind: reporting.Transactions, Format: reporting.Excel, Period: period},
		"stock as CSV":         {Kind: reporting.Inventory, Format: reporting.CSV, IncludeZeroStock: true},
	} {
		r := d.done(lagos, d.ask(lagos, o))
		link := address + "/api/v1/report-files/" + keys.Token(reporting.LinkTo(lagos, r, time.Hour, time.Now()))
		var raw []byte
		w.await("the gateway sends the file", func() bool { raw = fetch(t, link); return raw != nil })
		require.EqualValues(t, r.File.Size, len(raw), name)
		if o.Format == reporting.CSV {
			harmlessCSV(t, name, raw)
		} else {
			harmlessWorkbook(t, name, raw)
		}
		if o.Kind == reporting.Customers && o.Format == reporting.CSV {
			for i := range poison {
				require.Contains(t, string(raw), "P"+strconv.Itoa(i), "nothing is left out")
			}
		}
	}
}

// fetch is nil while nobody answers.
func fetch(t *testing.T, address string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s", raw)
	return raw
}

// acts reports whether a spreadsheet may take a cell of a CSV for more than text or a number.
func acts(cell string) bool {
	text := strings.TrimLeftFunc(cell, func(r rune) bool {
		return unicode.IsSpace(r) && r != '\t' && r != '\r' && r != '\n' || unicode.Is(unicode.Cf, r)
	})
	if text == "" || !strings.ContainsAny(string([]rune(text)[:1]), "=+-@\t\r\n＝＋－＠") {
		return false
	}
	return strings.Trim(text, "-0123456789.,") != "" // a negative number is one
}

func harmlessCSV(t *testing.T, name string, raw []byte) {
	t.Helper()
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	require.NoError(t, err, name)
	protected := 0
	for _, row := range rows {
		for _, cell := range row {
			require.False(t, acts(cell), "%s: %q", name, cell)
			if strings.HasPrefix(cell, "'") && acts(cell[1:]) {
				protected++
			}
		}
	}
	require.Positive(t, protected, "%s: the poison is there, and harmless", name)
}

// harmlessWorkbook looks into the sheets themselves: a cell with a formula has an element f, whatever a library makes of it.
func harmlessWorkbook(t *testing.T, name string, raw []byte) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	require.NoError(t, err, name)
	seen := false
	for _, f := range z.File {
		if !strings.HasPrefix(f.Name, "xl/worksheets/sheet") {
			continue
		}
		r, err := f.Open()
		require.NoError(t, err)
		sheet, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NotContains(t, string(sheet), "<f>", "%s %s", name, f.Name)
		require.NotContains(t, string(sheet), "<f ", "%s %s", name, f.Name)
		seen = seen || bytes.Contains(sheet, []byte("evil.example")) || bytes.Contains(sheet, []byte("MKL-20260310-0001"))
	}
	require.True(t, seen, "%s: the cells were looked at", name)
}
