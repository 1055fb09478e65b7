package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/proto/makola/selftest/v1"
)

// rig is one database, and makola run in this process against it.
type rig struct {
	t    *testing.T
	pg   *postgrestest.Database
	look *pgx.Conn
	vars []string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	pg := postgrestest.New(t)
	return &rig{t: t, pg: pg, look: pg.Admin(), vars: []string{"USER=ama", "DATABASE_URL=" + pg.URL("makola_operator")}}
}

// run runs one command line and returns its exit code and both outputs.
func (r *rig) run(args ...string) (code int, stdout, stderr string) {
	r.t.Helper()
	var out, errs bytes.Buffer
	code = Run(r.t.Context(), args, r.vars, &out, &errs)
	return code, out.String(), errs.String()
}

// ok runs one command line that must succeed and returns what it printed.
func (r *rig) ok(args ...string) string {
	r.t.Helper()
	code, out, errs := r.run(args...)
	require.Equal(r.t, exitOK, code, errs)
	require.Empty(r.t, errs)
	return out
}

// decode runs one command line with --output json.
func decode[T any](r *rig, args ...string) (v T) {
	r.t.Helper()
	out := r.ok(append(args, "--output", "json")...)
	require.NoError(r.t, json.Unmarshal([]byte(out), &v), out)
	return v
}

func (r *rig) exec(query string, args ...any) {
	r.t.Helper()
	_, err := r.look.Exec(r.t.Context(), query, args...)
	require.NoError(r.t, err)
}

func (r *rig) count(query string, args ...any) (n int) {
	r.t.Helper()
	require.NoError(r.t, r.look.QueryRow(context.Background(), query, args...).Scan(&n))
	return n
}

// enqueue inserts n platform tasks as a service would.
func (r *rig) enqueue(n int) (ids []uuid.UUID) {
	r.t.Helper()
	db := r.pg.Open("makola_billing")
	tasks := selftest.NewTasks(task.NewQueue(db, nil, task.QueueConfig{}))
	require.NoError(r.t, db.InSystem(r.t.Context(), func(tx *gorm.DB) error {
		for range n {
			id, err := tasks.Noop(r.t.Context(), tx, &selftest.NoopArgs{})
			require.NoError(r.t, err)
			ids = append(ids, id)
		}
		return nil
	}))
	return ids
}

func TestWrongUseExitsWith2AndSaysWhy(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args, vars []string
		want       string
	}{
		"an unknown command":                {[]string{"frobnicate"}, nil, `unknown command "frobnicate"; see makola --help`},
		"an unknown subcommand":             {[]string{"task", "frobnicate"}, nil, `unknown command "frobnicate"; see makola task --help`},
		"an unknown flag":                   {[]string{"task", "list", "--frobnicate"}, nil, "unknown flag: --frobnicate"},
		"an unknown format":                 {[]string{"task", "list", "-o", "xml"}, nil, `--output is "xml"`},
		"an unknown state":                  {[]string{"task", "list", "--state", "odd"}, nil, `unknown state "odd"`},
		"a missing argument":                {[]string{"task", "show"}, nil, "usage: makola task show ID"},
		"an argument too many":              {[]string{"migrate", "now"}, nil, "accepts 0 arg(s)"},
		"no id":                             {[]string{"task", "show", "7"}, nil, `"7" is no id`},
		"no database":                       {[]string{"task", "list"}, nil, "DATABASE_URL is not set"},
		"no broker":                         {[]string{"topology"}, nil, "AMQP_URL is not set"},
		"a malformed setting":               {[]string{"task", "list"}, []string{"DATABASE_URL=postgres://x", "DATABASE_MAX_CONNS=many"}, `DATABASE_MAX_CONNS is "many"`},
		"a database's address that is none": {[]string{"task", "list"}, []string{"DATABASE_URL=postgres://makola:hunter2@127.0.0.1:notaport/x"}, "DATABASE_URL is not a valid postgres:// URL"},
		"a broker's address that is none":   {[]string{"ping"}, []string{"DATABASE_URL=postgres://x", "AMQP_URL=amqp://makola:hunter2@127.0.0.1:notaport/"}, "AMQP_URL is not a valid amqp:// or amqps:// address"},
		"nobody decides":                    {[]string{"dead", "discard", uuid.NewString(), "--reason", "x"}, nil, "say who you are with --actor"},
		"a decision without reason":         {[]string{"dead", "discard", uuid.NewString(), "--actor", "ama"}, nil, "say why with --reason"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			require.Equal(t, exitUsage, Run(t.Context(), tt.args, tt.vars, &out, &errs))
			require.Contains(t, errs.String(), tt.want)
			require.NotContains(t, errs.String(), "hunter2")
			require.Empty(t, out.String())
		})
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	for _, args := range [][]string{{"task", "list"}, {"migrate"}} {
		vars := []string{"DATABASE_URL=postgres://makola:hunter2@127.0.0.1:1/x?connect_timeout=1", "DATABASE_CONNECT_WAIT=100ms"}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		require.Equal(t, exitFailed, Run(ctx, args, vars, &out, &errs))
		cancel()
	}
	require.NotContains(t, out.String()+errs.String(), "hunter2")
}

