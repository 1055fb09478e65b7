package schedule

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"gorm.io/gorm"

	"makola/pkg/cron"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task"
	"makola/proto/contract"
	"makola/proto/makola/selftest/v1"
)

var start = time.Date(2026, 11, 23, 10, 7, 0, 0, time.UTC) // in the half hour from 10:00

// rig is one database with one scheduler, which may be asked for more.
type rig struct {
	t    *testing.T
	pg   *postgrestest.Database
	look *pgx.Conn
}

func newRig(t *testing.T) *rig {
	t.Helper()
	pg := postgrestest.New(t)
	return &rig{t: t, pg: pg, look: pg.Admin()}
}

// scheduler is one replica, with its own connections, as the role of the service.
func (r *rig) scheduler(entries ...Entry) *Scheduler {
	r.t.Helper()
	tasks := map[string]*contract.Descriptor{}
	for _, d := range selftest.AllTasks() {
		tasks[d.Name] = d
	}
	for i := range entries {
		entries[i].Task = "selftest.noop"
	}
	jobs, err := Check(entries, tasks)
	require.NoError(r.t, err)
	db := r.pg.Open("makola_cron")
	return NewScheduler(db, task.NewQueue(db, nil, task.QueueConfig{}), entries, jobs, nil)
}

func (r *rig) pass(s *Scheduler, at time.Time) []Outcome {
	r.t.Helper()
	done, err := s.PassAt(r.t.Context(), at)
	require.NoError(r.t, err)
	return done
}

// finish ends every task, as a worker would.
func (r *rig) finish() {
	r.t.Helper()
	_, err := r.look.Exec(r.t.Context(), `update task.task set state = 'succeeded', finished_at = now()`)
	require.NoError(r.t, err)
}

func (r *rig) count(query string, args ...any) (n int) {
	r.t.Helper()
	require.NoError(r.t, r.look.QueryRow(context.Background(), query, args...).Scan(&n))
	return n
}

// slots lists a job's rows as "15:04 run" or "15:04 reason".
func (r *rig) slots(job string) (list []string) {
	r.t.Helper()
	rows, err := r.look.Query(r.t.Context(), `select slot, coalesce(skipped, 'run') from cron.run where job = $1 order by slot`, job)
	require.NoError(r.t, err)
	var at time.Time
	var what string
	_, err = pgx.ForEachRow(rows, []any{&at, &what}, func() error {
		list = append(list, at.UTC().Format("15:04 ")+what)
		return nil
	})
	require.NoError(r.t, err)
	return list
}

func TestAfterThreeHoursWithoutCron(t *testing.T) {
	t.Parallel()
	const merged = " missed: made up by the run of 2026-11-23T13:00:00Z"
	const dropped = " missed: no cron ran"
	tests := map[string]struct {
		missed Missed
		want   []string
		tasks  int
	}{
		"once runs one for all":        {Once, []string{"10:00 run", "10:30" + merged, "11:00" + merged, "11:30" + merged, "12:00" + merged, "12:30" + merged, "13:00 run"}, 2},
		"skip runs the current one":    {Skip, []string{"10:00 run", "10:30" + dropped, "11:00" + dropped, "11:30" + dropped, "12:00" + dropped, "12:30" + dropped, "13:00 run"}, 2},
		"all runs every slot, in time": {All, []string{"10:00 run", "10:30 run", "11:00 run", "11:30 run", "12:00 run", "12:30 run", "13:00 run"}, 7},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			s := r.scheduler(Entry{Name: "j", Every: 30 * time.Minute, Missed: tt.missed})
			require.Len(t, r.pass(s, start), 1, "a job that never ran runs in the current slot")
			r.finish()
			r.pass(s, start.Add(3*time.Hour))
			require.Equal(t, tt.want, r.slots("j"))
			require.Equal(t, tt.tasks, r.count(`select count(*) from task.task`))
			require.Empty(t, r.pass(s, start.Add(3*time.Hour+20*time.Minute)), "the slot is dealt with")
			require.Empty(t, r.pass(s, start), "a clock set back runs nothing again")
		})
	}
}

func TestAllMakesUpAtMostMostMissed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.scheduler(Entry{Name: "j", Every: time.Hour, Missed: All})
	r.pass(s, start)
	r.finish()
	require.Len(t, r.pass(s, start.Add(30*24*time.Hour)), MostMissed)
}

