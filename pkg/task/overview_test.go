package task

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
)

func TestStatisticsOfAnHourNeedNotReadEveryTask(t *testing.T) {
	t.Parallel()
	var plan []string
	require.NoError(t, postgrestest.New(t).Open("makola_operator").InSystem(t.Context(), func(tx *gorm.DB) error {
		if _, err := postgres.Exec(tx, `set local enable_seqscan = off`); err != nil { // an empty table is read whole otherwise
			return err
		}
		return postgres.Query(tx, func(rows pgx.Rows) (err error) {
			plan, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		}, `explain `+statsSQL, 3600.0)
	}))
	require.Contains(t, strings.Join(plan, "\n"), "task_finished")
}
