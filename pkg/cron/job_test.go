package cron_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"gorm.io/gorm"

	"makola/pkg/cron"
	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task"
	"makola/pkg/tenant"
)

// table is what the tests' cron has.
func table() []cron.Definition {
	return []cron.Definition{
		{Name: "careful", Task: "inventory.self_test", Args: json.RawMessage(`{"note": "hello"}`), Timing: cron.Timing{Every: time.Hour}},
		{Name: "bold", Task: "reports.self_test", Timing: cron.Timing{Expression: "30 0 1 * *", Zone: "Africa/Accra"}, Missed: cron.All, Overlap: cron.Allow},
		{Name: "early", Task: "inventory.not_yet", Timing: cron.Timing{Every: time.Minute, Offset: time.Second}, Missed: cron.Skip, Waits: true},
	}
}

type rig struct {
	t    *testing.T
	pg   *postgrestest.Database
	db   *postgres.DB // of the gateway, which steers
	cron *postgres.DB
	look *pgx.Conn
}

func newRig(t *testing.T) *rig {
	t.Helper()
	pg := postgrestest.New(t)
	r := &rig{t: t, pg: pg, db: pg.Open("makola_gateway"), cron: pg.Open("makola_cron"), look: pg.Admin()}
	r.declare(table(), time.Now())
	return r
}

func (r *rig) declare(table []cron.Definition, now time.Time) {
	r.t.Helper()
	require.NoError(r.t, r.cron.InSystem(r.t.Context(), func(tx *gorm.DB) error { return cron.Declare(tx, table, now) }))
}

func (r *rig) do(fn func(tx *gorm.DB) error) error { return r.db.InSystem(r.t.Context(), fn) }

func (r *rig) find(name string) (j *cron.Job) {
	r.t.Helper()
	require.NoError(r.t, r.do(func(tx *gorm.DB) (err error) { j, err = cron.Find(tx, name); return err }))
	return j
}

func (r *rig) run(name string, q cron.Request) (id uuid.UUID, again bool, err error) {
	return r.runAs(r.t.Context(), name, q)
}

func (r *rig) runAs(ctx context.Context, name string, q cron.Request) (id uuid.UUID, again bool, err error) {
	if q.Actor == "" {
		q.Actor, q.Reason = "kofi@example.com", "a look"
	}
	err = r.db.InSystem(ctx, func(tx *gorm.DB) (err error) {
		id, again, err = cron.RunJob(ctx, tx, task.NewQueue(r.db, nil, task.QueueConfig{}), name, q)
		return err
	})
	return id, again, err
}

func (r *rig) exec(query string, args ...any) {
	r.t.Helper()
	_, err := r.look.Exec(r.t.Context(), query, args...)
	require.NoError(r.t, err)
}

func (r *rig) count(query string, args ...any) (n int) {
	r.t.Helper()
	require.NoError(r.t, r.look.QueryRow(r.t.Context(), query, args...).Scan(&n))
	return n
}

func TestTheTableIsReadAsItWasDeclared(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var list []*cron.Job
	require.NoError(t, r.do(func(tx *gorm.DB) (err error) { list, err = cron.Jobs(tx); return err }))
	require.Len(t, list, 3)
	for i, want := range table() {
		got := list[i].Definition
		if len(want.Args) == 0 {
			want.Args = json.RawMessage("{}")
		}
		require.JSONEq(t, string(want.Args), string(got.Args))
		got.Args = want.Args
		require.Equal(t, want, got)
		require.Nil(t, list[i].Pause)
		require.Nil(t, list[i].Last)
		require.WithinDuration(t, time.Now(), list[i].SeenAt, time.Hour)
	}
}

func TestAJobThatNoRunningCronHasIsGone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	later := time.Now().Add(time.Hour)
	r.declare(table()[:1], later)
	r.find("careful")
	for name, do := range map[string]func(tx *gorm.DB) error{
		"find":   func(tx *gorm.DB) error { _, err := cron.Find(tx, "bold"); return err },
		"pause":  func(tx *gorm.DB) error { return cron.PauseJob(tx, "bold", "why", cron.Who{Actor: "kofi"}) },
		"resume": func(tx *gorm.DB) error { return cron.ResumeJob(tx, "bold", "why", cron.Who{Actor: "kofi"}) },
		"nobody": func(tx *gorm.DB) error { _, err := cron.Find(tx, ""); return err },
	} {
		require.ErrorIs(t, r.do(do), cron.ErrNotFound, name)
	}
	_, _, err := r.run("bold", cron.Request{})
	require.ErrorIs(t, err, cron.ErrNotFound)
	r.declare(table(), later) // an older cron beside it
	r.find("bold")
}

