package cli

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
	"makola/pkg/task"
	"makola/pkg/task/tasktest"
	"makola/proto/contract"
	inventory "makola/proto/makola/inventory/v1"
)

// broker gives r a broker whose user may do what makola_operator may, and returns the address of one who may do all.
func (r *rig) broker() *rabbittest.Broker {
	r.t.Helper()
	b := rabbittest.New(r.t)
	r.vars = append(r.vars, "AMQP_URL="+b.User(r.t, "", `^(tasks|task\.events|amq\.default)$`, `^.*\.dead$`))
	return b
}

// consume registers a consumer for each queue.
func consume(t *testing.T, conn *rabbit.Conn, queues ...string) {
	t.Helper()
	for _, q := range queues {
		k := conn.NewConsumer(rabbit.ConsumerConfig{Queue: q, Prefetch: 1})
		t.Cleanup(func() { _ = k.Close() })
		require.Eventually(t, func() bool { return k.Ready() == nil }, rabbittest.Patience, 10*time.Millisecond, q)
	}
}

func TestPingNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := r.broker()
	conn := b.Conn(t, rabbit.Standard(rabbit.Queues()...))
	queues := rabbit.Queues()
	consume(t, conn, queues[1:]...)
	code, out, errs := r.run("ping")
	require.Equal(t, exitUnwell, code)
	require.Contains(t, errs, "2 of 11 do not answer") // database, cron, broker, seven queues
	require.Regexp(t, `cron +MISSING +has never run`, out)
	require.Regexp(t, `queue `+queues[0]+` +MISSING +consumers: 0, messages that wait: 0`, out)
	require.Regexp(t, `database +ok `, out)

	consume(t, conn, queues[0])
	r.declare(time.Now().Add(time.Hour)) // whatever this test takes
	r.exec(`insert into task.worker (id, service, host, pid, heartbeat_at, stopped_at) values (gen_random_uuid(), 'notifier', 'h', 7, now() + interval '1 hour', null), (gen_random_uuid(), 'notifier', 'h', 8, now() - interval '30 minutes', null),
		(gen_random_uuid(), 'notifier', 'h', 9, now() - interval '3 hours', null), (gen_random_uuid(), 'notifier', 'h', 10, now(), now())`)
	answers := decode[[]answer](r, "ping")
	require.Len(t, answers, 13)
	require.Equal(t, "notifier@h:7", answers[2].Who)
	require.Contains(t, answers[3].Detail, "fell silent 30m0s ago")
	for _, a := range answers {
		require.True(t, a.OK, a)
	}
}

func TestPingSaysWhichServerDoesNotAnswer(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, vars: []string{"DATABASE_URL=postgres://makola:hunter2@127.0.0.1:1/x?connect_timeout=1", "DATABASE_CONNECT_WAIT=100ms", "AMQP_URL=amqp://makola:hunter2@127.0.0.1:1/"}}
	code, out, errs := r.run("ping")
	require.Equal(t, exitUnwell, code)
	require.Regexp(t, `database +MISSING`, out)
	require.Regexp(t, `broker +MISSING .*AMQP_URL is right: .*connection refused`, out, "the cause is told")
	require.NotContains(t, out, "within 30s", "which it did not wait")
	require.NotContains(t, out+errs, "hunter2")
	r.vars = r.vars[:2]
	code, _, errs = r.run("ping")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "AMQP_URL is not set")
}

