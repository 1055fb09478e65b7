package tasktest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"gorm.io/gorm"

	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/proto/contract"
)

// Sample is one valid call of a task, arranged in a fresh database.
type Sample struct {
	Args proto.Message
	// Tenant is the business the task belongs to; uuid.Nil for platform tasks.
	Tenant uuid.UUID
}

// Trial is what Contract needs to know of a worker.
type Trial struct {
	// Role is the database role the worker runs as.
	Role string
	// Register wires the worker's handlers, as its main does.
	Register func(db *postgrestest.Database, r contract.Registrar, q *task.Queue)
	// Samples arrange a call that succeeds, by task name. A task without one is tried with empty arguments.
	Samples map[string]func(t *testing.T, db *postgrestest.Database) Sample
}

// errKilled stands for a process that dies before its commit.
var errKilled = errors.New("killed before commit")

// Contract puts every registered task through the same trial: run twice, killed before its commit, cancelled in the middle, given another tenant, given arguments that do not decode.
// A new task is covered the day it is registered.
func Contract(t *testing.T, tr Trial) {
	t.Helper()
	for _, d := range tr.descriptors(t) {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			t.Run("run twice has the effect of once", func(t *testing.T) { tr.twice(t, d) })
			t.Run("killed before its commit has the effect of once", func(t *testing.T) { tr.killed(t, d) })
			t.Run("arguments that do not decode fail visibly", func(t *testing.T) { tr.undecodable(t, d) })
			t.Run("another tenant's id changes nothing of this tenant's", func(t *testing.T) { tr.wrongTenant(t, d) })
			t.Run("cancelled before it starts does nothing", func(t *testing.T) { tr.cancelled(t, d) })
			if d.Mode == contract.ModeLong {
				t.Run("cancelled in the middle returns soon", func(t *testing.T) { tr.interrupted(t, d) })
			}
		})
	}
}

type stage struct {
	pg     *postgrestest.Database
	h      *Harness
	wrap   func(contract.Handler) contract.Handler
	sample Sample
	look   *pgx.Conn
	before map[string]int
}

// Register implements contract.Registrar, wrapping what the trial wants to interfere with.
func (s *stage) Register(h contract.Handler) {
	if s.wrap != nil {
		h = s.wrap(h)
	}
	s.h.Register(h)
}

func (tr *Trial) stage(t *testing.T, d *contract.Descriptor, wrap func(contract.Handler) contract.Handler) *stage {
	t.Helper()
	s := &stage{pg: postgrestest.New(t), wrap: wrap}
	s.h = New(t, s.pg.Open(tr.Role))
	s.look = s.pg.Admin()
	s.sample = Sample{Args: d.NewArgs()}
	if arrange := tr.Samples[d.Name]; arrange != nil {
		s.sample = arrange(t, s.pg)
	}
	tr.Register(s.pg, s, s.h.Queue)
	s.before = s.counts(t)
	return s
}

func (tr *Trial) descriptors(t *testing.T) (ds []*contract.Descriptor) {
	t.Helper()
	pg := postgrestest.New(t)
	h := New(t, pg.Open(tr.Role))
	tr.Register(pg, h, h.Queue)
	for name, handler := range h.inline.Handlers() {
		if name == handler.Descriptor.Name {
			ds = append(ds, handler.Descriptor)
		}
	}
	require.NotEmpty(t, ds)
	return ds
}

func (s *stage) enqueue(t *testing.T, d *contract.Descriptor, tenantID uuid.UUID) (id uuid.UUID) {
	t.Helper()
	ctx, in := t.Context(), s.h.db.InSystem
	if tenantID != uuid.Nil {
		ctx, in = tenant.With(ctx, tenantID), s.h.db.InTenant
	}
	require.NoError(t, in(ctx, func(tx *gorm.DB) (err error) {
		id, err = s.h.Queue.Enqueue(ctx, tx, d, s.sample.Args)
		return err
	}))
	return id
}

// settle drains, letting a minute pass between attempts, until nothing but long waits is left.
func (s *stage) settle(t *testing.T) {
	t.Helper()
	for range 3 {
		s.h.Drain(t.Context())
		s.h.Advance(t.Context(), time.Minute)
	}
	s.h.Drain(t.Context())
}

// counts gives the number of rows of every table outside the engine's own.
func (s *stage) counts(t *testing.T) map[string]int {
	t.Helper()
	rows, err := s.look.Query(t.Context(), `select schemaname || '.' || tablename from pg_tables where schemaname !~ '^(pg_|information_schema|task|public)'`)
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	out := map[string]int{}
	for _, name := range names {
		var n int
		require.NoError(t, s.look.QueryRow(t.Context(), "select count(*) from "+name).Scan(&n))
		out[name] = n
	}
	return out
}

func (tr *Trial) once(t *testing.T, d *contract.Descriptor) map[string]int {
	t.Helper()
	s := tr.stage(t, d, nil)
	s.enqueue(t, d, s.sample.Tenant)
	s.settle(t)
	return s.counts(t)
}

func (tr *Trial) twice(t *testing.T, d *contract.Descriptor) {
	t.Helper()
	s := tr.stage(t, d, nil)
	s.enqueue(t, d, s.sample.Tenant)
	s.settle(t)
	s.enqueue(t, d, s.sample.Tenant)
	s.settle(t)
	require.Equal(t, tr.once(t, d), s.counts(t))
}

