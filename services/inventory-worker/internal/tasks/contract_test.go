package tasks_test

import (
	"testing"

	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task"
	"makola/pkg/task/tasktest"
	"makola/proto/contract"
	inventorypb "makola/proto/makola/inventory/v1"
	"makola/services/inventory-worker/internal/tasks"
)

func TestContract(t *testing.T) {
	t.Parallel()
	tasktest.Contract(t, tasktest.Trial{
		Role: "makola_inventory",
		Register: func(_ *postgrestest.Database, r contract.Registrar, _ *task.Queue) {
			inventorypb.HandleTasks(r, &tasks.Inventory{Instance: "inventory-1"})
		},
	})
}