func TestQueuesShowBothSides(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := r.broker()
	conn := b.Conn(t, rabbit.Standard(rabbit.Queues()...))
	consume(t, conn, "sales")
	ids := r.enqueue(5) // of the queue selftest, which is none of this release's
	r.exec(`update task.task set queue = 'reports' where id = any($1)`, ids[:4])
	r.exec(`update task.task set available_at = now() + interval '1 hour' where id = $1`, ids[1])
	r.exec(`update task.task set state = 'published', available_at = now() - interval '2 hours' where id = $1`, ids[2])
	r.exec(`update task.task set state = 'failed' where id = $1`, ids[3])
	require.NoError(t, conn.NewPublisher(rabbit.PublisherOptions{}).PublishBatch(t.Context(), []rabbit.Publishing{{Exchange: rabbit.ExchangeTasks, Key: "reports", Msg: rabbit.Message{DeliveryMode: rabbit.Persistent, Body: []byte("x")}}})[0])
	var list []queueLine
	require.Eventually(t, func() bool { // a count follows a publish
		list = decode[[]queueLine](r, "queues")
		return *list[4].Ready == 1
	}, rabbittest.Patience, 50*time.Millisecond)
	require.Len(t, list, 1+len(rabbit.Queues()))
	reports := list[4]
	require.Equal(t, []any{"reports", int64(1), int64(1), int64(1), int64(0), int64(1), 0, 0}, []any{reports.Queue, reports.Due, reports.Later, reports.Published, reports.Running, reports.Failed, *reports.Consumers, *reports.Dead})
	require.GreaterOrEqual(t, reports.Oldest, 7200.0)
	require.Equal(t, 1, *list[3].Consumers)
	require.Equal(t, "selftest", list[8].Queue)
	require.Nil(t, list[8].Ready)
	table := r.ok("queues")
	require.Regexp(t, `(?m)^selftest +1 +0 +0 +0 +0 +\S+ +- +- +-$`, table)

	other := rabbittest.New(t)                     // nothing is declared there
	r.vars = append(r.vars, "AMQP_URL="+other.URL) // the last one counts
	code, out, errs := r.run("queues")
	require.Equal(t, exitUnwell, code)
	require.Contains(t, errs, "ask depth of queue")
	require.Regexp(t, `(?m)^reports +1 +1 +1 +0 +1 +\S+ +- +- +-$`, out, "what the database knows is shown all the same")
}

func TestWorkersTellTheLivingFromTheDead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	alive := uuid.New()
	r.exec(`insert into task.worker (id, service, host, pid, heartbeat_at) values ($1, 'reports-worker', 'h', 7, now() + interval '1 hour')`, alive)
	r.exec(`insert into task.worker (id, service, host, pid, heartbeat_at, stopped_at) values (gen_random_uuid(), 'notifier', 'h', 8, now() - interval '1 minute', null), (gen_random_uuid(), 'notifier', 'h', 9, now(), now()),
		(gen_random_uuid(), 'notifier', 'h', 10, now() - interval '2 hours', null)`)
	ids := r.enqueue(2)
	r.exec(`update task.task set state = 'running', worker_id = $1 where id = $2`, alive, ids[0])
	list := decode[[]map[string]any](r, "workers")
	require.Len(t, list, 3)
	require.Equal(t, []any{alive.String(), "alive", 1.0}, []any{list[0]["id"], list[0]["state"], list[0]["long_tasks"]})
	require.ElementsMatch(t, []any{"silent", "stopped"}, []any{list[1]["state"], list[2]["state"]})
	require.Len(t, decode[[]map[string]any](r, "workers", "--all"), 4)
	require.Contains(t, r.ok("workers"), "reports-worker")
}

func TestActiveSeesATaskByTheLockOfItsRow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ids := r.enqueue(4)
	r.exec(`update task.task set state = 'published', published_at = now() where id = any($1)`, ids[:3])
	worker := uuid.New()
	r.exec(`update task.task set state = 'running', worker_id = $2, started_at = now() - interval '1 minute', lease_until = now() + interval '20 seconds', progress = '{"done": 3, "total": 9}' where id = $1`, ids[3], worker)
	require.Equal(t, ids[3], decode[[]taskLine](r, "active")[0].ID)

	// As a worker runs a SHORT task: one transaction that holds the row.
	db := r.pg.Open("makola_billing")
	require.NoError(t, db.InSystem(t.Context(), func(tx *gorm.DB) error {
		if _, err := postgres.Exec(tx, `select from task.task where id = $1 for update`, ids[1]); err != nil {
			return err
		}
		list := decode[[]map[string]any](r, "active")
		require.Len(t, list, 2)
		require.Equal(t, []any{ids[3].String(), worker.String()}, []any{list[0]["id"], list[0]["worker_id"]}, "the longest first")
		require.Equal(t, []any{ids[1].String(), "makola_billing"}, []any{list[1]["id"], list[1]["database_role"]})
		require.Regexp(t, ids[3].String()+` +selftest.noop +1 +\S+ \S+ +`+worker.String()+` +3 of 9`, r.ok("active"))
		return nil
	}))
	require.Len(t, decode[[]taskLine](r, "active"), 1, "the lock is gone")
}

