package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/cron"
)

const opsSchedules = "/api/v1/ops/schedules"

// platform signs in somebody who runs the platform and has no business.
func (g *gateway) platform() (token string, user uuid.UUID) {
	g.t.Helper()
	user = uuid.New()
	g.exec(`insert into accounts.user (id, email, name, password_hash, email_verified, platform_role) values ($1, 'root@example.com', 'Root', '!', true, 'SUPER_ADMIN')`, user)
	token, err := g.server.Sessions.Keys.Sign(accounts.Principal{User: user}, time.Now())
	require.NoError(g.t, err)
	return token, user
}

// declare writes a table down as cron does.
func (g *gateway) declare() {
	g.t.Helper()
	require.NoError(g.t, g.pg.Open("makola_cron").InSystem(g.t.Context(), func(tx *gorm.DB) error {
		return cron.Declare(tx, []cron.Definition{
			{Name: "verify-ledger", Task: "ai_features.verify_ledger", Timing: cron.Timing{Every: 24 * time.Hour, Offset: 3 * time.Hour}},
			{Name: "monthly", Task: "inventory.self_test", Timing: cron.Timing{Expression: "30 0 1 * *", Zone: "Africa/Accra"}, Missed: cron.All, Overlap: cron.Allow},
			{Name: "early", Task: "inventory.not_yet", Timing: cron.Timing{Every: time.Minute}, Missed: cron.Skip, Waits: true},
		}, time.Now())
	}))
}

func (a *answer) items() (list []map[string]any) {
	for _, item := range a.body["items"].([]any) {
		list = append(list, item.(map[string]any))
	}
	return list
}

func TestTheScheduleIsForThePlatformsPeopleOnly(t *testing.T) {
	t.Parallel()
	g := open(t)
	g.declare()
	s := g.register("ama")
	reason := map[string]any{"reason": "to see"}
	g.do("GET", opsSchedules, s.access, nil).is(t, 403, "permission_missing")
	g.do("GET", opsSchedules, "", nil).is(t, 401, "")
	g.do("POST", opsSchedules+"/verify-ledger/run", s.access, reason).is(t, 403, "permission_missing")
	g.exec(`update accounts.user set platform_role = 'SAAS_STAFF' where id = $1`, s.user)
	g.do("POST", opsSchedules+"/verify-ledger/pause", s.access, reason).is(t, 403, "permission_missing")
	require.Zero(t, g.count(`select (select count(*) from cron.request) + (select count(*) from cron.job where paused_at is not null)`))
}

func TestTheScheduleBeforeAnyCronRan(t *testing.T) {
	t.Parallel()
	g := open(t)
	token, _ := g.platform()
	a := g.do("GET", opsSchedules, token, nil).is(t, 200, "")
	require.Empty(t, a.items())
	require.Nil(t, a.body["cron_seen_at"])
}

func TestTheScheduleTellsWhatComesAndWhatWas(t *testing.T) {
	t.Parallel()
	g := open(t)
	g.declare()
	token, _ := g.platform()
	at := time.Now().UTC().Truncate(24 * time.Hour).Add(-21 * time.Hour)
	good := uuid.New()
	g.exec(`insert into task.task (id, name, queue, state, started_at, finished_at, result) values ($1, 'ai_features.verify_ledger', 'ai_features', 'succeeded', $2::timestamptz, $2::timestamptz + interval '1500 ms', '{"faults": 0}')`, good, at)
	g.exec(`insert into cron.run (job, slot, task_id, skipped, created_at) values ('verify-ledger', $1, $2, null, $1), ('verify-ledger', $1::timestamptz - interval '1 day', null, 'missed: no cron ran', $1),
		('verify-ledger', $1::timestamptz - interval '2 days', gen_random_uuid(), null, $1::timestamptz - interval '2 days')`, at, good)
	a := g.do("GET", opsSchedules, token, nil).is(t, 200, "")
	require.NotNil(t, a.body["cron_seen_at"])
	list := a.items()
	require.Len(t, list, 3)
	ledger := list[0]
	require.Equal(t, []any{"verify-ledger", "active", "every day at 03:00 UTC", "once", "forbid", 86400.0, 10800.0, nil, 1.0},
		[]any{ledger["name"], ledger["state"], ledger["when"], ledger["missed"], ledger["overlap"], ledger["every_seconds"], ledger["offset_seconds"], ledger["expression"], ledger["skipped_recently"]})
	require.Contains(t, ledger["does"], "VerifyLedger recomputes")
	require.Regexp(t, `T03:00:00Z$`, ledger["next_at"])
	last := ledger["last_run"].(map[string]any)
	require.Equal(t, []any{"completed", good.String(), 1500.0, map[string]any{"faults": 0.0}, at.Format(time.RFC3339)}, []any{last["status"], last["task_id"], last["duration_ms"], last["result"], last["slot"]})
	require.Equal(t, "missed: no cron ran", ledger["last_skip"].(map[string]any)["skipped"])
	monthly, early := list[1], list[2]
	require.Equal(t, []any{"30 0 1 * *", "Africa/Accra", nil, "all", "allow"}, []any{monthly["expression"], monthly["zone"], monthly["every_seconds"], monthly["missed"], monthly["overlap"]})
	require.Equal(t, []any{"waiting", nil, ""}, []any{early["state"], early["next_at"], early["does"]})

	one := g.do("GET", opsSchedules+"/verify-ledger", token, nil).is(t, 200, "")
	require.Len(t, one.body["next_slots"], 5)
	runs := one.body["runs"].([]any)
	require.Len(t, runs, 3)
	var statuses []any
	for _, r := range runs {
		statuses = append(statuses, r.(map[string]any)["status"])
	}
	require.Equal(t, []any{"completed", "skipped", "forgotten"}, statuses)
	g.do("GET", opsSchedules+"/no-such-job", token, nil).is(t, 404, "schedule_not_found")
	g.do("GET", opsSchedules+"/No%20such", token, nil).is(t, 422, "")
}