func TestMigrateReachesTheNewestSchemaAndCanBeRepeated(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.vars = []string{"DATABASE_URL=" + r.pg.URL("makola_owner")}
	require.GreaterOrEqual(t, decode[map[string]int64](r, "migrate")["schema_version"], postgres.SchemaVersion())
	require.Contains(t, r.ok("migrate"), "schema version")
	r.vars = []string{"DATABASE_URL=" + strings.Replace(r.pg.URL("makola_owner"), "/t_", "/no_such_", 1)}
	code, _, errs := r.run("migrate")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "does not exist", "answered at once, not waited for")
}

func TestSeedMakesTheDemoShopsOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.vars = []string{"DATABASE_URL=" + r.pg.URL("makola_owner")}
	first := strings.Split(r.ok("seed", "--days", "14", "--until", "2026-12-17"), "\n")
	require.Len(t, first, 5) // four lines, which up.sh counts on
	require.True(t, strings.HasPrefix(first[0], "demo shops     3 new, 0 there before, 0 left out"), first[0])
	require.Equal(t, "demo login     demo@makola.example, password akwaaba-makola (Adwoa's Provision Store)", first[1])
	rows := r.count(`select count(*) from inventory.movement`)
	again := decode[map[string]any](r, "seed")
	require.EqualValues(t, 3, again["present"])
	require.Zero(t, again["rows"])
	require.Equal(t, rows, r.count(`select count(*) from inventory.movement`))
	for _, l := range again["logins"].([]any) {
		people := l.(map[string]any)["people"].(map[string]any)
		for email, role := range people {
			require.Equal(t, 1, r.count(`select count(*) from accounts.user u join accounts.membership m on m.user_id = u.id join accounts.business b on b.id = m.tenant_id
				where u.email = $1 and u.email_verified and u.is_active and m.role = $2 and b.name = $3`, email, role, l.(map[string]any)["business"]), email)
		}
	}
	require.Equal(t, 3, r.count(`select count(*) from billing.subscription where status = 'TRIAL'`))
}

func TestSeedRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, args := range [][]string{{"--scale", "-1"}, {"--scale", "1000000"}, {"--until", "yesterday"}, {"--until", "1999-01-01"}, {"--days", "1000"}, {"--seed", "-1"}} {
		code, _, errs := r.run(append([]string{"seed"}, args...)...)
		require.Equal(t, exitUsage, code, errs)
	}
	r.vars = []string{"DATABASE_URL=" + r.pg.URL("makola_reports")}
	code, _, errs := r.run("seed", "--days", "1")
	require.Equal(t, exitFailed, code, errs)
	require.Zero(t, r.count(`select count(*) from accounts.business`), "another role leaves nothing behind")
}

func TestDemoCommandsRefuseProduction(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.vars = []string{"MAKOLA_ENV=production", "DATABASE_URL=" + r.pg.URL("makola_owner")}
	for _, command := range []string{"seed", "demo"} {
		code, _, errs := r.run(command)
		require.Equal(t, exitRefused, code)
		require.Contains(t, errs, "MAKOLA_ENV is production")
	}
	require.Zero(t, r.count(`select count(*) from accounts.user`))
}

func TestTaskListFilters(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ids := r.enqueue(3)
	r.exec(`update task.task set state = 'failed', error = 'no luck', error_kind = 'permanent', finished_at = now() where id = $1`, ids[0])
	require.Len(t, decode[[]taskLine](r, "task", "list"), 3)
	require.Len(t, decode[[]taskLine](r, "task", "list", "--state", "pending"), 2)
	require.Len(t, decode[[]taskLine](r, "task", "list", "--state", "pending,failed", "--queue", "selftest", "--name", "selftest.noop", "--limit", "1"), 1)
	require.Equal(t, ids[0], decode[[]taskLine](r, "task", "list", "--before", ids[1].String())[0].ID)
	require.Empty(t, decode[[]taskLine](r, "task", "list", "--queue", "sales"))
	require.Contains(t, r.ok("task", "list", "--state", "failed"), "no luck")
}