func TestARunIsItsTask(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	done := r.pass(r.scheduler(Entry{Name: "j", Every: 30 * time.Minute}), start)
	require.Len(t, done, 1)
	var name, key, state string
	var platform bool
	err := r.look.QueryRow(t.Context(), `select t.name, t.unique_key, t.state, t.tenant_id is null from task.task t join cron.run r on r.task_id = t.id where r.job = 'j' and t.id = $1`, done[0].Task).
		Scan(&name, &key, &state, &platform)
	require.NoError(t, err)
	require.Equal(t, []any{"selftest.noop", "j@2026-11-23T10:00:00Z", "pending", true}, []any{name, key, state, platform})
}

func TestAnUnfinishedRunForbidsTheNext(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"pending", "published", "running"} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			s := r.scheduler(Entry{Name: "careful", Every: 30 * time.Minute}, Entry{Name: "bold", Every: 30 * time.Minute, Overlap: Allow})
			r.pass(s, start)
			_, err := r.look.Exec(t.Context(), `update task.task set state = $1`, state)
			require.NoError(t, err)
			r.pass(s, start.Add(30*time.Minute))
			r.pass(s, start.Add(60*time.Minute)) // the run is looked for behind the skipped slot
			careful := r.slots("careful")
			require.Len(t, careful, 3)
			require.Contains(t, careful[1], "10:30 overlap: the previous run, task ")
			require.Contains(t, careful[2], "is "+state)
			require.Equal(t, []string{"10:00 run", "10:30 run", "11:00 run"}, r.slots("bold"))
			r.finish()
			r.pass(s, start.Add(90*time.Minute))
			require.Equal(t, "11:30 run", r.slots("careful")[3])
		})
	}
}

func TestAFailedRunForbidsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.scheduler(Entry{Name: "j", Every: 30 * time.Minute})
	r.pass(s, start)
	_, err := r.look.Exec(t.Context(), `update task.task set state = 'failed'`)
	require.NoError(t, err)
	r.pass(s, start.Add(30*time.Minute))
	require.Equal(t, []string{"10:00 run", "10:30 run"}, r.slots("j"))
}

func TestADeletedRunRowDoesNotRunTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.scheduler(Entry{Name: "j", Every: 30 * time.Minute})
	first := r.pass(s, start)
	_, err := r.look.Exec(t.Context(), `delete from cron.run`)
	require.NoError(t, err)
	second := r.pass(s, start)
	require.Equal(t, first[0].Task, second[0].Task)
	require.Equal(t, 1, r.count(`select count(*) from task.task`))
	require.Equal(t, 1, r.count(`select count(*) from cron.run where task_id = $1`, first[0].Task))
}

// Five replicas step through thirty slots with clocks that are up to two minutes apart and sometimes jump back.
func TestFiveSchedulersRunEverySlotOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const slots = 30
	entries := []Entry{
		{Name: "minute", Every: time.Minute, Missed: All, Overlap: Allow},
		{Name: "hour", Every: time.Hour, Offset: 8 * time.Minute, Overlap: Allow},
	}
	// The first look of all is at the start: a job that never ran begins with the slot of the first look, and the replicas' clocks differ by more than the minute to 10:08.
	_, err := r.scheduler(entries...).PassAt(t.Context(), start)
	require.NoError(t, err)
	var group errgroup.Group
	for i := range 5 {
		s := r.scheduler(entries...)
		random := rand.New(rand.NewPCG(uint64(i), 2026))
		group.Go(func() error {
			for n := range 3 * slots {
				at := start.Add(time.Duration(n) * 20 * time.Second).Add(time.Duration(random.IntN(240)-120) * time.Second)
				if at.Before(start) {
					at = start
				}
				if _, err := s.PassAt(t.Context(), at); err != nil {
					return fmt.Errorf("replica %d at %s: %w", i, at, err)
				}
			}
			_, err := s.PassAt(t.Context(), start.Add((slots-1)*time.Minute))
			return err
		})
	}
	require.NoError(t, group.Wait())
	require.GreaterOrEqual(t, r.count(`select count(*) from cron.run where job = 'minute'`), slots)
	require.Zero(t, r.count(`select count(*) from generate_series($1::timestamptz, $2, '1 minute') s where not exists (select from cron.run where job = 'minute' and slot = s and task_id is not null)`,
		start, start.Add((slots-1)*time.Minute)), "slots without a run")
	require.Equal(t, 2, r.count(`select count(*) from cron.run where job = 'hour'`), "09:08 and 10:08")
	require.Zero(t, r.count(`select count(*) from cron.run where skipped is not null`))
	runs := r.count(`select count(*) from cron.run r join task.task t on t.id = r.task_id and t.unique_key like r.job || '@%'`)
	require.Equal(t, r.count(`select count(*) from task.task`), runs, "one task for each run, and none besides")
	require.Equal(t, r.count(`select count(*) from cron.run`), runs)
}

