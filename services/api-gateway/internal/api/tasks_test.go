package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/task"
	"makola/pkg/tenant"
	selftest "makola/proto/makola/selftest/v1"
)

// enqueue inserts one task of the shop.
func (g *gateway) enqueue(s shop) string {
	g.t.Helper()
	var id uuid.UUID
	ctx := tenant.With(g.t.Context(), uuid.MustParse(s.business))
	require.NoError(g.t, g.server.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		id, err = g.queue.Enqueue(ctx, tx, selftest.AllTasks()[0], selftest.AllTasks()[0].NewArgs())
		return err
	}))
	return id.String()
}

func TestTaskAtAllItsAddresses(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	id := g.enqueue(s)
	var bodies []map[string]any
	for _, path := range []string{"/api/tasks/" + id + "/status/", "/api/tasks/" + id + "/status", "/api/v1/tasks/" + id + "/status", "/api/v1/tasks/" + id} {
		a := g.do("GET", path, s.access, nil).is(t, 200, "")
		require.Equal(t, "2", a.Header.Get("Retry-After"))
		require.NotEmpty(t, a.Header.Get("ETag"))
		bodies = append(bodies, a.body)
		require.Equal(t, bodies[0], a.body)
	}
	require.Equal(t, id, bodies[0]["task_id"])
	require.Equal(t, "queued", bodies[0]["status"])
	require.EqualValues(t, 0, bodies[0]["progress"])
	for _, null := range []string{"result", "file_url", "error", "waiting_for", "started_at", "finished_at", "progress_detail"} {
		value, present := bodies[0][null]
		require.True(t, present && value == nil, null)
	}
}

func TestTaskETagChangesWithTheTask(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	id := g.enqueue(s)
	path := "/api/tasks/" + id + "/status/"
	tag := g.do("GET", path, s.access, nil).is(t, 200, "").Header.Get("ETag")
	for _, header := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		a := g.do("GET", path, s.access, nil, "If-None-Match", header).is(t, 304, "")
		require.Empty(t, a.raw)
		require.Equal(t, tag, a.Header.Get("ETag"))
		require.Equal(t, "2", a.Header.Get("Retry-After"))
	}
	g.exec(`update task.task set state = 'running', started_at = now(), progress = '{"done": 30, "total": 120, "note": "page 3", "left_ms": 8100}' where id = $1`, id)
	a := g.do("GET", path, s.access, nil, "If-None-Match", tag).is(t, 200, "")
	require.Equal(t, "processing", a.text("status"))
	require.EqualValues(t, 25, a.body["progress"])
	require.Equal(t, map[string]any{"done": 30.0, "total": 120.0, "note": "page 3", "seconds_left": 9.0}, a.body["progress_detail"])

	g.exec(`update task.task set state = 'succeeded', finished_at = now(), result = '{"rows": 7, "file_url": "/files/x.pdf"}' where id = $1`, id)
	a = g.do("GET", path, s.access, nil, "If-None-Match", a.Header.Get("ETag")).is(t, 200, "")
	require.Empty(t, a.Header.Get("Retry-After"), "it has ended")
	require.Equal(t, "completed", a.text("status"))
	require.EqualValues(t, 100, a.body["progress"])
	require.Equal(t, "/files/x.pdf", a.text("file_url"))
	require.Equal(t, map[string]any{"rows": 7.0, "file_url": "/files/x.pdf"}, a.body["result"])

	g.exec(`update task.task set state = 'failed', error = 'no rows' where id = $1`, id)
	a = g.do("GET", path, s.access, nil).is(t, 200, "")
	require.Equal(t, "failed", a.text("status"))
	require.Equal(t, "no rows", a.text("error"))
}

func TestATaskThatWaitsSaysForWhat(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	id := g.enqueue(s)
	g.exec(`update task.task set error = 'the others are first', error_kind = 'throttled', available_at = now() + interval '10 s' where id = $1`, id)
	a := g.do("GET", "/api/v1/tasks/"+id, s.access, nil).is(t, 200, "")
	require.Equal(t, []any{"queued", "the others are first", nil}, []any{a.body["status"], a.body["waiting_for"], a.body["error"]})
	g.exec(`update task.task set state = 'running', started_at = now() where id = $1`, id)
	a = g.do("GET", "/api/v1/tasks/"+id, s.access, nil).is(t, 200, "")
	require.Equal(t, []any{"processing", nil, nil}, []any{a.body["status"], a.body["waiting_for"], a.body["error"]}, "it waits no more, and nothing went wrong")
}

func TestCancelTask(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	id := g.enqueue(s)
	g.do("DELETE", "/api/v1/tasks/"+id, s.access, nil).is(t, 204, "")
	require.Equal(t, "cancelled", g.do("GET", "/api/v1/tasks/"+id, s.access, nil).is(t, 200, "").text("status"))
	g.do("DELETE", "/api/v1/tasks/"+id, s.access, nil).is(t, 409, "task_ended")

	running := g.enqueue(s)
	g.exec(`update task.task set state = 'running' where id = $1`, running)
	g.do("DELETE", "/api/v1/tasks/"+running, s.access, nil).is(t, 202, "")
	require.Equal(t, 1, g.count(`select count(*) from task.task where id = $1 and cancel_requested`, running))
	g.do("DELETE", "/api/v1/tasks/"+uuid.NewString(), s.access, nil).is(t, 404, "not_found")

	theirs := g.enqueue(s)
	for role, status := range map[accounts.Role]int{accounts.Staff: 404, accounts.Manager: 403, accounts.Admin: 202} {
		g.exec(`update task.task set state = 'running' where id = $1`, theirs)
		g.do("DELETE", "/api/v1/tasks/"+theirs, g.token(s, role, time.Now()), nil).is(t, status, "")
	}
	cashier := g.staff(s, accounts.Staff, g.floor(s).storefront)
	g.exec(`update task.task set state = 'running', created_by = $2 where id = $1`, theirs, cashier.user)
	g.do("DELETE", "/api/v1/tasks/"+theirs, cashier.access, nil).is(t, 202, "")
}