func TestAJobIsPausedAndResumedWithAReason(t *testing.T) {
	t.Parallel()
	g := open(t)
	g.declare()
	token, user := g.platform()
	at := opsSchedules + "/verify-ledger"
	g.do("POST", at+"/pause", token, map[string]any{}).is(t, 422, "")
	g.do("POST", at+"/pause", token, map[string]any{"reason": "  "}).is(t, 422, "")
	g.do("POST", at+"/pause", token, map[string]any{"reason": strings.Repeat("x", 501)}).is(t, 422, "")
	a := g.do("POST", at+"/pause", token, map[string]any{"reason": "a restore is under way"}).is(t, 200, "")
	require.Equal(t, []any{"paused", nil}, []any{a.body["state"], a.body["next_at"]})
	require.Equal(t, "root@example.com", a.text("pause", "by"))
	require.Equal(t, "a restore is under way", a.text("pause", "reason"))
	g.do("POST", at+"/pause", token, map[string]any{"reason": "again"}).is(t, 409, "schedule_paused")
	require.Len(t, g.do("GET", at, token, nil).is(t, 200, "").body["next_slots"], 5, "they will be skipped")
	a = g.do("POST", at+"/resume", token, map[string]any{"reason": "done"}).is(t, 200, "")
	require.Equal(t, []any{"active", nil}, []any{a.body["state"], a.body["pause"]})
	g.do("POST", at+"/resume", token, map[string]any{"reason": "done"}).is(t, 409, "schedule_not_paused")
	g.do("POST", opsSchedules+"/no-such-job/pause", token, map[string]any{"reason": "x"}).is(t, 404, "schedule_not_found")
	g.do("POST", opsSchedules+"/no-such-job/resume", token, map[string]any{"reason": "x"}).is(t, 404, "schedule_not_found")
	require.Equal(t, 1, g.count(`select count(*) from audit.entry where action = 'schedule.paused' and user_id = $1 and actor = 'root@example.com' and ip <> '' and changes->>'reason' = 'a restore is under way'`, user))
	require.Equal(t, 1, g.count(`select count(*) from audit.entry where action = 'schedule.resumed' and user_id = $1`, user))
	require.Equal(t, 2, g.count(`select count(*) from audit.entry where entity = 'schedule'`), "what was refused is not in the log")
}

func TestAJobIsRunNow(t *testing.T) {
	t.Parallel()
	g := open(t)
	g.declare()
	token, user := g.platform()
	at := opsSchedules + "/verify-ledger"
	g.do("POST", at+"/pause", token, map[string]any{"reason": "busy"}).is(t, 200, "")
	g.do("POST", at+"/run", token, map[string]any{}).is(t, 422, "")
	g.do("POST", at+"/run", token, map[string]any{"reason": "x", "key": "a key"}).is(t, 422, "")
	body := map[string]any{"reason": "after the restore", "key": "k-1"}
	a := g.do("POST", at+"/run", token, body).is(t, 202, "")
	require.Equal(t, "queued", g.do("GET", a.Header.Get("Location"), token, nil).is(t, 200, "").text("status"))
	require.Equal(t, at, a.text("schedule_url"))
	require.Equal(t, false, a.body["again"])
	id := a.text("task_id")
	require.Equal(t, 1, g.count(`select count(*) from task.task where id = $1 and name = 'ai_features.verify_ledger' and tenant_id is null and created_by = $2 and state = 'pending'`, id, user))
	a = g.do("POST", at+"/run", token, body).is(t, 202, "")
	require.Equal(t, []any{true, id}, []any{a.body["again"], a.body["task_id"]})
	a = g.do("POST", at+"/run", token, map[string]any{"reason": "again"}).is(t, 409, "schedule_running")
	require.Contains(t, a.text("detail"), id)
	run := g.do("GET", at, token, nil).is(t, 200, "").body["runs"].([]any)[0].(map[string]any)
	require.Equal(t, []any{"queued", nil, "root@example.com", "after the restore"}, []any{run["status"], run["slot"], run["requested_by"], run["reason"]})
	g.exec(`update task.task set state = 'succeeded'`)
	g.do("POST", at+"/run", token, map[string]any{"reason": "once more"}).is(t, 202, "")
	g.do("POST", opsSchedules+"/early/run", token, map[string]any{"reason": "x"}).is(t, 409, "schedule_waits")
	g.do("POST", opsSchedules+"/no-such-job/run", token, map[string]any{"reason": "x"}).is(t, 404, "schedule_not_found")
	require.Equal(t, 2, g.count(`select count(*) from audit.entry where action = 'schedule.run' and user_id = $1`, user))

	// Somebody who also has a business runs it for the platform all the same.
	s := g.register("ama")
	g.exec(`update accounts.user set platform_role = 'SUPER_ADMIN' where id = $1`, s.user)
	id = g.do("POST", opsSchedules+"/monthly/run", s.access, map[string]any{"reason": "x"}).is(t, 202, "").text("task_id")
	require.Equal(t, 1, g.count(`select count(*) from task.task where id = $1 and tenant_id is null`, id))
	require.Equal(t, 1, g.count(`select count(*) from audit.entry where action = 'schedule.run' and user_id = $1 and tenant_id is null`, s.user))
}
