package reporting_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/reporting"
)

// salesOf are the figures of a sales report of some days.
func (s *shop) salesOf(t *testing.T, from, to string) map[string]string {
	t.Helper()
	raw, _ := s.write(t, s.order(t, reporting.Sales, "csv", from, to))
	return figures(t, readCSV(t, raw))
}

// The shop is an hour ahead of UTC: 22:30 there is 23:30 here, and 23:30 there is the day after.
func TestASaleLateInTheEveningIsOfTheShopsOwnDay(t *testing.T) {
	t.Parallel()
	s := open(t)
	raw, made := s.write(t, s.order(t, reporting.Sales, "csv", "2026-03-10", "2026-03-10"))
	require.EqualValues(t, 1, made.Records)
	require.Contains(t, string(raw), `"MKL-20260310-0001","2026-03-10","23:30:00"`)
	require.Equal(t, "20.90", s.salesOf(t, "2026-03-10", "2026-03-10")["Charged (GHS)"])
	raw, made = s.write(t, s.order(t, reporting.Sales, "csv", "2026-03-11", "2026-03-11"))
	require.EqualValues(t, 2, made.Records)
	require.Contains(t, string(raw), `"OSU-20260311-0001","2026-03-11","00:30:00"`)

	// The same instants in a shop west of UTC are both of the day before.
	_, err := s.admin.Exec(t.Context(), `update accounts.business set timezone = 'America/New_York' where id = $1`, id("10"))
	require.NoError(t, err)
	raw, made = s.write(t, s.order(t, reporting.Sales, "csv", "2026-03-10", "2026-03-10"))
	require.EqualValues(t, 2, made.Records)
	require.Contains(t, string(raw), `"OSU-20260311-0001","2026-03-10","19:30:00"`)
}

// A refund is of the day on which it was given, whenever the sale was: one of the 10th is for a sale of February, and a sale of the 11th was given back on the 12th.
func TestARefundAcrossTheEdgeIsOfItsOwnPeriod(t *testing.T) {
	t.Parallel()
	s := open(t)
	for days, want := range map[string][]string{ // charged, refunded, revenue
		"2026-02-28 2026-02-28": {"30.00", "0.00", "30.00"},
		"2026-03-10 2026-03-10": {"20.90", "10.00", "10.90"},
		"2026-03-11 2026-03-11": {"19.00", "0.00", "19.00"},
		"2026-03-12 2026-03-12": {"0.00", "10.00", "-10.00"},
		"2026-02-28 2026-03-12": {"69.90", "20.00", "49.90"},
	} {
		from, to, _ := strings.Cut(days, " ")
		f := s.salesOf(t, from, to)
		require.Equal(t, want, []string{f["Charged (GHS)"], f["Refunded (GHS)"], f["Revenue (GHS)"]}, days)
	}
}

// A product is never deleted but given up, and what was sold of it keeps the name that it was sold under.
func TestWhatWasSoldOfAProductThatIsGivenUpStays(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, err := s.admin.Exec(t.Context(), `update inventory.product set is_active = false, name = 'Given up', sku = 'GONE-' || sku, category_id = null where tenant_id = $1`, id("10"))
	require.NoError(t, err)
	raw, made := s.write(t, s.order(t, reporting.Sales, "csv", "2026-03-10", "2026-03-11"))
	require.EqualValues(t, 3, made.Records)
	require.Contains(t, string(raw), `"MKL-20260310-0001","Rice 1 kg","RICE","",`)
	require.NotContains(t, string(raw), "Given up")
	require.Equal(t, "39.90", figures(t, readCSV(t, raw))["Charged (GHS)"])
}

func TestAShopWithoutAnythingGetsValidEmptyReports(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, err := s.admin.Exec(t.Context(), `
		insert into accounts.user (id, email, name, password_hash) values ('01900000-0000-7000-8000-0000000000e1', 'new@example.com', 'New', '!');
		insert into accounts.business (id, owner_id, name, email) values ('01900000-0000-7000-8000-0000000000e0', '01900000-0000-7000-8000-0000000000e1', 'New', 'new@example.com')`)
	require.NoError(t, err)
	for _, kind := range reporting.Kinds() {
		for _, format := range kind.Formats() {
			t.Run(string(kind)+" as "+string(format), func(t *testing.T) {
				t.Parallel()
				o := s.order(t, kind, string(format), "2026-03-10", "2026-03-11")
				var b bytes.Buffer
				made, err := reporting.Write(tenantOf(t, "e0"), s.reader, &b, o, nil)
				require.NoError(t, err)
				require.Zero(t, made.Records)
				switch format {
				case reporting.CSV:
					require.NotEmpty(t, readCSV(t, b.Bytes()))
				case reporting.Excel:
					require.NotEmpty(t, readSheets(t, b.Bytes()))
				case reporting.PDF:
					require.True(t, bytes.HasPrefix(b.Bytes(), []byte("%PDF-")) && bytes.Contains(b.Bytes()[b.Len()-10:], []byte("%%EOF")))
				}
			})
		}
	}
}