func TestTheDatabaseClockDecides(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.scheduler(Entry{Name: "j", Every: time.Minute})
	done, wait, err := s.Pass(t.Context())
	require.NoError(t, err)
	require.Len(t, done, 1)
	require.Greater(t, wait, time.Duration(0))
	require.LessOrEqual(t, wait, maxWait)
	// The run's transaction may begin in the next minute.
	require.Equal(t, 1, r.count(`select count(*) from cron.run where slot in (date_trunc('minute', created_at), date_trunc('minute', created_at) - interval '1 minute')`))
}

func TestAPassThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.scheduler(Entry{Name: "j", Every: time.Minute})
	_, err := r.look.Exec(t.Context(), `revoke insert on task.task from makola_cron`)
	require.NoError(t, err)
	_, err = s.PassAt(t.Context(), start)
	require.ErrorContains(t, err, "run job j")
	require.Zero(t, r.count(`select count(*) from cron.run`), "no run without its task")
	_, err = r.look.Exec(t.Context(), `grant insert on task.task to makola_cron`)
	require.NoError(t, err)
	require.Len(t, r.pass(s, start), 1)
}

func TestSchedulerStartsAndStops(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.scheduler(Entry{Name: "j", Every: time.Minute})
	require.NoError(t, s.Start(t.Context()))
	require.Eventually(t, func() bool { return r.count(`select count(*) from cron.run where task_id is not null`) >= 1 }, time.Minute, 20*time.Millisecond)
	require.NoError(t, s.Ready(t.Context()))
	require.NoError(t, s.Stop(t.Context()))
}

// operator is who pauses and runs jobs in these tests.
func (r *rig) operator(do func(tx *gorm.DB, queue *task.Queue) error) error {
	r.t.Helper()
	db := r.pg.Open("makola_operator")
	return db.InSystem(r.t.Context(), func(tx *gorm.DB) error { return do(tx, task.NewQueue(db, nil, task.QueueConfig{})) })
}

func (r *rig) pause(job string) {
	r.t.Helper()
	require.NoError(r.t, r.operator(func(tx *gorm.DB, _ *task.Queue) error {
		return cron.PauseJob(tx, job, "busy", cron.Who{Actor: "operator:ama"})
	}))
}

func (r *rig) resume(job string) {
	r.t.Helper()
	require.NoError(r.t, r.operator(func(tx *gorm.DB, _ *task.Queue) error {
		return cron.ResumeJob(tx, job, "done", cron.Who{Actor: "operator:ama"})
	}))
}

// declared writes the scheduler's table down, as a pass does.
func (r *rig) declared(s *Scheduler) *Scheduler {
	r.t.Helper()
	require.NoError(r.t, s.declare(r.t.Context(), time.Now()))
	return s
}

func TestAPausedJobRecordsItsSlotsAndGoesOnWithTheNext(t *testing.T) {
	t.Parallel()
	for name, missed := range map[string]Missed{"once": Once, "skip": Skip, "all": All} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			s := r.declared(r.scheduler(Entry{Name: "j", Every: 30 * time.Minute, Missed: missed}, Entry{Name: "other", Every: 30 * time.Minute}))
			r.pass(s, start)
			r.finish()
			r.pause("j")
			r.pass(s, start.Add(30*time.Minute))
			r.finish()
			r.pass(s, start.Add(2*time.Hour)) // no cron ran for an hour of the pause
			r.finish()
			const paused = " paused: by operator:ama, busy"
			require.Equal(t, []string{"10:00 run", "10:30" + paused, "11:00" + paused, "11:30" + paused, "12:00" + paused}, r.slots("j"))
			require.Equal(t, "12:00 run", r.slots("other")[4], "the others run")
			r.resume("j")
			require.Empty(t, r.pass(s, start.Add(2*time.Hour)), "what was skipped is not made up for")
			r.pass(s, start.Add(150*time.Minute))
			require.Equal(t, "12:30 run", r.slots("j")[5])
		})
	}
}