func TestListTasks(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	var ids []string
	for range 3 {
		ids = append(ids, g.enqueue(s))
	}
	g.exec(`update task.task set state = 'failed', finished_at = now() where id = $1`, ids[1])
	list := func(query string) (found []string, next string) {
		page := g.do("GET", "/api/v1/tasks"+query, s.access, nil).is(t, 200, "")
		for _, item := range page.body["items"].([]any) {
			found = append(found, item.(map[string]any)["task_id"].(string))
		}
		return found, page.text("next_cursor")
	}
	all, next := list("")
	require.Len(t, all, 5, "with the registration's two mails")
	require.Empty(t, next)
	require.Equal(t, []string{ids[2], ids[1], ids[0]}, all[:3])
	failed, _ := list("?status=failed")
	require.Equal(t, ids[1:2], failed)
	queued, _ := list("?status=queued&limit=2")
	require.Equal(t, []string{ids[2], ids[0]}, queued)
	first, next := list("?limit=3")
	rest, _ := list("?limit=3&cursor=" + next)
	require.Equal(t, all, append(first, rest...))
}

func TestStaffSeeTheTasksThatTheyAskedFor(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	theirs, own := g.enqueue(s), g.enqueue(s)
	cashier := g.staff(s, accounts.Staff, g.floor(s).storefront)
	g.exec(`update task.task set created_by = $2 where id = $1`, own, cashier.user)
	page := g.do("GET", "/api/v1/tasks", cashier.access, nil).is(t, 200, "")
	require.Len(t, page.body["items"], 1)
	require.Equal(t, own, page.body["items"].([]any)[0].(map[string]any)["task_id"])
	manager := g.token(s, accounts.Manager, time.Now())
	for _, address := range []string{"/api/v1/tasks/%s", "/api/v1/tasks/%s/status", "/api/tasks/%s/status/", "/api/v1/tasks/%s/events"} {
		g.do("GET", fmt.Sprintf(address, theirs), cashier.access, nil).is(t, 404, "not_found")
		if !strings.HasSuffix(address, "events") { // it would go on
			g.do("GET", fmt.Sprintf(address, own), cashier.access, nil).is(t, 200, "")
			g.do("GET", fmt.Sprintf(address, theirs), manager, nil).is(t, 200, "")
		}
	}
}

// Whatever has an id answers another business with 404, exactly as for an id that does not exist, and changes nothing.
func TestAnotherBusinessSeesNothing(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama, kofi := g.register("ama"), g.register("kofi")
	id := g.enqueue(ama)
	reference := g.do("POST", purchases, ama.access, map[string]any{"package": "value"}).is(t, 201, "").text("reference")
	missing := uuid.NewString()
	for _, request := range [][3]string{
		{"GET", "/api/tasks/" + id + "/status/", "/api/tasks/" + missing + "/status/"},
		{"GET", "/api/tasks/" + id + "/status", "/api/tasks/" + missing + "/status"},
		{"GET", "/api/v1/tasks/" + id + "/status", "/api/v1/tasks/" + missing + "/status"},
		{"GET", "/api/v1/tasks/" + id, "/api/v1/tasks/" + missing},
		{"DELETE", "/api/v1/tasks/" + id, "/api/v1/tasks/" + missing},
		{"GET", purchases + "/" + reference, purchases + "/AI-NONE"},
	} {
		theirs := g.do(request[0], request[1], kofi.access, nil).is(t, 404, "not_found")
		none := g.do(request[0], request[2], kofi.access, nil).is(t, 404, "not_found")
		for _, differs := range []string{"instance", "request_id"} {
			delete(theirs.body, differs)
			delete(none.body, differs)
		}
		require.Equal(t, none.body, theirs.body)
	}
	require.Equal(t, 1, g.count(`select count(*) from task.task where id = $1 and state = 'pending' and not cancel_requested`, id))
	for _, path := range []string{"/api/v1/tasks", purchases, "/api/v1/ai/credits/ledger"} {
		raw, err := json.Marshal(g.do("GET", path, kofi.access, nil).is(t, 200, "").body)
		require.NoError(t, err)
		require.NotContains(t, string(raw), id)
		require.NotContains(t, string(raw), reference)
		require.NotContains(t, string(raw), ama.business)
	}
	lots := g.do("GET", "/api/v1/ai/credits/balance", kofi.access, nil).is(t, 200, "")
	require.Len(t, lots.body["lots"], 1)
	var view *task.View
	require.Error(t, g.server.DB.InTenant(tenant.With(t.Context(), uuid.MustParse(kofi.business)), func(tx *gorm.DB) (err error) {
		view, err = task.Get(tx, uuid.MustParse(id))
		return err
	}))
	require.Nil(t, view)
}