func TestTaskShowTellsTheWholeStory(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ids := r.enqueue(3)
	r.exec(`update task.task set state = 'succeeded', attempt = 2, published_at = created_at + interval '20 ms', started_at = created_at + interval '4 s', finished_at = created_at + interval '5 s',
		result = '{"rows": 7}', history = jsonb_build_array(jsonb_build_object('at', created_at + interval '1 s', 'event', 'retry', 'attempt', 1, 'kind', 'retryable', 'error', 'provider is down')) where id = $1`, ids[0])
	r.exec(`update task.task set parent_id = $1, root_id = $1 where id = $2`, ids[0], ids[1])
	r.exec(`update task.task set parent_id = $2, root_id = $1 where id = $3`, ids[0], ids[1], ids[2])
	s := decode[story](r, "task", "show", ids[0].String())
	var events []string
	for _, m := range s.Timeline {
		events = append(events, m.Event)
	}
	require.Equal(t, []string{"created", "published", "retry", "started", "succeeded"}, events)
	require.Equal(t, "retryable provider is down", s.Timeline[2].Detail)
	require.JSONEq(t, `{"rows": 7}`, string(s.Result))
	for _, id := range ids {
		family := decode[story](r, "task", "show", id.String()).Family
		require.Len(t, family, 3, "the family is the same whoever is asked")
		require.Equal(t, ids, []uuid.UUID{family[0].ID, family[1].ID, family[2].ID})
	}
	table := r.ok("task", "show", ids[1].String())
	celery := uuid.MustParse("7f1d0c9a-52c1-4f0e-9d7e-6a1c7c1f2b11")
	r.exec(`update task.task set id = $2, created_at = created_at + interval '5 days' where id = $1`, ids[2], celery)
	for _, id := range []uuid.UUID{ids[0], celery} {
		list := decode[story](r, "task", "show", id.String()).Family
		require.Len(t, list, 3, "an id that is no time is found as well")
		require.Equal(t, celery, list[2].ID)
	}
	require.Contains(t, table, "* "+"  selftest.noop", "marked, and below its parent")
	require.Contains(t, table, "      selftest.noop", "the grandchild below its child")
	require.Contains(t, r.ok("task", "show", ids[0].String()), "+4s")

	code, _, errs := r.run("task", "show", uuid.NewString())
	require.Equal(t, exitNotFound, code)
	require.Contains(t, errs, "task not found")
}

func TestTheOperatorSeesTasksOfEveryTenant(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	db := r.pg.Open("makola_billing")
	business := uuid.Must(uuid.NewV7())
	ctx := tenant.With(t.Context(), business)
	require.NoError(t, db.InTenant(ctx, func(tx *gorm.DB) error {
		_, err := selftest.NewTasks(task.NewQueue(db, nil, task.QueueConfig{})).Noop(ctx, tx, &selftest.NoopArgs{})
		return err
	}))
	list := decode[[]taskLine](r, "task", "list")
	require.Len(t, list, 1)
	require.Equal(t, business, *list[0].TenantID)
}

func TestTaskCancel(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ids := r.enqueue(2)
	require.Equal(t, "cancelled\n", r.ok("task", "cancel", ids[0].String()))
	require.Equal(t, 1, r.count(`select count(*) from task.task where id = $1 and state = 'cancelled' and history->0->>'by' = 'ama'`, ids[0]))
	code, _, errs := r.run("task", "cancel", ids[0].String())
	require.Equal(t, exitRefused, code)
	require.Contains(t, errs, "has ended")
	r.exec(`update task.task set state = 'running', worker_id = gen_random_uuid() where id = $1`, ids[1])
	require.Equal(t, "requested\n", r.ok("task", "cancel", ids[1].String(), "--actor", "kofi"))
	code, _, _ = r.run("task", "cancel", uuid.NewString())
	require.Equal(t, exitNotFound, code)
}

func TestLedgerCheck(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.Equal(t, "the ledger agrees with itself\n", r.ok("ledger", "check"))
	r.exec(`update billing.ledger_account set balance = balance + 1 where kind = 'credit_sales'`)
	code, out, errs := r.run("ledger", "check", "-o", "json")
	require.Equal(t, exitFaults, code)
	require.Contains(t, errs, "1 fault(s)")
	var faults []map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &faults))
	require.Equal(t, "an account's balance is the sum of its entries", faults[0]["rule"])
	require.EqualValues(t, 1, faults[0]["stored"])
}
