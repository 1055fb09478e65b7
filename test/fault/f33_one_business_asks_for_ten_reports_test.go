package fault

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"makola/pkg/reporting"
)

// TestF33OneBusinessAsksForTenReports keeps the table of sales locked, so that no report on sales gets on. One business asks for ten of them; then another asks for one on stock. It has it
// while three of the ten are being made and seven say that they wait for their turn, though the one worker there is makes four at once. When the table is free, all ten are made.
func TestF33OneBusinessAsksForTenReports(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.newDesk()
	lock, err := w.look.Begin(t.Context())
	require.NoError(t, err)
	defer lock.Rollback(t.Context()) //nolint:errcheck // over already, or the test has failed
	_, err = lock.Exec(t.Context(), `lock table sales.sale in access exclusive mode`)
	require.NoError(t, err)
	var ten []*reporting.Report
	for i := range 10 {
		day := time.Date(2026, 3, 1+i, 0, 0, 0, 0, time.UTC)
		ten = append(ten, d.ask(lagos, reporting.Order{Kind: reporting.Sales, Format: reporting.CSV, Period: reporting.Period{From: day, To: day}}))
	}
	one := d.ask(elsewhere, reporting.Order{Kind: reporting.Inventory, Format: reporting.CSV})
	d.worker(t.TempDir(), "TASKS_LONG=4", "READ_DATABASE_URL="+w.url("makola_reader"))

	d.done(elsewhere, one)
	standing := func() (made, waiting int) {
		for _, r := range ten {
			switch r = d.get(lagos, r); {
			case r.WaitingFor == reporting.WaitingForTurn && r.Status == reporting.Pending:
				waiting++
			case r.Status == reporting.Processing:
				made++
			}
		}
		return made, waiting
	}
	w.await("three are being made and seven wait", func() bool {
		made, waiting := standing()
		return made == reporting.MaxRunning && waiting == 7
	})
	require.NoError(t, lock.Rollback(t.Context()))
	for _, r := range ten {
		d.done(lagos, r)
	}
	require.Equal(t, 11, w.count(`select count(*) from task.task where queue = 'reports' and state = 'succeeded' and attempt = 1`), "to wait costs no attempt")
}
