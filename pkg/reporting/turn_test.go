package reporting_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/reporting"
	"makola/pkg/task"
	"makola/pkg/tenant"
	reportspb "makola/proto/makola/reports/v1"
)

func tenantOf(t *testing.T, end string) context.Context {
	t.Helper()
	return tenant.With(t.Context(), id(end))
}

// queue asks for n reports of a business, of a day each.
func (s *shop) queue(t *testing.T, business string, n int) (list []*reporting.Report) {
	t.Helper()
	db := s.pg.Open("makola_gateway")
	tasks := reportspb.NewTasks(task.NewQueue(db, nil, task.QueueConfig{}))
	ctx := tenantOf(t, business)
	for i := range n {
		day := time.Date(2026, 3, 1+i, 0, 0, 0, 0, time.UTC)
		require.NoError(t, db.InTenant(ctx, func(tx *gorm.DB) error {
			r, fresh, err := reporting.Request(ctx, tx, tasks, reporting.Order{Kind: reporting.Sales, Format: reporting.CSV, Period: reporting.Period{From: day, To: day}})
			require.True(t, fresh)
			list = append(list, r)
			return err
		}))
	}
	return list
}

// begin makes the report's task run, as a worker that takes it does.
func (s *shop) begin(t *testing.T, r *reporting.Report) {
	t.Helper()
	_, err := s.admin.Exec(t.Context(), `update task.task set state = 'running', started_at = clock_timestamp() where id = $1`, r.Task)
	require.NoError(t, err)
}

// wait puts the report's task off, as a worker does that gave it no turn.
func (s *shop) wait(t *testing.T, r *reporting.Report) {
	t.Helper()
	_, err := s.admin.Exec(t.Context(), `update task.task set state = 'pending', error = 'it waits', error_kind = 'throttled', available_at = now() + interval '1 hour' where id = $1`, r.Task)
	require.NoError(t, err)
}

func (s *shop) turn(t *testing.T, business string, r *reporting.Report) (mine bool) {
	t.Helper()
	require.NoError(t, s.db.InTenant(tenantOf(t, business), func(tx *gorm.DB) (err error) {
		mine, err = reporting.Turn(tx, r)
		return err
	}))
	return mine
}

func TestThreeReportsOfABusinessHaveTheirTurnAndTheOthersWaitInOrder(t *testing.T) {
	t.Parallel()
	s := open(t)
	r := s.queue(t, "10", 6)
	for _, one := range r[:5] {
		s.begin(t, one)
	}
	require.True(t, s.turn(t, "10", r[4]))
	require.True(t, s.turn(t, "10", r[0]))
	require.True(t, s.turn(t, "10", r[0]), "it has it already")
	require.True(t, s.turn(t, "10", r[1]))
	require.False(t, s.turn(t, "10", r[3]))
	require.False(t, s.turn(t, "10", r[2]))
	s.wait(t, r[2])
	s.wait(t, r[3])
	theirs := s.queue(t, "11", 1)[0]
	s.begin(t, theirs)
	require.True(t, s.turn(t, "11", theirs), "another business does not wait")

	require.NoError(t, s.db.InTenant(of(t.Context()), func(tx *gorm.DB) error {
		if _, err := reporting.Fail(tx, r[4].ID, reporting.FailedInternal, "no reason"); err != nil {
			return err
		}
		return reporting.PassTurn(tx)
	}))
	var due []uuid.UUID
	rows, err := s.admin.Query(t.Context(), `select id from task.task where error_kind = 'throttled' and available_at <= now()`)
	require.NoError(t, err)
	for rows.Next() {
		var one uuid.UUID
		require.NoError(t, rows.Scan(&one))
		due = append(due, one)
	}
	require.NoError(t, rows.Err())
	require.Equal(t, []uuid.UUID{r[2].Task}, due, "the one that waits longest")
	s.begin(t, r[5])
	require.False(t, s.turn(t, "10", r[5]), "it does not overtake")
	s.begin(t, r[2])
	require.True(t, s.turn(t, "10", r[2]))

	// The worker of the first died, and its task begins anew: until it asks again it has no turn.
	s.begin(t, r[0])
	s.begin(t, r[3])
	require.True(t, s.turn(t, "10", r[3]))
	require.False(t, s.turn(t, "10", r[0]))
}

func TestReportsThatBeginAtTheSameMomentAreNoMoreThanThree(t *testing.T) {
	t.Parallel()
	s := open(t)
	list := s.queue(t, "10", 10)
	for _, r := range list {
		s.begin(t, r)
	}
	got := make(chan bool, len(list))
	for _, r := range list {
		go func() {
			mine := false
			err := s.db.InTenant(of(t.Context()), func(tx *gorm.DB) (err error) {
				mine, err = reporting.Turn(tx, r)
				return err
			})
			if err != nil {
				t.Error(err)
			}
			got <- mine
		}()
	}
	turns := 0
	for range list {
		if <-got {
			turns++
		}
	}
	require.Equal(t, reporting.MaxRunning, turns)
}

// Tasks from elsewhere belong to nobody, so that their states cannot be seen from within the business.
func TestReportsFromElsewhereTakeTurnsToo(t *testing.T) {
	t.Parallel()
	s := open(t)
	var list []*reporting.Report
	for i := range 4 {
		day := time.Date(2026, 3, 1+i, 0, 0, 0, 0, time.UTC)
		require.NoError(t, s.db.InTenant(of(t.Context()), func(tx *gorm.DB) error {
			r, err := reporting.Begin(tx, uuid.New(), reporting.Order{Kind: reporting.Sales, Format: reporting.CSV, Period: reporting.Period{From: day, To: day}})
			list = append(list, r)
			return err
		}))
	}
	for i, r := range list {
		require.Equal(t, i < reporting.MaxRunning, s.turn(t, "10", r))
	}
	_, err := s.admin.Exec(t.Context(), `update reporting.report set turn_at = turn_at - interval '21 minutes' where id = $1`, list[0].ID)
	require.NoError(t, err)
	require.True(t, s.turn(t, "10", list[3]), "longer than a task may run")
}

func TestReportsAreReadWhereNothingIsMissing(t *testing.T) {
	t.Parallel()
	s := open(t)
	current := func(read *postgres.DB) *postgres.DB {
		db, err := reporting.Databases{Primary: s.db, Read: read}.Current(t.Context())
		require.NoError(t, err)
		return db
	}
	require.Same(t, s.db, current(nil))
	require.Same(t, s.reader, current(s.reader), "it is the primary itself, and so has everything")
	away, err := postgres.Open(t.Context(), postgres.Config{URL: "postgres://makola_reader@127.0.0.1:1/makola", MaxConns: 1})
	require.NoError(t, err)
	t.Cleanup(func() { _ = away.Close() })
	require.Same(t, s.db, current(away))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = reporting.Databases{Primary: s.db, Read: s.reader}.Current(ctx)
	require.ErrorIs(t, err, context.Canceled)
}