func TestScheduledListsWhatWaitsForItsTime(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ids := r.enqueue(3)
	r.exec(`update task.task set available_at = now() + interval '2 hours', attempt = 3, error = 'provider is down' where id = $1`, ids[0])
	r.exec(`update task.task set available_at = now() + interval '1 hour' where id = $1`, ids[1])
	list := decode[[]taskLine](r, "scheduled")
	require.Len(t, list, 2)
	require.Equal(t, []uuid.UUID{ids[1], ids[0]}, []uuid.UUID{list[0].ID, list[1].ID})
	require.Contains(t, r.ok("scheduled"), "provider is down")
	require.Len(t, decode[[]taskLine](r, "scheduled", "--limit", "1"), 1)
}

func TestStatsCountWhatEndedLately(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ids := r.enqueue(5)
	r.exec(`update task.task set state = 'succeeded', attempt = 3, created_at = now() - interval '14 seconds', available_at = now() - interval '3 days', started_at = now() - interval '10 seconds', finished_at = now() - interval '8 seconds' where id = any($1)`, ids[:2])
	r.exec(`update task.task set state = 'failed', available_at = now() - interval '10 seconds', started_at = now() - interval '10 seconds', finished_at = now() - interval '5 seconds' where id = $1`, ids[2])
	r.exec(`update task.task set state = 'succeeded', started_at = now() - interval '3 hours', finished_at = now() - interval '2 hours' where id = $1`, ids[3])
	list := decode[[]map[string]any](r, "stats", "--since", "1h")
	require.Len(t, list, 1)
	require.Equal(t, []any{"selftest.noop", 2.0, 1.0, 0.0, 4.0}, []any{list[0]["name"], list[0]["succeeded"], list[0]["failed"], list[0]["cancelled"], list[0]["retries"]})
	require.InDelta(t, 8.0/3, list[0]["wait_seconds"], 0.001)
	require.InDelta(t, 3.0, list[0]["run_seconds"], 0.001)
	require.Equal(t, 3.0, decode[[]map[string]any](r, "stats", "--since", "24h")[0]["succeeded"])
	require.Regexp(t, `selftest.noop +2 +1 +0 +4 +2.6667s +3s +4.7s`, r.ok("stats"))
	code, _, _ := r.run("stats", "--since", "-1h")
	require.Equal(t, exitUsage, code)
}

func TestRegisteredListsTheContracts(t *testing.T) {
	t.Parallel()
	r := &rig{t: t}
	list := decode[[]registeredTask](r, "registered")
	require.Greater(t, len(list), 40)
	for _, l := range list {
		require.NotEmpty(t, l.Does, l.Name)
		require.True(t, strings.HasPrefix(l.Name, l.Queue+"."), l.Name)
	}
	for _, l := range decode[[]registeredTask](r, "registered", "--queue", "sales") {
		require.Equal(t, "sales", l.Queue)
	}
	one := r.ok("registered", "inventory.tasks.check_stock_levels")
	require.Contains(t, one, "inventory.check_stock_levels")
	require.Contains(t, one, "business_id string?")
	code, _, errs := r.run("registered", "sales.no_such")
	require.Equal(t, exitNotFound, code)
	require.Contains(t, errs, "no contract declares")
	code, _, _ = r.run("registered", "a", "b")
	require.Equal(t, exitUsage, code)

	full := newRig(t)
	full.declare(time.Now())
	require.Equal(t, []string{"verify-ledger"}, decode[registeredTask](full, "registered", "ai_features.verify_ledger").Jobs)
}