func TestARunByHandForbidsTheSlotThatWouldOverlapIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.scheduler(Entry{Name: "careful", Every: 30 * time.Minute}, Entry{Name: "bold", Every: 30 * time.Minute, Overlap: Allow})
	for i := range s.table { // an operator's command knows the tasks of the product only
		s.table[i].Task = "inventory.self_test"
	}
	r.declared(s)
	var ids []uuid.UUID
	for _, job := range []string{"careful", "bold"} {
		require.NoError(t, r.operator(func(tx *gorm.DB, queue *task.Queue) error {
			id, _, err := cron.RunJob(t.Context(), tx, queue, job, cron.Request{Who: cron.Who{Actor: "operator:ama"}, Reason: "to see"})
			ids = append(ids, id)
			return err
		}))
	}
	r.pass(s, start)
	require.Equal(t, []string{"10:00 overlap: the previous run, task " + ids[0].String() + ", is pending"}, r.slots("careful"))
	require.Equal(t, []string{"10:00 run"}, r.slots("bold"))
	r.finish()
	r.pass(s, start.Add(30*time.Minute))
	require.Equal(t, "10:30 run", r.slots("careful")[1])
}

// Somebody pauses and resumes while two replicas work through the slots: after a pause has returned no slot runs until the job is resumed, and no slot is lost.
func TestAfterAPauseNothingRuns(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	entry := Entry{Name: "j", Every: time.Minute, Missed: All, Overlap: Allow}
	r.declared(r.scheduler(entry))
	r.pass(r.scheduler(entry), start)
	const slots = 60
	var group errgroup.Group
	for range 2 {
		s := r.scheduler(entry)
		group.Go(func() error {
			for n := range slots {
				if _, err := s.PassAt(t.Context(), start.Add(time.Duration(n)*time.Minute)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	const ran = `select count(*) from cron.run where task_id is not null`
	for range 10 {
		r.pause("j")
		before := r.count(ran)
		require.Equal(t, before, r.count(ran), "nothing runs after a pause")
		r.resume("j")
	}
	require.NoError(t, group.Wait())
	require.Equal(t, slots, r.count(`select count(*) from cron.run where job = 'j' and slot < $1`, start.Add(slots*time.Minute)), "every slot ran or says why not")
	require.Equal(t, r.count(ran), r.count(`select count(*) from task.task`))
}

func TestASlotOfAnExpressionIsDealtWithOnce(t *testing.T) {
	t.Parallel()
	const missed = " missed: made up by the run of 2026-11-10T04:30:00Z"
	r := newRig(t)
	s := r.scheduler(Entry{Name: "j", Expression: "30 23 * * *", Zone: "America/New_York"})
	// The night of the first of November is an hour longer there.
	r.pass(s, time.Date(2026, 11, 1, 4, 0, 0, 0, time.UTC))
	r.finish()
	require.Equal(t, []string{"03:30 run"}, r.slots("j"))
	require.Empty(t, r.pass(s, time.Date(2026, 11, 2, 4, 29, 0, 0, time.UTC)))
	require.Len(t, r.pass(s, time.Date(2026, 11, 2, 4, 30, 0, 0, time.UTC)), 1)
	r.finish()
	r.pass(s, time.Date(2026, 11, 10, 5, 0, 0, 0, time.UTC))
	require.Equal(t, []string{"03:30 run", "04:30 run", "04:30" + missed, "04:30" + missed, "04:30" + missed, "04:30" + missed, "04:30" + missed, "04:30" + missed, "04:30" + missed, "04:30 run"}, r.slots("j"))
}

func TestAPassWritesTheTableDown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.scheduler(Entry{Name: "j", Every: time.Minute}, Entry{Name: "k", Expression: "30 0 1 * *", Zone: "Africa/Accra"})
	_, _, err := s.Pass(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, r.count(`select count(*) from cron.job where seen_at > now() - interval '1 hour' and task = 'selftest.noop'`))
}

func TestATableThatCannotBeWrittenDownKeepsNoSlotFromRunning(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.scheduler(Entry{Name: "j", Every: time.Minute})
	_, err := r.look.Exec(t.Context(), `revoke insert on cron.job from makola_cron`)
	require.NoError(t, err)
	done, _, err := s.Pass(t.Context())
	require.ErrorContains(t, err, "write the schedule's table down")
	require.Len(t, done, 1)
}
