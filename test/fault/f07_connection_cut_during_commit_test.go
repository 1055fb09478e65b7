package fault

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/proto/makola/selftest/v1"
	"makola/test/stack"
)

// TestF07 cuts the connection while the server commits an enqueue. The caller must learn that the outcome is unknown, not that it failed:
// the task exists, and is run.
func TestF07ConnectionCutDuringCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`create function fault.nap() returns trigger language plpgsql as 'begin perform pg_sleep(1); return null; end';
		create constraint trigger nap after insert on task.task deferrable initially deferred for each row execute function fault.nap()`)
	link, url := stack.NewLink(t, w.url("makola_billing"))
	link.Join()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: url, MaxConns: 1})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	tasks := selftest.NewTasks(task.NewQueue(db, nil, task.QueueConfig{}))
	id := uuid.Must(uuid.NewV7())
	result := make(chan error, 1)
	go func() {
		result <- db.InSystem(t.Context(), func(tx *gorm.DB) error {
			_, err := tasks.Noop(t.Context(), tx, &selftest.NoopArgs{}, task.WithID(id))
			return err
		})
	}()
	w.await("the server is at its commit", func() bool {
		return w.count("select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'") == 1
	})
	link.Cut()
	require.ErrorIs(t, <-result, postgres.ErrOutcomeUnknown)
	w.mu.Lock()
	w.accepted[id] = outcome{}
	w.mu.Unlock()
	w.await("the task exists", func() bool { return w.count("select count(*) from task.task where id = $1", id) == 1 })
	w.start("victim", nil)
	w.finish(0)
}