func TestCallChecksTheArgumentsBeforeAnythingIsEnqueued(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	business := uuid.NewString()
	tests := map[string]struct {
		args []string
		code int
		want string
	}{
		"no such task":                  {[]string{"inventory.no_such"}, exitNotFound, "no contract declares"},
		"a test's task":                 {[]string{"selftest.noop"}, exitNotFound, "no contract declares"},
		"an unknown argument":           {[]string{"inventory.self_test", "--arg", "node=x"}, exitUsage, `no argument "node"; it takes note string`},
		"an unknown one in JSON":        {[]string{"inventory.self_test", "--json", `{"node": "x"}`}, exitUsage, `no argument "node"`},
		"a missing argument":            {[]string{"accounts.send_welcome_email"}, exitUsage, "needs the argument user_id"},
		"a value of another type":       {[]string{"inventory.check_expiring_products", "--arg", "days_threshold=soon"}, exitUsage, "do not fit"},
		"a number for text in JSON":     {[]string{"inventory.self_test", "--json", `{"note": 7}`}, exitUsage, "do not fit"},
		"no pair":                       {[]string{"inventory.self_test", "--arg", "note"}, exitUsage, "write name=value"},
		"the same one twice":            {[]string{"inventory.self_test", "--arg", "note=a", "--arg", "note=b"}, exitUsage, "given twice"},
		"no JSON":                       {[]string{"inventory.self_test", "--json", `{`}, exitUsage, "no JSON object"},
		"JSON that is no object":        {[]string{"inventory.self_test", "--json", `null`}, exitUsage, "no JSON object"},
		"both ways":                     {[]string{"inventory.self_test", "--json", `{}`, "--arg", "note=x"}, exitUsage, "not both"},
		"a business that is none":       {[]string{"inventory.self_test", "--arg", "note=x", "--business", "ama"}, exitUsage, `"ama" is no id`},
		"two businesses":                {[]string{"inventory.verify_stock", "--arg", "business_id=" + business, "--business", uuid.NewString()}, exitUsage, "the argument business_id"},
		"an argument that is no object": {[]string{"inventory.self_test", "--json", `[1]`}, exitUsage, "no JSON object"},
	}
	for name, tt := range tests {
		code, _, errs := r.run(append([]string{"call"}, tt.args...)...)
		require.Equal(t, tt.code, code, name)
		require.Contains(t, errs, tt.want, name)
	}
	require.Zero(t, r.count(`select (select count(*) from task.task) + (select count(*) from audit.entry)`))
}

func TestCallEnqueuesOnceAndIsKeptInTheLog(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	business := uuid.NewString()
	first := decode[map[string]any](r, "call", "inventory.self_test", "--arg", "note=hello world", "--key", "k", "--reason", "a look")
	require.Equal(t, first["task"], decode[map[string]any](r, "call", "inventory.self_test", "--json", `{"note": "other"}`, "--key", "k")["task"])
	require.Equal(t, 1, r.count(`select count(*) from task.task where id = $1 and name = 'inventory.self_test' and args = '{"note": "hello world"}' and tenant_id is null and state = 'pending'`, first["task"]))
	require.Equal(t, 1, r.count(`select count(*) from audit.entry where action = 'task.called' and entity_id = $1 and actor = 'operator:ama' and tenant_id is null
		and changes->>'reason' = 'a look' and changes->'arguments' = '["note"]' and changes::text not like '%hello%'`, first["task"]))
	own := decode[map[string]any](r, "call", "inventory.send_low_stock_alert", "--arg", "business_id="+business, "--arg", "product_ids=a", "--arg", "product_ids=b")
	require.Equal(t, 1, r.count(`select count(*) from task.task where id = $1 and tenant_id = $2 and args = jsonb_build_object('business_id', $2::text, 'product_ids', '["a", "b"]'::jsonb)`, own["task"], business))
	r.ok("call", "inventory.check_expiring_products", "--arg", "days_threshold=7", "--business", business)
	require.Equal(t, 1, r.count(`select count(*) from task.task where name = 'inventory.check_expiring_products' and tenant_id = $1 and args = '{"days_threshold": 7}'`, business))
	require.Equal(t, 2, r.count(`select count(*) from audit.entry where action = 'task.called' and tenant_id = $1`, business))
}