func (tr *Trial) killed(t *testing.T, d *contract.Descriptor) {
	t.Helper()
	var kills atomic.Int32
	s := tr.stage(t, d, func(h contract.Handler) contract.Handler {
		if h.Descriptor.Name != d.Name {
			return h
		}
		return dieFirst(h, &kills)
	})
	id := s.enqueue(t, d, s.sample.Tenant)
	s.h.Drain(t.Context())
	if d.MaxAttempts > 1 {
		require.EqualValues(t, 1, kills.Load())
		s.h.Advance(t.Context(), 2*time.Hour)
		s.settle(t)
		require.NotEqual(t, "queued", map[bool]string{true: s.h.View(t.Context(), id).Status()}[tr.Samples[d.Name] != nil])
		require.Equal(t, tr.once(t, d), s.counts(t))
	}
}

// dieFirst makes the first run of a handler do all its work and then lose it.
func dieFirst(h contract.Handler, kills *atomic.Int32) contract.Handler {
	inner := h
	die := func(err error) error {
		if kills.Add(1) == 1 {
			return errKilled
		}
		return err
	}
	if inner.Short != nil {
		h.Short = func(ctx context.Context, tx *gorm.DB, args proto.Message) (proto.Message, error) {
			res, err := inner.Short(ctx, tx, args)
			return res, die(err)
		}
	}
	if inner.Batch != nil {
		h.Batch = func(ctx context.Context, tx *gorm.DB, items []*contract.AnyItem) error {
			return die(inner.Batch(ctx, tx, items))
		}
	}
	if inner.Long != nil {
		h.Long = func(ctx context.Context, run contract.Run, args proto.Message) (func(*gorm.DB) (proto.Message, error), error) {
			commit, err := inner.Long(ctx, run, args)
			if err != nil {
				return nil, die(err)
			}
			return func(tx *gorm.DB) (proto.Message, error) {
				res, err := commit(tx)
				return res, die(err)
			}, nil
		}
	}
	return h
}

func (tr *Trial) undecodable(t *testing.T, d *contract.Descriptor) {
	t.Helper()
	fields := d.NewArgs().ProtoReflect().Descriptor().Fields()
	if fields.Len() == 0 {
		return // no argument can be wrong
	}
	s := tr.stage(t, d, nil)
	id := s.enqueue(t, d, s.sample.Tenant)
	_, err := s.look.Exec(t.Context(), `update task.task set args = jsonb_build_object($2::text, '[[{}]]'::jsonb) where id = $1`, id, string(fields.Get(0).Name()))
	require.NoError(t, err)
	s.settle(t)
	v := s.h.View(t.Context(), id)
	require.Equal(t, "failed", v.Status())
	require.Contains(t, []string{task.KindInvalidArguments, task.KindPermanent}, v.ErrorKind)
	require.Contains(t, v.Error, string(fields.Get(0).Name()), "the error names the argument")
	require.Equal(t, s.before, s.counts(t))
}

func (tr *Trial) wrongTenant(t *testing.T, d *contract.Descriptor) {
	t.Helper()
	s := tr.stage(t, d, nil)
	if s.sample.Tenant == uuid.Nil {
		return // a platform task
	}
	owned := s.owned(t, s.sample.Tenant)
	s.enqueue(t, d, uuid.New())
	s.settle(t)
	require.Equal(t, owned, s.owned(t, s.sample.Tenant))
}

// owned is a fingerprint of everything a tenant has outside the engine's tables.
func (s *stage) owned(t *testing.T, id uuid.UUID) (sum string) {
	t.Helper()
	rows, err := s.look.Query(t.Context(), `select table_schema || '.' || table_name from information_schema.columns where column_name = 'tenant_id' and table_schema <> 'task' order by 1`)
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	for _, name := range names {
		var one string
		require.NoError(t, s.look.QueryRow(t.Context(), fmt.Sprintf(`select coalesce(md5(string_agg(x::text, '|' order by x::text)), '') from %s x where tenant_id = $1`, name), id).Scan(&one))
		sum += name + "=" + one + "\n"
	}
	return sum
}

func (tr *Trial) cancelled(t *testing.T, d *contract.Descriptor) {
	t.Helper()
	s := tr.stage(t, d, nil)
	id := s.enqueue(t, d, s.sample.Tenant)
	require.NoError(t, s.h.db.InSystem(t.Context(), func(tx *gorm.DB) error {
		_, err := task.Cancel(tx, id, "trial")
		return err
	}))
	s.settle(t)
	require.Equal(t, "cancelled", s.h.View(t.Context(), id).Status())
	require.Equal(t, s.before, s.counts(t))
}

// interrupted gives a LONG handler a context that is over already: it must return soon, whatever it returns.
func (tr *Trial) interrupted(t *testing.T, d *contract.Descriptor) {
	t.Helper()
	s := tr.stage(t, d, nil)
	ctx, cancel := context.WithCancel(t.Context())
	if s.sample.Tenant != uuid.Nil {
		ctx = tenant.With(ctx, s.sample.Tenant)
	}
	cancel()
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		_, _ = s.h.inline.Handlers()[d.Name].Long(ctx, contract.Run{ID: uuid.New(), Tenant: s.sample.Tenant, Attempt: 1, MaxAttempts: d.MaxAttempts, Progress: func(int64, int64, string) {}}, s.sample.Args)
	}()
	select {
	case <-returned:
	case <-time.After(30 * time.Second):
		t.Fatal("the handler ignores its context")
	}
}
