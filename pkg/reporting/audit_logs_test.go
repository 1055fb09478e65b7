package reporting_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres"
	"makola/pkg/reporting"
	"makola/pkg/tenant"
)

// The log of a business's own day, whole, in three formats that agree; nothing of another business or of the platform.
func TestTheLogOfADayInThreeFormats(t *testing.T) {
	t.Parallel()
	s := open(t)
	gateway := s.pg.Open("makola_gateway")
	record := func(business string, entries ...audit.Entry) {
		t.Helper()
		require.NoError(t, gateway.InTenant(tenant.With(t.Context(), id(business)), func(tx *gorm.DB) error {
			for i := range entries {
				entries[i].Tenant = id(business)
			}
			return audit.Record(tx, entries...)
		}))
	}
	record("10",
		audit.Entry{User: id("01"), Actor: "ama@example.com", Action: audit.Login, Entity: "session", IP: "192.0.2.17", UserAgent: "curl/8"},
		audit.Entry{User: id("01"), Actor: "ama@example.com", Action: audit.Update, Entity: "export_schedule", EntityID: "7", Changes: map[string]any{"name": []string{"Old", "=cmd|'/c calc'!A0"}}},
		audit.Entry{Actor: "task:sales.release", Action: "stock.released", Entity: "reservation"})
	record("11", audit.Entry{User: id("03"), Actor: "esi@example.com", Action: audit.Login, Entity: "session"})
	require.NoError(t, s.pg.Open("makola_operator").InSystem(t.Context(), func(tx *gorm.DB) error {
		return audit.Record(tx, audit.Entry{Actor: "operator:kofi", Action: "review.approved", Entity: "payment_review"})
	}))
	// One that was done a second before midnight, in an hour that belongs to the next day in UTC.
	lagos := zone(t, "Africa/Lagos")
	now := time.Now().In(lagos)
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, lagos)
	set := func(at time.Time, action string) {
		t.Helper()
		_, err := s.admin.Exec(t.Context(), `update audit.entry set at = $1 where action = $2`, at, action)
		require.NoError(t, err)
	}
	set(midnight.Add(-time.Second), audit.Login)
	set(midnight, audit.Update)
	set(midnight.Add(time.Minute), "stock.released")

	day := func(at time.Time, format reporting.Format) reporting.Order {
		date := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC)
		return reporting.Order{Kind: reporting.AuditLogs, Format: format, Period: reporting.Period{From: date, To: date}}
	}
	raw, made := s.write(t, day(midnight, reporting.CSV))
	require.EqualValues(t, 2, made.Records)
	rows := readCSV(t, raw)
	sums := figures(t, rows)
	require.Equal(t, []string{"2", "2", "2"}, []string{sums["Events"], sums["People"], sums["Kinds of events"]})
	for _, secret := range []string{"esi@example.com", "operator:kofi", "192.0.2.17"} {
		require.NotContains(t, string(raw), secret)
	}
	var told [][]string
	for _, row := range rows {
		if len(row) == 13 && row[0] != "Log ID" {
			told = append(told, row[2:])
		}
	}
	require.Equal(t, [][]string{
		{"UPDATE", "Update", "ama@example.com", "Ama Ẹ̀bùn", "export_schedule", "7", "'=cmd|'/c calc'!A0", "Update: export schedule =cmd|'/c calc'!A0", `{"name": ["Old", "=cmd|'/c calc'!A0"]}`, "", ""},
		{"stock.released", "Stock released", "task:sales.release", "", "reservation", "", "", "Stock released: reservation", "", "", ""},
	}, told)

	sheets := readSheets(t, first(s.write(t, day(midnight, reporting.Excel))))
	require.Equal(t, "2", figures(t, sheets["Summary"])["Events"])
	require.Len(t, sheets["Audit Log"], 1+2)
	pdf, made := s.write(t, day(midnight, reporting.PDF))
	require.EqualValues(t, 2, made.Records)
	require.True(t, bytes.HasPrefix(pdf, []byte("%PDF-")))
	raw, made = s.write(t, day(midnight.AddDate(0, 0, -1), reporting.CSV))
	require.EqualValues(t, 1, made.Records)
	require.Contains(t, string(raw), "192.0.2.17")
	raw, made = s.write(t, day(midnight.AddDate(0, 0, -9), reporting.CSV))
	require.Zero(t, made.Records, "%s", raw)
}

func first[A, B any](a A, _ B) A { return a }

// What reports-worker sees of the log is what its transaction is bound to.
func TestTheLogIsSeenByTheBoundBusinessAlone(t *testing.T) {
	t.Parallel()
	s := open(t)
	require.NoError(t, s.pg.Open("makola_gateway").InTenant(of(t.Context()), func(tx *gorm.DB) error {
		return audit.Record(tx, audit.Entry{Tenant: id("10"), Actor: "ama@example.com", Action: audit.Login})
	}))
	seen := func(in func(tx *gorm.DB) error) error { return s.db.InTenant(tenant.With(t.Context(), id("11")), in) }
	n := -1
	count := func(tx *gorm.DB) error { return postgres.QueryRow(tx, `select count(*) from audit.v_entry`).Scan(&n) }
	require.NoError(t, seen(count))
	require.Zero(t, n)
	require.NoError(t, s.db.InSystem(t.Context(), count))
	require.Zero(t, n)
	require.NoError(t, s.db.InTenant(of(t.Context()), count))
	require.Equal(t, 1, n)
}