func TestCallWaitsForTheResult(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := tasktest.New(t, r.pg.Open("makola_inventory"))
	h.Register(contract.ShortHandler(inventory.SelfTestTask, func(_ context.Context, _ *gorm.DB, args *inventory.SelfTestArgs) (*inventory.SelfTestResult, error) {
		if args.GetNote() == "" {
			return nil, task.Permanent(errors.New("nothing to say"))
		}
		return &inventory.SelfTestResult{Note: args.GetNote()}, nil
	}))
	type end struct {
		code      int
		out, errs string
	}
	call := func(note string) (e end) {
		done := make(chan end, 1)
		go func() {
			var out, errs bytes.Buffer
			code := Run(t.Context(), []string{"call", "inventory.self_test", "--arg", "note=" + note, "--wait", "2m"}, r.vars, &out, &errs)
			done <- end{code, out.String(), errs.String()}
		}()
		for {
			select {
			case e := <-done:
				return e
			case <-time.After(20 * time.Millisecond):
				h.Drain(t.Context()) // as a worker would
			}
		}
	}
	good := call("hello")
	require.Equal(t, exitOK, good.code, good.errs)
	require.Contains(t, good.out, `is completed: {"note": "hello", "ran_by": ""}`)
	bad := call("")
	require.Equal(t, exitUnwell, bad.code)
	require.Contains(t, bad.errs, "is failed: nothing to say")
}

func TestAuditIsFiltered(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	business, user := uuid.New(), uuid.New()
	r.exec(`insert into audit.entry (id, tenant_id, at, user_id, actor, action, entity, entity_id, changes) values
		('019aa000-0000-7000-8000-000000000001', $1, '2026-11-01T10:00:00Z', $2, 'ama@example.com', 'LOGIN', 'session', '', '{}'),
		('019aa000-0000-7000-8000-000000000002', $1, '2026-11-02T10:00:00Z', $2, 'ama@example.com', 'UPDATE', 'membership', 'm-1', '{"role": ["STAFF", "MANAGER"]}'),
		('019aa000-0000-7000-8000-000000000003', gen_random_uuid(), '2026-11-03T10:00:00Z', null, 'task:sales.release', 'stock.released', 'reservation', '7', '{}'),
		('019aa000-0000-7000-8000-000000000004', null, '2026-11-04T10:00:00Z', null, 'operator:kofi', 'schedule.paused', 'schedule', 'verify-ledger', '{"reason": "x"}')`, business, user)
	ids := func(args ...string) (last string) {
		for _, l := range decode[[]map[string]any](r, append([]string{"audit"}, args...)...) {
			id := l["id"].(string)
			last += id[len(id)-1:]
		}
		return last
	}
	for want, args := range map[string][]string{
		"4321": nil, "21": {"--business", business.String()}, "4": {"--platform"}, "2": {"--action", "UPDATE"}, "3": {"--actor", "task:sales.release"}, "1": {"--user", user.String(), "--to", "2026-11-02T00:00:00Z"},
		"43": {"--from", "2026-11-03T00:00:00Z"}, "32": {"--limit", "2", "--before", "019aa000-0000-7000-8000-000000000004"}, "": {"--entity", "schedule", "--id", "other"},
	} {
		require.Equal(t, want, ids(args...), "%v", args)
	}
	require.Contains(t, r.ok("audit", "--business", business.String()), `{"role": ["STAFF", "MANAGER"]}`)
	for _, args := range [][]string{{"--business", "ama"}, {"--from", "yesterday"}, {"--limit", "0"}, {"--limit", "1001"}} {
		code, _, _ := r.run(append([]string{"audit"}, args...)...)
		require.Equal(t, exitUsage, code, "%v", args)
	}
}
