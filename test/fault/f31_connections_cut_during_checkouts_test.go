package fault

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestF31 ends all of the gateway's database connections eight times while 64 tills check out: some in the middle of a transaction, some during COMMIT. Tills that are refused, or
// told nothing, ask again with their key: every sale is made once.
func TestF31ConnectionsCutDuringCheckouts(t *testing.T) {
	t.Parallel()
	f := newFloor(t)
	cut := 0
	all := f.trade(8, func() {
		cut += f.count("select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() and usename = 'makola_gateway'")
	})
	require.GreaterOrEqual(t, cut, 8)
	require.Zero(t, f.server.deaths())
	f.server.retire()
	f.audit(all)
}
