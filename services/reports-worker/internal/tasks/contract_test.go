package tasks_test

import (
	"testing"

	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task"
	"makola/pkg/task/tasktest"
	"makola/proto/contract"
	reportspb "makola/proto/makola/reports/v1"
	"makola/services/reports-worker/internal/tasks"
)

func TestContract(t *testing.T) {
	t.Parallel()
	tasktest.Contract(t, tasktest.Trial{
		Role: "makola_reports",
		Register: func(_ *postgrestest.Database, r contract.Registrar, _ *task.Queue) {
			reportspb.HandleTasks(r, &tasks.Reports{Instance: "reports-1"})
		},
	})
}
