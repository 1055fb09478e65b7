package task_test

import (
	"testing"

	"github.com/google/uuid"

	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task"
	"makola/pkg/task/tasktest"
	"makola/proto/contract"
	"makola/proto/makola/selftest/v1"
)

func TestSelfTestTasksKeepTheContract(t *testing.T) {
	t.Parallel()
	tasktest.Contract(t, tasktest.Trial{
		Role: "makola_billing",
		Register: func(_ *postgrestest.Database, r contract.Registrar, _ *task.Queue) {
			selftest.HandleTasks(r, &handlers{})
		},
		Samples: map[string]func(*testing.T, *postgrestest.Database) tasktest.Sample{
			"selftest.echo": func(*testing.T, *postgrestest.Database) tasktest.Sample {
				return tasktest.Sample{Args: &selftest.EchoArgs{Text: "x"}, Tenant: uuid.New()}
			},
		},
	})
}
