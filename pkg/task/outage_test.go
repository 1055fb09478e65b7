package task_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/celery"
	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
	"makola/pkg/task"
	"makola/proto/contract"
	"makola/proto/makola/selftest/v1"
)

func TestACancelPromisedToARunningTaskSurvivesItsFailure(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	fail := make(chan struct{})
	r.worker(&handlers{slow: func(context.Context, contract.Run, *selftest.SlowArgs) (contract.Commit[*selftest.SlowResult], error) {
		<-fail
		return nil, errors.New("try again")
	}}, func(c *task.WorkerConfig) { c.Lease = time.Minute }) // no heartbeat tells the handler
	id := r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return r.tasks.Slow(ctx, tx, &selftest.SlowArgs{})
	})
	r.eventually("the task runs", "select count(*) from task.task where state = 'running'", 1)
	require.NoError(t, r.db.InSystem(t.Context(), func(tx *gorm.DB) error {
		res, err := task.Cancel(tx, id, "ama")
		require.Equal(t, task.CancelRequested, res)
		return err
	}))
	close(fail)
	r.eventually("the task ends cancelled", "select count(*) from task.task where state = 'cancelled' and error_kind = 'cancelled' and finished_at is not null", 1)
}

// A give-up that could not be written down (the database was away) leaves a living process among the holders.
func TestAHolderThatLivesIsNoCrash(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.worker(&handlers{}, nil)
	id := r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return r.tasks.Noop(ctx, tx, &selftest.NoopArgs{}, task.Delay(time.Hour))
	})
	_, err := r.look.Exec(t.Context(), `update task.task set suspect = true, available_at = now(), holders = (select array[id, id, id] from task.worker) where id = $1`, id)
	require.NoError(t, err)
	r.eventually("the task runs", "select count(*) from task.task where state = 'succeeded' and attempt = 1", 1)
}

// The heartbeat of a task waits for the row that its COMMIT holds, and then finds it finished.
func TestAHeartbeatDoesNotCutTheCommitOfItsTask(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, err := r.look.Exec(t.Context(), `create function public.nap() returns trigger language plpgsql as 'begin perform pg_sleep(0.15); return null; end';
		create constraint trigger nap after update on task.task deferrable initially deferred for each row when (new.state = 'succeeded') execute function public.nap()`)
	require.NoError(t, err)
	answers := r.conn()
	require.NoError(t, r.broker.Declare(t, rabbit.Topology{Queues: []rabbit.Queue{rabbit.OwnQueue("answers")}}, false))
	r.worker(&handlers{slow: func(ctx context.Context, _ contract.Run, _ *selftest.SlowArgs) (contract.Commit[*selftest.SlowResult], error) {
		timer := time.NewTimer(120 * time.Millisecond) // the first heartbeat, at 200 ms, then falls into the COMMIT
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return func(*gorm.DB) (*selftest.SlowResult, error) { return &selftest.SlowResult{}, nil }, nil
	}}, func(c *task.WorkerConfig) { c.Lease, c.Long = 800*time.Millisecond, 8 })
	const n = 64
	msgs := make([]rabbit.Publishing, n)
	for i := range msgs {
		m, err := celery.Encode(celery.Message{ID: uuid.NewString(), Task: "selftest.slow", ReplyTo: "answers"})
		require.NoError(t, err)
		msgs[i] = rabbit.Publishing{Key: "selftest", Msg: m}
	}
	for _, err := range answers.NewPublisher(rabbit.PublisherOptions{}).PublishBatch(t.Context(), msgs) {
		require.NoError(t, err)
	}
	r.eventually("all succeed", "select count(*) from task.task where state = 'succeeded'", n)
	rabbittest.Eventually(t, "every client has its answer", func() bool { return r.broker.Depth(t, "answers") >= n })
}

func TestAnErrbackTheDatabaseRefusesDoesNotHoldUpItsTask(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.worker(&handlers{}, nil)
	id := uuid.NewString()
	errback := fmt.Sprintf(`{"task": "selftest.noop", "args": [], "kwargs": {"x": %q}, "options": {"task_id": %q, "queue": "reports"}}`, strings.Repeat("x", 280<<10), uuid.NewString())
	body := fmt.Sprintf(`[[], {"kind": "permanent"}, {"callbacks": null, "errbacks": [%s], "chain": null, "chord": null}]`, errback)
	require.True(t, json.Valid([]byte(body)))
	m, err := celery.Encode(celery.Message{ID: id, Task: "selftest.fail"})
	require.NoError(t, err)
	m.Body = []byte(body)
	require.NoError(t, r.pub.NewPublisher(rabbit.PublisherOptions{}).PublishBatch(t.Context(), []rabbit.Publishing{{Key: "selftest", Msg: m}})[0])
	r.eventually("the task fails", "select count(*) from task.task where id = $1 and state = 'failed' and error_kind = 'permanent'", 1, id)
}

// A task that is a suspect by its row, not by its delivery, changes lanes with its delivery; only one of them may settle it.
func TestASuspectByItsRowIsSettledByOneLane(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 40 {
		r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
			return r.tasks.Noop(ctx, tx, &selftest.NoopArgs{}, task.Delay(time.Hour))
		})
	}
	_, err := r.look.Exec(t.Context(), `update task.task set suspect = true, available_at = now()`)
	require.NoError(t, err)
	r.worker(&handlers{}, nil)
	r.eventually("all run", "select count(*) from task.task where state = 'succeeded' and attempt = 1", 40)
	rabbittest.Eventually(t, "nothing is left behind", func() bool { return r.broker.Depth(t, "selftest") == 0 })
}

func TestAMessageCannotFinishAnotherTaskByItsID(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return r.tasks.Fail(ctx, tx, &selftest.FailArgs{Kind: "permanent"})
	})
	r.eventually("it is published", "select count(*) from task.task where state = 'published'", 1)
	r.broker.DeleteQueue(t, "selftest") // so that its own message does not come first
	require.NoError(t, r.broker.Declare(t, rabbit.Standard("selftest"), false))
	for _, name := range []string{"selftest.noop", "selftest.noop_batch", "selftest.noop_long"} {
		m, err := celery.Encode(celery.Message{ID: id.String(), Task: name})
		require.NoError(t, err)
		require.NoError(t, r.pub.NewPublisher(rabbit.PublisherOptions{}).PublishBatch(t.Context(), []rabbit.Publishing{{Key: "selftest", Msg: m}})[0])
	}
	r.worker(&handlers{}, func(c *task.WorkerConfig) { c.ResendAfter = 2 * time.Second })
	r.eventually("the strangers are recorded", "select count(*) from task.dead_letter where reason = 'refused' and message_id = $1", 3, id.String())
	r.eventually("and the task runs", "select count(*) from task.task where id = $1 and state = 'failed' and error_kind = 'permanent'", 1, id)
}