func TestDeclaringAgainWritesOnlyWhatChangedOrIsOld(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	version := func() (v string) {
		require.NoError(t, r.look.QueryRow(t.Context(), `select string_agg(xmin::text, ' ' order by name) from cron.job`).Scan(&v))
		return v
	}
	seen := r.find("careful").SeenAt
	first := version()
	r.declare(table(), seen.Add(20*time.Second))
	require.Equal(t, first, version())
	r.declare(table(), seen.Add(31*time.Second))
	require.NotEqual(t, first, version())
	changed := table()
	changed[0].Every = 2 * time.Hour
	r.declare(changed, seen.Add(32*time.Second))
	require.Equal(t, 2*time.Hour, r.find("careful").Every)
}

// Replicas with different tables write at once, again and again, and none waits for ever.
func TestManyReplicasDeclareAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var group errgroup.Group
	for i := range 4 {
		mine := table()
		if i%2 == 1 {
			mine[0], mine[2] = mine[2], mine[0]
		}
		db := r.pg.Open("makola_cron")
		group.Go(func() error {
			for n := range 25 {
				err := db.InSystem(t.Context(), func(tx *gorm.DB) error { return cron.Declare(tx, mine, time.Now().Add(time.Duration(n)*time.Minute)) })
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	require.Equal(t, 3, r.count(`select count(*) from cron.job`))
}

func TestAPauseSaysWhoAndWhy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	user := uuid.New()
	who := cron.Who{Actor: "kofi@example.com", User: user, IP: "192.0.2.1", UserAgent: "curl"}
	require.NoError(t, r.do(func(tx *gorm.DB) error { return cron.PauseJob(tx, "careful", "the provider is down", who) }))
	p := r.find("careful").Pause
	require.NotNil(t, p)
	require.Equal(t, []string{"kofi@example.com", "the provider is down"}, []string{p.By, p.Reason})
	require.WithinDuration(t, time.Now(), p.At, time.Hour)
	require.ErrorIs(t, r.do(func(tx *gorm.DB) error { return cron.PauseJob(tx, "careful", "again", who) }), cron.ErrPaused)
	require.Equal(t, "the provider is down", r.find("careful").Pause.Reason)

	r.declare(table(), time.Now().Add(time.Minute))
	require.NotNil(t, r.find("careful").Pause, "a cron that starts does not end a pause")

	require.NoError(t, r.do(func(tx *gorm.DB) error { return cron.ResumeJob(tx, "careful", "it is back", who) }))
	require.Nil(t, r.find("careful").Pause)
	require.ErrorIs(t, r.do(func(tx *gorm.DB) error { return cron.ResumeJob(tx, "careful", "again", who) }), cron.ErrNotPaused)
	require.Equal(t, 2, r.count(`select count(*) from audit.entry where entity = 'schedule' and entity_id = 'careful' and user_id = $1 and actor = 'kofi@example.com' and tenant_id is null and ip = '192.0.2.1'
		and (action, changes->>'reason') in (('schedule.paused', 'the provider is down'), ('schedule.resumed', 'it is back'))`, user))
	require.Equal(t, 2, r.count(`select count(*) from audit.entry`))
}

func TestARunByHandIsATaskOfItsOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.NoError(t, r.do(func(tx *gorm.DB) error { return cron.PauseJob(tx, "careful", "busy", cron.Who{Actor: "kofi"}) }))
	user := uuid.New()
	// Whoever asks is of a business; the run is of none.
	id, again, err := r.runAs(tenant.With(t.Context(), uuid.New()), "careful", cron.Request{Who: cron.Who{Actor: "kofi@example.com", User: user}, Reason: "to see", Key: "k-1"})
	require.NoError(t, err, "a paused job can be run")
	require.False(t, again)
	require.Equal(t, 1, r.count(`select count(*) from task.task where id = $1 and name = 'inventory.self_test' and args = '{"note": "hello"}' and tenant_id is null and created_by = $2 and unique_key = 'request:careful:k-1'`, id, user))
	require.Equal(t, 1, r.count(`select count(*) from audit.entry where action = 'schedule.run' and entity_id = 'careful' and user_id = $2 and changes->>'task_id' = $1::text and changes->>'reason' = 'to see'`, id, user))

	same, again, err := r.run("careful", cron.Request{Key: "k-1"})
	require.NoError(t, err, "asking again is answered, also while the run is unfinished")
	require.True(t, again)
	require.Equal(t, id, same)
	require.Equal(t, 1, r.count(`select count(*) from task.task`))
	require.Equal(t, 1, r.count(`select count(*) from audit.entry where action = 'schedule.run'`))

	last := r.find("careful").Last
	require.Equal(t, id, last.Task)
	require.Nil(t, last.Slot)
	require.Equal(t, []string{"kofi@example.com", "to see"}, []string{last.RequestedBy, last.Reason})
}

func TestARunByHandObeysTheOverlapPolicy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _, err := r.run("careful", cron.Request{})
	require.NoError(t, err)
	_, _, err = r.run("careful", cron.Request{})
	unfinished, ok := errors.AsType[*cron.UnfinishedError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, cron.UnfinishedError{Job: "careful", Task: id, State: task.Pending}, *unfinished)
	r.exec(`update task.task set state = 'failed' where id = $1`, id)
	_, _, err = r.run("careful", cron.Request{})
	require.NoError(t, err, "a failed run is over")
	require.Equal(t, 2, r.count(`select count(*) from task.task`))

	for range 2 {
		_, _, err = r.run("bold", cron.Request{})
		require.NoError(t, err, "this one may overlap")
	}
	require.Equal(t, 4, r.count(`select count(*) from cron.request`))

	// A slot's run counts as well.
	slot := uuid.New()
	r.exec(`update task.task set state = 'succeeded'`)
	r.exec(`insert into task.task (id, name, queue, state) values ($1, 'inventory.self_test', 'inventory', 'running')`, slot)
	r.exec(`insert into cron.run (job, slot, task_id) values ('careful', now(), $1)`, slot)
	_, _, err = r.run("careful", cron.Request{})
	require.ErrorContains(t, err, slot.String())
}

