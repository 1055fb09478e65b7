package fault

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task"
	"makola/proto/makola/selftest/v1"
	"makola/test/servers/server"
)

// patience is how long a test waits for one thing; a busy machine needs most of it only to start servers again.
const patience = 90 * time.Second

const queueName = "selftest"

// world is one test's servers, database, virtual host and accepted tasks.
type world struct {
	t    *testing.T
	dir  string
	pg   *server.Postgres // nil when shared
	mq   *server.Rabbit   // nil when shared
	base string           // superuser's URL of this test's database
	amqp string           // URL with this test's virtual host

	look  *pgxpool.Pool // superuser, for arranging and looking
	db    *postgres.DB
	queue *task.Queue
	tasks *selftest.Tasks

	mu       sync.Mutex
	rnd      *rand.Rand
	accepted map[uuid.UUID]outcome
	doubtful map[uuid.UUID]bool // the connection broke during COMMIT
	victims  []*victim
}

// newWorld gives the test a database and a virtual host on the shared servers.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := begin(t)
	vhost := "fault-" + uuid.NewString()
	w.api(http.MethodPut, "vhosts/"+vhost, "{}")
	t.Cleanup(func() { w.api(http.MethodDelete, "vhosts/"+vhost, "") })
	w.api(http.MethodPut, "permissions/"+vhost+"/guest", `{"configure":".*","write":".*","read":".*"}`)
	u, err := url.Parse(shared.mqURL)
	require.NoError(t, err)
	u.Path = "/" + vhost
	w.amqp = u.String()
	w.prepare()
	return w
}

// newOwnWorld gives the test servers of its own, which it may harm.
func newOwnWorld(t *testing.T) *world {
	t.Helper()
	w := begin(t)
	var err error
	w.dir, err = server.MkdirTemp()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(w.dir)) })
	ctx := t.Context()
	var wg sync.WaitGroup
	var pgErr, mqErr error
	wg.Go(func() { w.pg, pgErr = server.StartPostgres(ctx, w.dir) })
	wg.Go(func() { w.mq, mqErr = server.StartRabbit(ctx, w.dir) })
	wg.Wait()
	t.Cleanup(func() {
		if w.pg != nil {
			_ = w.pg.Kill()
		}
		if w.mq != nil {
			_ = w.mq.Kill()
		}
	})
	require.NoError(t, pgErr)
	require.NoError(t, mqErr)
	w.amqp = w.mq.URL()
	w.prepare()
	return w
}

// begin waits for the test's turn and fixes its seed: FAULT_SEED repeats a run's choices.
func begin(t *testing.T) *world {
	t.Helper()
	slots <- struct{}{}
	t.Cleanup(func() { <-slots })
	seed := rand.Uint64()
	if s, err := strconv.ParseUint(os.Getenv("FAULT_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("seed %d (repeat with FAULT_SEED)", seed)
	return &world{t: t, dir: t.TempDir(), rnd: rand.New(rand.NewPCG(seed, 0)), accepted: map[uuid.UUID]outcome{}, doubtful: map[uuid.UUID]bool{}}
}

// prepare makes the migrated database, the tables of the checker, and this process's own way in.
func (w *world) prepare() {
	t, ctx := w.t, w.t.Context()
	t.Helper()
	exec := func(sql string) {
		t.Helper()
		c, err := pgx.Connect(ctx, w.base)
		require.NoError(t, err)
		defer c.Close(ctx)
		_, err = c.Exec(ctx, sql)
		require.NoError(t, err)
	}
	if w.pg == nil {
		w.base = postgrestest.New(t).URL("")
	} else {
		w.base = w.pg.URL()
		exec(roles)
		exec("create database fault owner makola_owner")
		w.base = strings.Replace(w.base, "/postgres?", "/fault?", 1)
		exec("alter schema public owner to makola_owner")
		_, err := postgres.Migrate(ctx, w.url("makola_owner"))
		require.NoError(t, err)
	}
	exec(witness)

	var err error
	w.look, err = pgxpool.New(ctx, w.base)
	require.NoError(t, err)
	t.Cleanup(w.look.Close)
	w.db, err = postgres.Open(ctx, postgres.Config{URL: w.url("makola_billing"), MaxConns: 4})
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.db.Close() })
	w.queue = task.NewQueue(w.db, nil, task.QueueConfig{}) // only inserts; the victims relay
	w.tasks = selftest.NewTasks(w.queue)
	t.Cleanup(w.killAll)
}

// roles makes sure of every role that the migrations grant to.
const roles = `do $$ declare r text; begin
	perform pg_advisory_xact_lock(7261001);
	foreach r in array array['makola_owner','makola_gateway','makola_webhook','makola_billing','makola_inventory','makola_reports','makola_reader','makola_notifier','makola_cron','makola_operator'] loop
		if not exists (select from pg_roles where rolname = r) then execute format('create role %I login', r); end if;
		execute format('alter role %I password %L', r, r);
	end loop;
end $$`

func (w *world) url(role string) string {
	u, _ := url.Parse(w.base) // parsed before
	u.User = url.UserPassword(role, role)
	return u.String()
}

// api calls the shared broker's management interface.
func (w *world) api(method, path, body string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), patience)
	defer cancel()
	u, err := url.Parse(shared.apiURL)
	require.NoError(w.t, err)
	req, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("http://%s/api/%s", u.Host, path), bytes.NewBufferString(body))
	require.NoError(w.t, err)
	password, _ := u.User.Password()
	req.SetBasicAuth(u.User.Username(), password)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	require.Less(w.t, resp.StatusCode, 300, "%s %s", method, path)
}

// channel runs use on a broker connection of its own.
func (w *world) channel(use func(*amqp.Channel)) {
	w.t.Helper()
	conn, err := amqp.Dial(w.amqp)
	require.NoError(w.t, err)
	defer conn.Close()
	ch, err := conn.Channel()
	require.NoError(w.t, err)
	use(ch)
}

// depth is how many messages wait in a queue.
func (w *world) depth(queue string) (n int) {
	w.t.Helper()
	w.channel(func(ch *amqp.Channel) {
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		require.NoError(w.t, err)
		n = q.Messages
	})
	return n
}

// await waits for a condition, and fails the test when it does not come true in time.
func (w *world) await(what string, holds func() bool) {
	w.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			w.report()
			w.t.Fatalf("waited %s in vain for: %s", patience, what)
		}
	}
}

// count runs a query of one number; -1 while the database does not answer.
func (w *world) count(query string, args ...any) int {
	n := -1
	if err := w.look.QueryRow(w.t.Context(), query, args...).Scan(&n); err != nil {
		return -1
	}
	return n
}

func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	_, err := w.look.Exec(w.t.Context(), query, args...)
	require.NoError(w.t, err)
}

// quitPostgres ends the server at once, without letting anybody finish (SIGQUIT is what `pg_ctl stop -m immediate` sends).
func (w *world) quitPostgres() {
	w.t.Helper()
	raw, err := os.ReadFile(filepath.Join(w.dir, "pg", "postmaster.pid"))
	require.NoError(w.t, err)
	first, _, _ := strings.Cut(string(raw), "\n")
	pid, err := strconv.Atoi(first)
	require.NoError(w.t, err)
	require.NoError(w.t, syscall.Kill(pid, syscall.SIGQUIT))
	w.await("PostgreSQL is gone", func() bool { return w.count("select 1") == -1 })
}

// pick chooses a number below n, by the test's seed.
func (w *world) pick(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rnd.IntN(n)
}