func TestManyWhoAskAtOnceGetOneRun(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var group errgroup.Group
	refused := make(chan error, 8)
	for range 8 {
		group.Go(func() error {
			_, _, err := r.run("careful", cron.Request{})
			if _, ok := errors.AsType[*cron.UnfinishedError](err); ok {
				refused <- err
				return nil
			}
			return err
		})
	}
	require.NoError(t, group.Wait())
	require.Len(t, refused, 7)
	require.Equal(t, 1, r.count(`select count(*) from task.task`))
	for range 8 {
		group.Go(func() error { _, _, err := r.run("bold", cron.Request{Key: "one"}); return err })
	}
	require.NoError(t, group.Wait())
	require.Equal(t, 1, r.count(`select count(*) from task.task where name = 'reports.self_test'`), "one key, one run")
}

func TestAJobThatCannotRunSaysWhy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, _, err := r.run("early", cron.Request{})
	require.ErrorIs(t, err, cron.ErrWaits)
	newer := table()
	newer[0].Task = "inventory.of_tomorrow"
	newer[1].Args = json.RawMessage(`{"no_such": 1}`)
	r.declare(newer, time.Now())
	_, _, err = r.run("careful", cron.Request{})
	require.ErrorIs(t, err, cron.ErrUnknownTask)
	_, _, err = r.run("bold", cron.Request{})
	require.ErrorContains(t, err, "no_such")
	require.Zero(t, r.count(`select (select count(*) from task.task) + (select count(*) from cron.request) + (select count(*) from audit.entry)`), "nothing is left of it")
}

func TestAJobTellsHowItFared(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	at := time.Now().UTC().Truncate(time.Hour)
	good, bad := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	r.exec(`insert into task.task (id, name, queue, state, started_at, finished_at, result) values ($1, 'x', 'inventory', 'succeeded', $2::timestamptz, $2::timestamptz + interval '1500 ms', '{"n": 3}')`, good, at)
	r.exec(`insert into task.task (id, name, queue, state, error) values ($1, 'x', 'inventory', 'failed', 'no luck')`, bad)
	r.exec(`insert into cron.run (job, slot, task_id, skipped, created_at) values
		('careful', $1::timestamptz - interval '30 days', null, 'paused: long ago', $1), ('careful', $1::timestamptz - interval '3 hours', $3, null, $1::timestamptz - interval '3 hours'),
		('careful', $1::timestamptz - interval '2 hours', null, 'missed: no cron ran', $1), ('careful', $1, $2, null, $1), ('careful', $1::timestamptz - interval '1 hour', null, 'paused: by kofi, busy', $1)`, at, good, bad)
	j := r.find("careful")
	require.Equal(t, 2, j.Skipped, "of the last week")
	require.Equal(t, "paused: by kofi, busy", j.LastSkip.Skipped)
	require.Equal(t, at.Add(-time.Hour), j.LastSkip.Slot.UTC())
	require.Equal(t, at, j.Last.Slot.UTC())
	require.Equal(t, task.Succeeded, j.Last.State)
	require.Equal(t, 1500*time.Millisecond, j.Last.Took())
	require.JSONEq(t, `{"n": 3}`, string(j.Last.Result))

	var runs []cron.Run
	require.NoError(t, r.do(func(tx *gorm.DB) (err error) { runs, err = cron.Runs(tx, "careful", 4); return err }))
	require.Len(t, runs, 4)
	require.Equal(t, good, runs[0].Task)
	r.exec(`delete from task.task where id = $1`, good)
	require.Empty(t, r.find("careful").Last.State, "a task that is not kept any more")
	require.Zero(t, r.find("careful").Last.Took())
}
